"""One name, one component: the only registry in the project."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar
from weakref import WeakSet

from dfkd_ray.util.errors import UnknownName

T = TypeVar("T")
_all: WeakSet[Registry[Any]] = WeakSet()


class Registry(Generic[T]):
    """Names to components of one kind, filled by decorators, read by configuration files.

    >>> colours = Registry[type]("colour")
    >>> @colours.register("red")
    ... class Red: ...
    >>> colours["rde"]
    Traceback (most recent call last):
    dfkd_ray.util.errors.UnknownName: unknown colour 'rde'; did you mean 'red'? (known: red)
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}
        _all.add(self)

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: file the component under `name`, and write the name on it as `registered_as`."""

        def keep(item: T) -> T:
            if name in self._items:
                raise ValueError(f"{self.kind} {name!r} is registered twice: {self._items[name].__module__} has it")
            setattr(item, "registered_as", name)  # noqa: B010  so that a spec can be written back as YAML
            self._items[name] = item
            return item

        return keep

    def __getitem__(self, name: str) -> T:
        if name not in self._items:
            raise UnknownName(f"unknown {self.kind} {name!r}{did_you_mean(name, self._items)}")
        return self._items[name]

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._items))

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __len__(self) -> int:
        return len(self._items)


def forget(module: str) -> None:
    """Take out of all registries what a module has registered: it is loaded anew, or could not be loaded to its end."""
    for registry in _all:
        registry._items = {name: item for name, item in registry._items.items() if item.__module__ != module}


def did_you_mean(name: Any, known: Iterable[str], cutoff: float = 0.6) -> str:
    """The tail of a message about a name nobody knows: the nearest name, if it is that much alike, then all of them."""
    known = sorted(known)
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=cutoff)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{hint} (known: {', '.join(known)})" if known else f"{hint} (none is known)"


def load_siblings(package: str, path: Iterable[str]) -> None:
    """Import every module of `package`, so that dropping a file into a folder registers it."""
    for module in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{module.name}")
