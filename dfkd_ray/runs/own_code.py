"""The files that somebody's own component is made of: its module's, and of what that imports what is theirs too."""

from __future__ import annotations

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType

_PACKAGE = __name__.partition(".")[0]
_LIBRARIES = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def files(module: str) -> tuple[Path, ...]:
    """The file of a loaded module and those of all that it imports, directly or not, sorted; empty where it has none.

    Python's own library, what is installed beside it, and this package are nobody's own: their versions are recorded.
    """
    found: dict[str, Path] = {}
    left = [module]
    while left:
        name = left.pop()
        loaded = sys.modules.get(name)
        if name not in found and loaded is not None and (path := _own(loaded)) is not None:
            found[name] = path
            left += _imports(loaded, path)
    return tuple(sorted(set(found.values())))


def digest(module: str) -> str:
    """16 hex digits of the contents of `files`, in the order of their names."""
    made = hashlib.sha256()
    for path in files(module):
        content = path.read_bytes()
        made.update(f"{path.name} {len(content)}\n".encode() + content)
    return made.hexdigest()[:16]


def _own(module: ModuleType) -> Path | None:
    """A module's file where it is somebody's own."""
    name, file = module.__name__.partition(".")[0], getattr(module, "__file__", None)
    path = Path(file).resolve() if file else None
    if path is None or not path.is_file() or name == _PACKAGE or any(path.is_relative_to(each) for each in _LIBRARIES):
        return None
    return path


def _imports(module: ModuleType, path: Path) -> Iterator[str]:
    """The names of what may be modules among all imports in a file, in functions too."""
    if path.suffix != ".py":
        return
    package = module.__package__ or ""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            base = resolve_name(name, package) if node.level and package else name
            yield from (base, *(f"{base}.{each.name}" for each in node.names))
