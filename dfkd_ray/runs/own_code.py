"""The files that somebody's own component is made of: its module's, and of what that imports what is theirs too."""

from __future__ import annotations

import ast
import hashlib
import sys
import sysconfig
from collections.abc import Iterator
from importlib import metadata
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType

PACKAGE = __name__.partition(".")[0]
_HERE = Path(__file__).resolve().parents[1]
_LIBRARIES = tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def modules(name: str) -> dict[str, Path]:
    """The files of a loaded module, of the packages that it is in, and of all that these import, directly or not, by
    the names of their modules; empty where it is nobody's own.

    Python's own library, what is installed beside it, and this package are nobody's own: their versions are recorded.
    """
    found: dict[str, Path] = {}
    left = [name]
    while left:
        name = left.pop()
        loaded = sys.modules.get(name)
        if name not in found and loaded is not None and (path := _own(loaded)) is not None:
            found[name] = path
            left += [*_imports(loaded, path), name.rpartition(".")[0]]
    return found


def files(module: str) -> tuple[Path, ...]:
    """The same files, sorted."""
    return tuple(sorted(set(modules(module).values())))


def digest(module: str) -> str:
    """16 hex digits of the contents of `files`, in the order of their names."""
    made = hashlib.sha256()
    for path in files(module):
        content = path.read_bytes()
        made.update(f"{path.name} {len(content)}\n".encode() + content)
    return made.hexdigest()[:16]


def identity(module: str) -> dict[str, str]:
    """What a ledger keeps of a module: a digest, and of what; of what is installed its version stands for both."""
    if found := files(module):
        return {"digest": digest(module), "said": ", ".join(map(str, found))}
    top = module.partition(".")[0]
    installed = metadata.packages_distributions().get(top, [top])[0]
    try:
        version = metadata.version(installed)
    except metadata.PackageNotFoundError:
        version = "unknown"
    return {"digest": version, "said": f"{installed} {version}"}


def is_own(file: str) -> bool:
    """Whether code in this file is somebody's own."""
    path = Path(file).resolve()
    return path.is_file() and not any(path.is_relative_to(each) for each in (_HERE, *_LIBRARIES))


def _own(module: ModuleType) -> Path | None:
    """A module's file where it is somebody's own."""
    name, file = module.__name__.partition(".")[0], getattr(module, "__file__", None)
    return None if file is None or name == PACKAGE or not is_own(file) else Path(file).resolve()


def _imports(module: ModuleType, path: Path) -> Iterator[str]:
    """The names of what may be modules among all imports in a file, in functions too."""
    if path.suffix != ".py":
        return
    package = module.__package__ or ""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:  # somebody is writing it
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = "." * node.level + (node.module or "")
            base = resolve_name(name, package) if node.level and package else name
            yield from (base, *(f"{base}.{each.name}" for each in node.names))
