"""The YAML files that travel with the package: studies and methods, found by name."""

from __future__ import annotations

import difflib
import re
from itertools import takewhile
from pathlib import Path

from dfkd_ray.util.errors import UnknownName
from dfkd_ray.util.registry import did_you_mean

_PACKAGE = Path(__file__).parents[1]


def studies() -> list[Path]:
    """The shipped studies: inside an installed package, or beside it in a checkout."""
    for folder in (_PACKAGE / "search_spaces", _PACKAGE.parent / "search_spaces"):
        if folder.is_dir():
            return sorted(folder.glob("*.yaml"))
    return []


def names(folder: str) -> list[str]:
    """The names of the YAML files in a folder of the package ("methods", "datasets"), without what loads them."""
    return sorted(path.stem for path in (_PACKAGE / folder).glob("*.yaml") if path.stem != "of_methods")


def file_of(folder: str, name: str) -> Path:
    """Where one of `names` stands."""
    return _PACKAGE / folder / f"{name}.yaml"


def find(name: str) -> Path:
    """A shipped study or method; UnknownName with the nearest.

    Where a name is that of both it is the method, and `search_spaces/NAME` the study.
    """
    methods = {path.stem: path for path in sorted((_PACKAGE / "methods").glob("*.yaml"))}
    asked = {path.stem: path for path in studies()}
    known = asked | methods
    kind, _, stem = name.rpartition("/")
    if kind == "search_spaces" and stem in asked:
        return asked[stem]
    if name not in known:
        raise UnknownName(f"unknown study or method {name!r}{did_you_mean(name, known)}")
    return known[name]


def study_file(name: str) -> Path:
    """A study by path, or a shipped one by name; UnknownName with the nearest, and where a path is that of a shipped
    one in a checkout that is not there, with its name."""
    path = Path(name)
    known = {path.stem: path for path in studies()}
    if path.is_file():
        return path
    if path.suffix in (".yaml", ".yml"):
        if path.stem in known:
            raise UnknownName(f"{name}: there is no such file; the shipped study is called {path.stem!r} alone")
        if not path.parent.is_dir() and (near := difflib.get_close_matches(path.stem, known, n=1)):
            raise UnknownName(f"{name}: there is no such file; did you mean the shipped study {near[0]!r}?")
        return path
    if name not in known:
        raise UnknownName(f"unknown study {name!r}{did_you_mean(name, known)}")
    return known[name]


def question(path: Path) -> str:
    """What a study asks."""
    from dfkd_ray.util import yamls

    return str((yamls.load(path).data or {}).get("question", ""))


def headline(path: Path) -> str:
    """The first sentence of the comment that a YAML file opens with."""
    lines = takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    return first_sentence(" ".join(line.removeprefix("#").strip() for line in lines))


def first_sentence(text: str) -> str:
    """Up to the first full stop that a capital follows; of several paragraphs the first alone."""
    paragraph = " ".join(text.strip().partition("\n\n")[0].split())
    return re.split(r"(?<=\S[.?!]) (?=[A-Z])", paragraph, maxsplit=1)[0]
