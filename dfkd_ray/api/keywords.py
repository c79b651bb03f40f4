"""Keyword arguments as what the command line fills with its options: one set of names, defaults and checks."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping
from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from dfkd_ray.study.overrides import Overrides
from dfkd_ray.tune.options import Options
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import ConfigError, UnknownName
from dfkd_ray.util.registry import did_you_mean

Made = typing.TypeVar("Made", Options, Overrides)


def split(said: Mapping[str, Any]) -> tuple[Options, Overrides]:
    """How a study is run, and what is said over it; UnknownName for another keyword."""
    own = {cls: [f.name for f in fields(cls)] for cls in (Options, Overrides)}
    _known(said, [name for names in own.values() for name in names])
    how, over = ({name: said[name] for name in names if name in said} for names in own.values())
    return made(Options, how), made(Overrides, over)


def made(cls: type[Made], said: Mapping[str, Any]) -> Made:
    """Options, or overrides, of what is said. None says nothing; a path may be text, and one value of those that may be
    given again stands for itself. UnknownName for another keyword, ConfigError for a value that does not fit.
    """
    _known(said, [f.name for f in fields(cls)])
    hints = typing.get_type_hints(cls)
    own = {f.name: _fitted(f, hints[f.name], said[f.name]) for f in fields(cls) if said.get(f.name) is not None}
    return yamls.typed(cls, own)


def _known(said: Iterable[str], names: list[str]) -> None:
    for name in said:
        if name not in names:
            raise UnknownName(f"no such keyword {name!r}{did_you_mean(name, names)}")


def _fitted(f: Field[Any], hint: Any, value: Any) -> Any:
    """A value in the type of its field, where what is meant is clear."""
    parts = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        several = (value,) if isinstance(value, str | Path) else tuple(value) if isinstance(value, Iterable) else value
        return tuple(map(parts[0], several)) if isinstance(several, tuple) else several
    if isinstance(value, str) and (parse := f.metadata.get("parse")):
        try:
            return parse(value)
        except ValueError as error:
            raise ConfigError.at(f.name, str(error)) from None
    if isinstance(value, str) and Path in parts:
        return Path(value)
    return str(value) if isinstance(value, Path) and Path not in parts else value
