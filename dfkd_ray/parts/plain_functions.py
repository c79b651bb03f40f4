"""A plain function of tensors as a loss term: its arguments say by their names what it reads, the others are fields."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import field, fields, make_dataclass
from operator import attrgetter
from typing import Any, get_type_hints

from torch import Tensor

from dfkd_ray.parts.signals import Signals
from dfkd_ray.util.choices import EVERY, Targets
from dfkd_ray.util.registry import did_you_mean

_OF_A_NET = ("logits", "embedding", "stages", "norms")
TENSORS: Mapping[str, Callable[[Any], Any]] = {
    **{name: attrgetter(name) for name in ("images", "labels")},
    **{f"{net}_{what}": attrgetter(f"{net}.{what}") for net in ("teacher", "student") for what in _OF_A_NET},
}
"""What an argument of this name reads: see `Signals` and `Pass` for shapes; only what is named is computed."""


Again = Callable[[str, Mapping[str, Any]], Any]  # a term by its name and its fields


def as_term(function: Callable[..., Tensor], name: str, again: Again) -> type[Any]:
    """The frozen dataclass that calls `function` with the tensors that its arguments name; arguments with a default are
    its fields, by their annotation or the default's type.

    again: how one is made where it is unpickled, since the function has the name that its class would have there.
    ValueError for an argument that is neither.
    """
    hints, reads, own = get_type_hints(function), [], []
    for argument in inspect.signature(function).parameters.values():
        if argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD, argument.POSITIONAL_ONLY):
            raise ValueError(f"{name}: its arguments are passed by their names, {argument} cannot be")
        if argument.name in TENSORS:
            reads.append(argument.name)
        elif argument.default is argument.empty:
            unknown = f"no tensor is called {argument.name!r}{did_you_mean(argument.name, TENSORS)}"
            raise ValueError(f"{name}: {unknown}; a number of its own has a default")
        else:
            hint = hints.get(argument.name, type(argument.default))
            own.append((argument.name, hint, field(default=argument.default)))

    def call(term: Any, signals: Signals) -> Tensor:
        given = {each: TENSORS[each](signals) for each in reads}
        return function(**given, **_values(term))

    def reduced(term: Any) -> tuple[Any, ...]:
        return again, (name, _values(term))

    targets: tuple[Targets, ...] = ("classes",) if "labels" in reads else EVERY
    space = {"__call__": call, "__reduce__": reduced, "targets": targets}
    made = make_dataclass(function.__name__, own, frozen=True, namespace=space)
    made.__module__ = function.__module__
    made.__doc__ = function.__doc__ or ""
    return made


def _values(term: Any) -> dict[str, Any]:
    return {each.name: getattr(term, each.name) for each in fields(term)}
