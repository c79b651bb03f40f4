"""A place in public code: repository, commit and file, as methods and published tables write it."""

from __future__ import annotations

import re
from dataclasses import dataclass

FORM = "OWNER/NAME @COMMIT path/of/file.py, path/of/other.sh"
_ONE_REPOSITORY = re.compile(r"([\w.-]+/[\w.-]+) @([0-9a-f]{7,40}) (\S.*)")
_PATH = re.compile(r"[^\s,]+")


@dataclass(frozen=True)
class CodeFile:
    """A file that something was read in: `repository` is OWNER/NAME, `commit` 7 to 40 hex digits, `path` within it."""

    repository: str
    commit: str
    path: str

    @property
    def whole(self) -> str:
        return f"{self.repository}/{self.path}"


def parse(said: str) -> tuple[CodeFile, ...]:
    """The files of one repository that `OWNER/NAME @COMMIT path, path` names; ValueError for another form."""
    parts = _ONE_REPOSITORY.fullmatch(said)
    paths = [path.strip() for path in parts[3].split(",")] if parts else []
    if parts is None or not all(map(_PATH.fullmatch, paths)):
        raise ValueError(f"expected `{FORM}`, got {said!r}")
    return tuple(CodeFile(parts[1], parts[2], path) for path in paths)
