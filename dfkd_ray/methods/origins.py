"""A resolved method as YAML, each value with where it comes from: the method's own file, or a component's default."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from dfkd_ray.methods import config, marks
from dfkd_ray.parts.total_loss import TotalLoss, Weighted
from dfkd_ray.util import yamls
from dfkd_ray.util.code_files import CodeFile
from dfkd_ray.util.errors import ConfigError, Problem
from dfkd_ray.util.yamls import Document

EVIDENCE = ("read", "secondary", "reconstruction", "own")  # what a method's file says it rests on, in `# Evidence: ...`


def evidence(name: str) -> str | None:
    """What a method's file says that it rests on: one of EVIDENCE, None where it says nothing; ConfigError for else."""
    path = config.method_file(name)
    header = takewhile(lambda line: line.startswith("#"), path.read_text(encoding="utf-8").splitlines())
    for number, line in enumerate(header, start=1):
        if found := re.match(r"# Evidence: *(\w*)", line):
            if found[1] not in EVIDENCE:
                message = f"evidence is {' or '.join(EVIDENCE)}, got {found[1]!r}"
                raise ConfigError([Problem("", message, str(path), number)])
            return found[1]
    return None


def with_origins(name: str) -> Iterator[str]:
    """Lines of YAML that give the method back, every default filled in, each value's origin as a comment.

    First come the `# Code:` lines of its head; a value that is marked `code` says which of them it is from.
    """
    document, files, comments = _read(name)
    method = config.load(name)
    yield from marks.listed(files)
    for slot, value in config.plain(method).items():
        yield from _lines(slot, slot, value, getattr(method, slot), document, comments)


def origin(name: str, path: str) -> str:
    """Where the value at a path of a method comes from, as `with_origins` has it beside the value."""
    document, _, comments = _read(name)
    spec: Any = config.load(name)
    for key in path.split(".")[:-1]:
        spec = _part(spec, key)
    return _origin(path, spec, document, comments)


def _read(name: str) -> tuple[Document, Sequence[CodeFile], dict[int, str]]:
    """A method's file, the files of code that its head names, and the comment of each line."""
    path = config.method_file(name)
    files = marks.head(path.read_text(encoding="utf-8"), str(path))
    comments = {line: marks.named(said, files, str(path), line) for line, said in comments_of(path).items()}
    return yamls.load(path), files, comments


def _lines(
    key: str, path: str, value: Any, spec: Any, document: Document, comments: Mapping[int, str]
) -> Iterator[str]:
    """`key: value  # origin`, or `key:` and what is in it, two spaces further in."""
    if not isinstance(value, Mapping) or not value:
        text = yamls.dump(value, default_flow_style=True, width=10**6).removesuffix("...\n").strip()
        yield f"{key}: {text}"
        return
    yield f"{key}:"
    for each, inner in value.items():
        below = f"{path}.{each}"
        first, *rest = _lines(each, below, inner, _part(spec, each), document, comments)
        leaf = not isinstance(inner, Mapping) or not inner
        origin = _origin(below, spec, document, comments) if leaf else ""
        yield f"  {first}  # {origin}" if origin else f"  {first}"
        yield from (f"  {line}" for line in rest)


def _part(spec: Any, key: str) -> Any:
    """What stands under a key of a spec; a term's fields stand beside its weight."""
    if isinstance(spec, TotalLoss):
        return spec.parts[key]
    if isinstance(spec, Weighted) and not hasattr(spec, key):
        spec = spec.term
    return getattr(spec, key, None)


def _origin(path: str, spec: Any, document: Document, comments: Mapping[int, str]) -> str:
    """The comment beside the value in the file, or beside what holds it; else whose default it is."""
    above, _, key = path.rpartition(".")
    if path in document.lines or (key == "name" and above in document.lines):
        while path:
            if (line := document.lines.get(path, 0)) in comments:
                return comments[line]
            path = path.rpartition(".")[0]
        return "" if key == "name" else "stated in the method's file"
    if key == "name":
        return ""
    owner = spec.term if isinstance(spec, Weighted) and not hasattr(spec, key) else spec
    return f"default of {type(owner).__name__}" if is_dataclass(owner) else ""


def comments_of(path: Path) -> dict[int, str]:
    """The comment at the end of each line, by its number from 1; quoted text is none."""
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        bare = re.sub(r"'[^']*'|\"[^\"]*\"", lambda quoted: "x" * len(quoted[0]), line)
        if comment := re.search(r"\S\s+#\s*(.+)$", bare):
            found[number] = line[comment.start(1) :].strip()
    return found
