"""Contrasts: every effect of an ablation is a weighted sum over its arms, the weights adding up to 0."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from math import comb, factorial
from typing import Literal, Protocol

Levels = Mapping[str, str]  # factor -> the level that it has in an arm
Runs = Mapping[str, Levels]  # arm -> its levels
TINY = 1e-12  # a weight below this is the rounding of a zero


class Factor(Protocol):
    """What is varied: two or more levels by name; `on` and `off` are the two that are compared first."""

    @property
    def name(self) -> str: ...
    @property
    def levels(self) -> Collection[str]: ...
    @property
    def on(self) -> str: ...
    @property
    def off(self) -> str: ...
    @property
    def binary(self) -> bool: ...
    def others(self, level: str) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Contrast:
    """An effect: the sum of weight * value over the arms.

    component: "mhad"; "mhad x sfcl" for an interaction; the arm's name where arms are named by hand.
    name: in words, "mhad on against off, the rest on".
    aliases: the effects up to order 3 that it cannot be told from; it estimates their sum.
    exact: False for a Shapley value that is estimated from an incomplete set of coalitions.
    """

    component: str
    kind: Literal["simple", "main", "interaction", "shapley"]
    name: str
    weights: Mapping[str, float] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    exact: bool = True

    @property
    def scale(self) -> float:
        """Its spread as a multiple of that of two arms: sqrt(sum_a w_a^2 / 2), for arms of equal spread.

        A main effect of a full factorial of 8 arms has 1/2: `smallest_effect(pairs, spread * contrast.scale)`.
        """
        return math.sqrt(math.fsum(weight**2 for weight in self.weights.values()) / 2)


def joint(*components: str) -> str:
    """What an interaction is called: `mhad x sfcl`."""
    return " x ".join(components)


def against(component: Factor, level: str, other: str, rest: str) -> str:
    """The name of a comparison of two levels: `mhad on against off, the rest on`."""
    return f"{component.name} {level} against {other}, {rest}"


def difference(component: str, name: str, arm: str, other: str) -> Contrast:
    """One arm minus another."""
    return Contrast(component, "simple", name, {arm: 1.0, other: -1.0})


def mains(components: Sequence[Factor], runs: Runs) -> Iterator[Contrast]:
    """Main effects of a balanced design: the mean over the arms at a level minus the mean over those at `off`."""
    for component in components:
        for level in component.others(component.off):
            weights = _means(component, level, runs)
            yield Contrast(
                component.name, "main", against(component, level, component.off, "mean over the rest"), weights
            )


def _means(component: Factor, level: str, runs: Runs) -> dict[str, float]:
    of = {arm: levels[component.name] for arm, levels in runs.items()}
    count = {each: list(of.values()).count(each) for each in component.levels}
    sign = {level: 1.0, component.off: -1.0}
    return {arm: sign[each] / count[each] for arm, each in of.items() if each in sign}


def interactions(components: Sequence[Factor], runs: Runs) -> Iterator[Contrast]:
    """Two-way interactions of the binary components of a balanced design.

    By the convention of Box, Hunter and Hunter (2005): half the difference between the effect of A where B is on and
    the effect of A where B is off; the same for B at A. It is on the scale of a main effect: with levels coded +1 and
    -1 both are the mean over the arms at +1 minus the mean over those at -1, for an interaction of the product column.
    """
    for a, b in combinations([component for component in components if component.binary], 2):
        alike = {arm: (levels[a.name] == a.on) == (levels[b.name] == b.on) for arm, levels in runs.items()}
        weights = {arm: (1.0 if same else -1.0) * 2 / len(runs) for arm, same in alike.items()}
        words = f"half of: {a.name}'s effect where {b.name} is on, minus that where {b.name} is off"
        yield Contrast(joint(a.name, b.name), "interaction", words, weights)


def shapley(components: Sequence[Factor], runs: Runs) -> tuple[Contrast, ...]:
    """Shapley values of binary components: shares of `full` minus `none` (Shapley, 1953).

    Exact where every coalition of components was run. Else, for three components or more, by the weighted regression of
    KernelSHAP (Lundberg and Lee, 2017, theorem 2), which is linear in the values; where a coalition always comes with
    its complement it has no bias from two-way interactions. Empty where the coalitions that were run do not determine
    the shares: `full` or `none` is missing, or the regression is not of full rank.
    """
    if len(components) < 2 or not all(component.binary for component in components):
        return ()
    arms = {_coalition(components, levels): arm for arm, levels in runs.items()}
    exact = len(arms) == 1 << len(components)
    weights = _permutations(len(components), arms) if exact else _regression(len(components), arms)
    tail = "" if exact else f", estimated from {len(arms)} of {1 << len(components)} coalitions"
    return tuple(
        Contrast(component.name, "shapley", f"Shapley value of {component.name}{tail}", each, exact=exact)
        for component, each in zip(components, weights)
    )


def shapley_note(contrasts: Sequence[Contrast]) -> Iterator[str]:
    """Says where Shapley values are estimates."""
    values = [each for each in contrasts if each.kind == "shapley"]
    if values and not values[0].exact:
        tail = values[0].name.rpartition(", ")[2]
        yield f"Shapley values are {tail}: interactions of three and more components can bias them"


def _coalition(components: Sequence[Factor], levels: Levels) -> int:
    """Which components are on, as bits."""
    return sum(1 << i for i, component in enumerate(components) if levels[component.name] == component.on)


def _permutations(players: int, arms: Mapping[int, str]) -> list[dict[str, float]]:
    """The weight of each coalition in each player's mean over all orders of joining."""
    out = []
    for i in range(players):
        weights = {}
        for coalition, arm in arms.items():
            joined = coalition >> i & 1
            others = coalition.bit_count() - joined
            share = factorial(others) * factorial(players - others - 1) / factorial(players)
            weights[arm] = share if joined else -share
        out.append(weights)
    return out


def _regression(players: int, arms: Mapping[int, str]) -> list[dict[str, float]]:
    """KernelSHAP as weights over arms; empty where it is not determined.

    Minimise sum over coalitions S of w(S) (v(S) - v(none) - sum of the shares in S)^2, w(S) = (k - 1) / (C(k, s) s (k -
    s)), under sum of all shares = v(full) - v(none). The normal equations with one multiplier are linear in v.
    """
    import numpy as np

    none, full = 0, (1 << players) - 1
    if players < 3 or none not in arms or full not in arms:
        return []
    coalitions = list(arms)
    inside = np.array([[each >> i & 1 for i in range(players)] for each in coalitions], dtype=float)
    kernel = np.array([_kernel(players, each.bit_count()) for each in coalitions])
    above_none = np.eye(len(arms))
    above_none[:, coalitions.index(none)] -= 1.0  # row S times v is v(S) - v(none)
    ones = np.ones((players, 1))
    left = np.block([[inside.T @ (kernel[:, None] * inside), ones], [ones.T, np.zeros((1, 1))]])
    right = np.vstack([(inside.T * kernel) @ above_none, above_none[coalitions.index(full)]])
    if np.linalg.matrix_rank(left) <= players:
        return []
    shares = np.linalg.solve(left, right)[:players]
    names = list(arms.values())
    return [{arm: float(w) for arm, w in zip(names, row) if abs(w) > TINY} for row in shares]


def _kernel(players: int, size: int) -> float:
    """The Shapley kernel; 0 for none and full, which the constraint holds exactly."""
    return (players - 1) / (comb(players, size) * size * (players - size)) if 0 < size < players else 0.0
