"""Own code on its way to a worker: modules travel by their text, with the work and before it, so no machine needs them.

What is installed (a plug-in that pip has brought) is imported there by its name.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from dfkd_ray.runs import own_code


@dataclass(frozen=True)
class OwnCode:
    """The modules of these names, and all that they import of one's own; where this is unpickled they are imported."""

    names: tuple[str, ...] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        sent: dict[str, tuple[str, bytes]] = {}
        for name in self.names:
            sent |= {each: (str(path), path.read_bytes()) for each, path in own_code.modules(name).items()}
        return arrived, (self.names, sent)


NONE_OWN = OwnCode()


def arrived(names: tuple[str, ...], sent: Mapping[str, tuple[str, bytes]]) -> OwnCode:
    """Make modules (name: path where it was, text) importable in this process, and import those of `names`."""
    missing = {name: file for name, file in sent.items() if name not in sys.modules}
    if missing:
        sys.meta_path.insert(0, _Sent(missing))  # before a file of that name that this machine may have
    for name in names:
        importlib.import_module(name)
    return OwnCode(names)


class TravelsWithCode:
    """A work whose `code` is unpickled before the rest of it, which may be made of that code."""

    code: OwnCode

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpacked, (self.code, type(self), vars(self))


def _unpacked(code: OwnCode, kind: type[Any], values: Mapping[str, Any]) -> Any:
    made = object.__new__(kind)
    vars(made).update(values)
    return made


class _Sent(MetaPathFinder):
    """Finds modules by their texts (name: path where it was, text)."""

    def __init__(self, files: Mapping[str, tuple[str, bytes]]) -> None:
        self.files = files

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in self.files:
            file, text = self.files[fullname]
            inside = [str(Path(file).parent)] if Path(file).stem == "__init__" else None
            loader = _Text(fullname, file, text)
            return spec_from_file_location(fullname, file, loader=loader, submodule_search_locations=inside)
        if any(name.startswith(f"{fullname}.") for name in self.files):
            return ModuleSpec(fullname, None, is_package=True)  # a folder without __init__.py
        return None


class _Text(SourceFileLoader):
    """Loads a module from its text; what it raises still names file and line as they were."""

    def __init__(self, name: str, path: str, text: bytes) -> None:
        super().__init__(name, path)
        self.text = text

    def get_data(self, path: str) -> bytes:
        return self.text

    def path_stats(self, path: str) -> Mapping[str, Any]:
        raise OSError(f"{path} was sent as text: nothing compiled belongs to it")


def importable(names: Iterable[str]) -> OwnCode:
    """Those of these modules that another process can import: not the script that runs."""
    return OwnCode(tuple(dict.fromkeys(name for name in names if name != "__main__")))
