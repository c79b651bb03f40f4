"""The fields of a dataclass as rows: its path, what it may be, its default, its meaning."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from dfkd_ray.util import yamls
from dfkd_ray.util.registry import Registry
from makers import markup
from makers.told import told

Row = tuple[str, str, str, str]
HEAD = ("field", "is", "default", "meaning")
NAMES = {int: "whole number", float: "number", str: "text", bool: "true or false", type(None): "null"}


def table(component: Any) -> str:
    """All fields of a component; empty where it has none, without meanings where none is told."""
    found = list(rows(component))
    columns = len(HEAD) if any(row[-1] for row in found) else len(HEAD) - 1
    return markup.table(HEAD[:columns], (row[:columns] for row in found)) if found else ""


def rows(component: Any, under: str = "") -> Iterator[Row]:
    """A row a field; those of a part that is no registered component of its own stand under it."""
    if not is_dataclass(component):
        return
    meanings, hints = told(component).meanings, get_type_hints(component)
    for f in fields(component):
        if not f.init:
            continue
        path, hint = f"{under}{f.name}", hints[f.name]
        part = next((each for each in _members(hint) if _is_part(each)), None)
        default = "" if part is not None and _default(f) is not None else _shown(f)
        yield markup.code(path), _kind(hint, f.metadata), default, markup.text(meanings.get(f.name, ""))
        if part is not None:
            yield from rows(part, f"{path}.")


def _members(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _is_part(hint: Any) -> bool:
    return isinstance(hint, type) and is_dataclass(hint) and not hasattr(hint, "registered_as")


def _default(f: Field[Any]) -> Any:
    return f.default_factory() if f.default_factory is not MISSING else f.default


def _shown(f: Field[Any]) -> str:
    made = _default(f)
    if made is MISSING:
        return "required"
    data = yamls.plain(made)
    if isinstance(data, Mapping) and list(data) == ["name"]:
        data = data["name"]
    return markup.code(markup.value(data))


def _kind(hint: Any, metadata: Mapping[str, Any]) -> str:
    """What a field may be, in words; of a component the names in its registry."""
    registry = metadata.get("registry")
    if isinstance(registry, Registry):
        many = "list of " if get_origin(hint) is tuple else ""
        named = many + ", ".join(markup.code(name) for name in registry)
        return f"{named} or null" if type(None) in _members(hint) else named
    return " or ".join(dict.fromkeys(_word(each) for each in _members(hint)))


def _word(hint: Any) -> str:
    if hint in NAMES:
        return NAMES[hint]
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Literal:
        return ", ".join(markup.code(markup.value(each)) for each in inner)
    if origin is tuple:
        kinds = dict.fromkeys(_word(each) for each in inner if each is not Ellipsis)
        return f"list of {' and '.join(kinds)}"
    if origin is not None and isinstance(origin, type) and issubclass(origin, Mapping | dict):
        return "mapping"
    return "mapping" if _is_part(hint) else "anything" if hint is Any else getattr(hint, "__name__", str(hint))
