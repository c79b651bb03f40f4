"""Arms resolved before they are run: which of them are one method, and which are none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dfkd_ray.study.arms import Arm
from dfkd_ray.util.errors import ConfigError


@dataclass(frozen=True)
class Duplicates:
    """What was found of some arms, as a ledger holds it."""

    arms: list[str]
    alike: dict[str, str]  # arm -> the arm that runs for it, since both resolve to the same method
    refused: dict[str, str]  # arm -> why it is no method


def find_duplicates(arms: Iterable[Arm], fingerprint: Callable[[Mapping[str, Any]], str]) -> Duplicates:
    """`fingerprint(changes)` is the same for one method, and raises ConfigError where there is none.

    Two arms whose loss terms stand in another order are one method: a sum has no order. Their bits may still differ, as
    floating-point sums do, and the arm that is named first is the one that is run.
    """
    first: dict[str, str] = {}
    found = Duplicates([], {}, {})
    for arm in arms:
        found.arms.append(arm.name)
        try:
            runs_as = first.setdefault(fingerprint(arm.changes), arm.name)
        except ConfigError as error:
            found.refused[arm.name] = "; ".join(str(problem) for problem in error.problems)
        else:
            if runs_as != arm.name:
                found.alike[arm.name] = runs_as
    return found
