"""The files that a job is sent: the study's own, and what stands beside it and is named in it, own code too."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from dfkd_ray.util import limits, yamls
from dfkd_ray.util.errors import StudyError

YAML = (".yaml", ".yml")


def named(study: Path) -> dict[str, Path]:
    """The study's file, and what it and the YAML files that it names call by a path that leads to a file beside it, or
    below where one stands, which is where `sweep` looks too: by the name that each has for the job.

    StudyError for a YAML file that is named from outside of both: the job would not find it.
    """
    found, left, roots = {study.name: study}, [study], (study.parent, Path())
    while left:
        for word in _words(yamls.load(left.pop()).data):
            name = word.removeprefix("./")
            file = next((each for root in roots if _is_file(each := root / name)), None)
            if file is None:
                found |= _package(name, roots)
            if file is None or name in found or Path(name).is_absolute():
                continue
            if ".." in Path(name).parts:
                raise StudyError(f"{study} names {word}, which is not beside it: send a folder that has both, --folder")
            found[name] = file
            if file.suffix in YAML:
                left.append(file)
    return found


def _package(name: str, roots: Iterable[Path]) -> dict[str, Path]:
    """The modules of own code that is a folder with an `__init__.py` below a root, by the name that each has for the
    job."""
    parts, root = Path(name).parts, next((root for root in roots if _is_file(root / name / "__init__.py")), None)
    if root is None or not parts or ".." in parts or Path(name).is_absolute():
        return {}
    return {str(each.relative_to(root)): each for each in sorted((root / name).rglob("*.py"))}


def stage(files: Mapping[str, Path], into: Path) -> None:
    """Copy files to their names in a folder."""
    for name, file in files.items():
        (into / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, into / name)


def _words(plain: Any) -> Iterator[str]:
    """All values in plain data that may be a path."""
    if isinstance(plain, (Mapping, list)):
        for value in plain.values() if isinstance(plain, Mapping) else plain:
            yield from _words(value)
    elif isinstance(plain, str) and plain and len(plain) <= limits.PATH and plain.isprintable():
        yield plain


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a question is longer than a name may be
        return False
