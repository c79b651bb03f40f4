"""Arms that are named by hand, each with its changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from dfkd_ray.stats.contrasts import Contrast, difference
from dfkd_ray.study.components import Changes, twins
from dfkd_ray.study.designs import Arm, Components, Design, Hand, designs
from dfkd_ray.util import limits
from dfkd_ray.util.errors import ConfigError, Problem
from dfkd_ray.util.registry import did_you_mean
from dfkd_ray.util.yamls import Problems


@designs.register("arms")
@dataclass(frozen=True)
class ByHand(Design):
    """Arms that are named by hand, with the changes of each; each is compared with the first, unless told otherwise."""

    compare: tuple[tuple[str, str], ...] = ()  # [arm, the arm that it is compared with]; empty: each with the first
    least: ClassVar[int] = 0

    def arms(self, components: Components, hand: Hand) -> tuple[Arm, ...]:
        return tuple(Arm(name, {}, dict(changes)) for name, changes in hand.items())

    def contrasts(self, components: Components, arms: Sequence[Arm]) -> tuple[Contrast, ...]:
        first, *others = (arm.name for arm in arms)
        named = self.compare or [(other, first) for other in others]
        return tuple(difference(a, f"{a} against {b}", a, b) for a, b in named)

    def mistakes(self, components: Components, hand: Hand) -> Iterator[Problem]:
        yield from twins("arms", hand)
        if components:
            yield Problem("components", "are not used where arms are named by hand: leave them out")
        if len(hand) < 2:
            yield Problem("arms", f"a comparison needs at least two arms, got {', '.join(hand) or 'none'}")
        for i, named in enumerate(self.compare):
            for name in named:
                if name not in hand:
                    yield Problem(f"design.compare.{i}", f"there is no arm {name!r}{did_you_mean(name, hand)}")
            if len(set(named)) < 2:
                yield Problem(f"design.compare.{i}", f"compares {named[0]!r} with itself")

    def notes(self, components: Components, arms: Sequence[Arm]) -> Iterator[str]:
        if self.compare:
            yield f"compared: {'; '.join(f'{a} against {b}' for a, b in self.compare)}"
        else:
            yield f"each arm is compared with the first, {arms[0].name}"


def read_hand(raw: Any) -> dict[str, Changes]:
    """Arms named by hand, as a study file has them: {name: {path: value}}; ConfigError with all mistakes."""
    if not isinstance(raw, Mapping) or not raw:
        example = "{baseline: {}, other: {path: value}}"
        raise ConfigError.at("", f"expected arms by name, such as {example}, got {raw!r}")
    limits.count("arms", raw)
    problems = Problems()
    for name, changes in raw.items():
        if not isinstance(changes, Mapping):
            problems.add(str(name), f"expected {{path: value}}, {{}} where nothing changes, got {changes!r}")
    problems.stop_if_any()
    return {str(name): dict(changes) for name, changes in raw.items()}
