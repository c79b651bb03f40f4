"""Names of other repositories for what is mathematically one of our nets: tables from their names to ours.

A table renames where it leads to exactly the names of a net, and `recognition` compares the shapes; so of several nets
that one table could serve only the one that a file holds is taken. What another repository computes otherwise has no
table, such as shortcuts of option A that average, or VGGs with five max-pools.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeVar

Value = TypeVar("Value")
COUNTED = "num_batches_tracked"  # old files lack it, and a net in eval mode does not read it


@dataclass(frozen=True)
class Naming:
    """whose: the repositories that name so. rules: a pattern at the beginning of a name and what takes its place; each
    name goes through all of them, in their order. note: what the names leave open."""

    whose: str
    rules: tuple[tuple[str, str], ...]
    note: str = ""


_HEAD = (r"fc\.", "linear.")
_STAGES = tuple((rf"conv{stage + 1}_x\.", f"layer{stage}.") for stage in range(1, 5))
_RESIDUAL = (
    *(("0", "conv1"), ("1", "bn1"), ("3", "conv2"), ("4", "bn2"), ("6", "conv3"), ("7", "bn3")),  # 2 and 5 are ReLUs
)
NAMINGS: tuple[Naming, ...] = (
    Naming(
        "torchvision's, as in chenyaofo/pytorch-cifar-models and HobbitLong/RepDistiller",
        ((r"(layer\d\.\d+)\.downsample\.", r"\1.shortcut."), _HEAD),
        "taken to have no max-pool behind its 3x3 stem, as most do (those of huyvnphan/PyTorch_CIFAR10 have one)",
    ),
    Naming(
        "those of weiaicunzai/pytorch-cifar100",
        (
            (r"conv1\.0\.", "conv1."),
            (r"conv1\.1\.", "bn1."),
            *_STAGES,
            *((rf"(layer\d\.\d+)\.residual_function\.{at}\.", rf"\1.{name}.") for at, name in _RESIDUAL),
            _HEAD,
        ),
    ),
)


def counted(names: Collection[str]) -> frozenset[str]:
    """The names by which a net is known: all but BatchNorm's counters."""
    return frozenset(name for name in names if not name.endswith(COUNTED))


def renamed(state: Mapping[str, Value], naming: Naming) -> dict[str, Value]:
    """The same under the names that the table makes of them."""
    made = {}
    for name, value in state.items():
        for pattern, replacement in naming.rules:
            name = re.sub(rf"^{pattern}", replacement, name)
        made[name] = value
    return made


def fitted(state: Mapping[str, Value], names: Collection[str]) -> tuple[Mapping[str, Value], Naming | None]:
    """`state` under the names of a net, and the table that made them so; as it is where no table leads there."""
    wanted = counted(names)
    if counted(state.keys()) != wanted:
        for naming in NAMINGS:
            if counted((made := renamed(state, naming)).keys()) == wanted:
                return made, naming
    return state, None
