"""From what lies in a checkpoint to names and tensors: which of its networks, without what wrappers wrote around it.

People save a state_dict under a key (`state_dict`, `model`, ...), with an epoch and an optimiser beside it, and with
the prefixes of what wrapped the network (`module.` of DataParallel, `_orig_mod.` of torch.compile, ...). Where a file
holds several networks, such as a model and its moving average, its name says which: `t.pth#model_ema`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from dfkd_ray.util.errors import DataError
from dfkd_ray.util.registry import did_you_mean
from dfkd_ray.util.words import listed

MARK = "#"  # between a file and the network in it
DEEP = 4  # mappings in one another
MOST = 8  # prefixes
WRAPPERS = (
    "module",
    "model",
    "net",
    "network",
    "_orig_mod",
    "_module",
    "student",
    "teacher",
    "ema",
    "ema_model",
    "model_ema",
)
# What stands beside a wrapped network among its names and is no part of it: losses and metrics of its training, which
# Lightning's modules call after the images that they are measured on, such as val_f1.
_ASIDE = re.compile(
    r"criterion|(train|val|valid|test)_.*|(loss|metrics?|acc|accuracy)(_.*)?|.*_(loss|acc|accuracy|metrics?)"
)


@dataclass(frozen=True)
class Unwrapped:
    """state: names and tensors of one network. key: where it lay, "" for the top. prefixes: taken off its names, from
    outside in. beside: what else lay there, by name."""

    state: Mapping[str, Tensor]
    key: str = ""
    prefixes: tuple[str, ...] = ()
    beside: Mapping[str, Any] = field(default_factory=dict)


def file_of(weights: Path) -> Path:
    """The file itself, without the network in it that its name asks for."""
    return _parted(weights)[0]


def _parted(weights: Path) -> tuple[Path, str | None]:
    before, _, network = weights.name.rpartition(MARK)
    return (weights.with_name(before), network) if before and not weights.exists() else (weights, None)


def unwrapped(held: Any, weights: Path) -> Unwrapped:
    """The network in what a file holds, the one that the name `weights` asks for; DataError where there is none, or
    where there are several and it asks for none."""
    path, wanted = _parted(weights)
    found = {each.key: each for each in networks(held, path)}
    if wanted is None and len(found) > 1:
        ways = listed([f"--weights '{path}{MARK}{key}'" for key in found], "or")
        raise DataError(f"{path}: holds {len(found)} networks, {listed([*found])}: say which one, by {ways}")
    if wanted is None:
        return next(iter(found.values()))
    fits = [key for key in found if key == wanted or key.rpartition(".")[2] == wanted]
    if len(fits) != 1:
        raise DataError(
            f"{path}: holds no network {wanted!r}{did_you_mean(wanted, [key or '.' for key in found], 0.4)}"
        )
    return found[fits[0]]


def networks(held: Any, path: Path) -> tuple[Unwrapped, ...]:
    """All networks in what the file at `path` holds, at least one; DataError where there is none."""
    found = tuple(_parts(_networks(held)))
    if not found:
        inside = f" of {_named(held)}" if isinstance(held, Mapping) and held else ""
        raise DataError(f"{path}: no weights in it: expected names and tensors, got {type(held).__name__}{inside}")
    return found


def noted(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The numbers among its names that lie at the top, in no layer: of the nets known here none has such a weight, and
    trainings note their epoch and best accuracy so."""
    return {name: value for name, value in state.items() if "." not in name and not value.ndim}


def _networks(held: Any, key: str = "", deep: int = DEEP) -> Iterator[Unwrapped]:
    """Every mapping in it that names tensors as a network does, by the keys that lead to it."""
    if not isinstance(held, Mapping) or not deep:
        return
    state = {name: value for name, value in held.items() if isinstance(name, str) and isinstance(value, Tensor)}
    if any("." in name for name in state) or (not key and state and len(state) == len(held)):
        yield Unwrapped(state, key, (), {str(name): value for name, value in held.items() if name not in state})
        return
    for name, value in held.items():
        if isinstance(name, str):
            beside = {str(other): each for other, each in held.items() if other != name}
            for each in _networks(value, f"{key}.{name}" if key else name, deep - 1):
                yield Unwrapped(each.state, each.key, (), {**beside, **each.beside})


def _parts(found: Iterable[Unwrapped]) -> Iterator[Unwrapped]:
    """Each without the prefixes of its wrappers; one that holds a student and its teacher becomes two."""
    for each in found:
        yield from _stripped(each)


def _stripped(each: Unwrapped) -> Iterator[Unwrapped]:
    groups: dict[str, dict[str, Tensor]] = {}
    for name, value in each.state.items():
        first, _, rest = name.partition(".")
        groups.setdefault(first, {})[rest] = value
    counters = noted(each.state)
    aside = {name: groups[name] for name in groups if name in counters or _ASIDE.fullmatch(name)}
    wrapped = [name for name in groups if name not in aside]
    if (
        len(each.prefixes) == MOST
        or not wrapped
        or not all(name in WRAPPERS and "" not in groups[name] for name in wrapped)
    ):
        yield each
        return
    for name in wrapped:
        key = each.key if len(wrapped) == 1 else f"{each.key}.{name}" if each.key else name
        others = {other: groups[other] for other in wrapped if other != name}
        beside = {**each.beside, **aside, **counters, **others}
        yield from _stripped(Unwrapped(groups[name], key, (*each.prefixes, f"{name}."), beside))


def _named(held: Mapping[Any, Any], most: int = 6) -> str:
    names = [str(name) for name in held]
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")
