"""What a study file says beyond a sweep's: components, design, seeds and nuisance draws. Then its trials are given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from dfkd_ray.study import arms, components, seeds
from dfkd_ray.study.arms import Arm, Contrast, Design, designs
from dfkd_ray.study.by_hand import ByHand
from dfkd_ray.study.components import Changes, Component
from dfkd_ray.study.paths import Walk, most
from dfkd_ray.study.seeds import Seeds
from dfkd_ray.util import limits
from dfkd_ray.util.errors import ConfigError, Problem
from dfkd_ray.util.yamls import Problems, component, typed
from dfkd_ray.util.yamls import plain as written

MAKING = ("components", "design", "arms")  # keys of the file of which any makes it an ablation
KEYS = (*MAKING, "seeds", "draws", "tune", "spread")  # all of them; a sweep may have `seeds` too


@dataclass(frozen=True)
class Tune:
    """An equal-budget search for each arm, so that none is judged at another's optimum.

    trials: of each arm, all with one seed of their own; the best setting by the first objective is run with all seeds.
    """

    trials: int
    seed: int = 1000

    def __post_init__(self) -> None:
        if self.trials < 2:
            raise ValueError(f"trials must be >= 2, got {self.trials}")


@dataclass(frozen=True)
class Ablation:
    """An experiment: arms by design, each run with the same seeds and nuisance draws, so that they are paired."""

    design: Design
    seeds: Seeds
    components: tuple[Component, ...] = ()
    hand: Mapping[str, Changes] = field(default_factory=dict)  # arms named by hand
    draws: int | None = None  # points of `search`, the same for all arms; None: not said, see `points`
    tune: Tune | None = None
    spread: float | None = None  # points: standard deviation of a paired difference, where none was measured

    def __post_init__(self) -> None:
        if self.draws is not None and self.draws < 1:
            raise ValueError(f"draws must be >= 1, got {self.draws}")
        if self.spread is not None and not self.spread > 0:
            raise ValueError(f"spread must be > 0 points, got {self.spread:g}")

    @cached_property
    def arms(self) -> tuple[Arm, ...]:
        """All arms that are known before anything is run: of a path, those of its first round."""
        return arms.build(self.design, self.components, self.hand)

    @property
    def to_a_method(self) -> bool:
        """Whether it is a path to another method."""
        return isinstance(self.design, Walk) and self.design.to is not None

    @property
    def needed(self) -> tuple[Arm, ...]:
        """The arms that have to be methods: all; of a path `to` one its two ends, since a step may wait for another."""
        if not self.to_a_method:
            return self.arms
        return arms.along(self.components, [each.name for each in self.components])[:: len(self.components)]

    @property
    def points(self) -> int:
        """How many draws there are: one where nothing is searched, or where it is said."""
        return self.draws or 1

    @property
    def pairs(self) -> int:
        """(seed, draw) pairs of each arm at the start."""
        return self.seeds.start * self.points

    @property
    def of_each_arm(self) -> int:
        """Trials of an arm at the start."""
        return self.pairs + (0 if self.tune is None else self.tune.trials)

    @property
    def trials(self) -> int | None:
        """Trials at the start, equal arms counted twice; None for a path, which finds its arms on the way."""
        return None if isinstance(self.design, Walk) else len(self.arms) * self.of_each_arm

    @property
    def most_trials(self) -> int:
        """Trials at most before seeds are added: a path tries each remaining component in every round."""
        return self.trials or most(self.components) * self.pairs

    def contrasts(self, chosen: tuple[str, ...] = ()) -> tuple[Contrast, ...]:
        """Every effect; of a path, those of the components that were chosen, in their order."""
        along = arms.along(self.components, chosen) if isinstance(self.design, Walk) else self.arms
        return arms.contrasts(self.design, self.components, along)


def parse(raw: Mapping[str, Any]) -> Ablation | None:
    """The ablation among the parts of a study file, None for a sweep; ConfigError with all mistakes."""
    given = {key: raw[key] for key in KEYS if key in raw}
    if not given.keys() & {*MAKING}:
        if key := next(iter(given.keys() - {"seeds"}), None):
            raise ConfigError.at(key, "belongs to an ablation: say `components` and `design`, or `arms`")
        return None
    problems = Problems()
    if "seeds" not in given:
        problems.add("seeds", "is missing: how many seeds, or which")
    if "design" not in given and "arms" not in given:
        problems.add("design", f"is missing (known: {', '.join(designs)})")
    parts: dict[str, Any] = {key: problems.attempt(key, _READERS[key], given[key]) for key in given}
    problems.stop_if_any()
    design = parts.pop("design", None) or ByHand()
    hand = parts.pop("arms", {})
    return Ablation(design=design, hand=hand, **parts)


def plain(ablation: Ablation) -> dict[str, Any]:
    """The parts as a study file would have them; `parse(plain(a)) == a`."""
    out: dict[str, Any] = {
        "components": components.plain(ablation.components) or None,
        "design": written(ablation.design),
        "arms": {name: dict(changes) for name, changes in ablation.hand.items()} or None,
        "seeds": seeds.plain(ablation.seeds),
        "draws": ablation.draws,
        "tune": None if ablation.tune is None else written(ablation.tune),
        "spread": ablation.spread,
    }
    return {key: value for key, value in out.items() if value is not None}


def conflicts(parts: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong between an ablation and the other parts of its study; parts that could not be read are absent."""
    ablation: Ablation | None = parts.get("ablation")
    if ablation is None:
        return
    found = list(arms.mistakes(ablation.design, ablation.components, ablation.hand))
    yield from found
    if parts.get("search") is not None:
        yield from _of_search(ablation, parts["search"], parts.get("sampler"))
        if not found:
            yield from _removed(ablation, parts["search"])
    if ablation.tune is not None and ablation.tune.seed in ablation.seeds.listed:
        why = "a setting chosen with a seed looks better with it"
        yield Problem("tune.seed", f"{ablation.tune.seed} is also among the seeds: {why}")
    if isinstance(ablation.design, Walk):
        if ablation.tune is not None:
            yield Problem("tune", "the arms of a path are not known before it is walked: take `draws`")
        if ablation.seeds.until is not None:
            yield Problem("seeds", "each round of a path needs all its seeds to choose by: say how many, or which")
    if parts.get("stopper") is not None and parts["stopper"].registered_as != "none":
        yield Problem("stopper", "arms are compared at the same budget, which no stopper may cut: `stopper: none`")
    if parts.get("seed"):  # 0 is what `plain` writes
        yield Problem("seed", "an ablation's seeds are under `seeds`")
    if parts.get("budget") is not None and parts["budget"].trials is not None:
        yield Problem("budget.trials", "an ablation runs arms x seeds x draws: leave `trials` out")


def _of_search(ablation: Ablation, search: Mapping[str, Any], sampler: Any) -> Iterator[Problem]:
    """Whether `search`, `draws`, `tune` and `sampler` go together."""
    if ablation.points > 1 and ablation.tune is not None:
        yield Problem("tune", "each arm is tuned, or all have the same `draws`: not both")
    if search and ablation.draws is None and ablation.tune is None:
        yield Problem("search", "in an ablation: say how many `draws` of it all arms share, or `tune: {trials: ...}`")
    if not search and (ablation.points > 1 or ablation.tune is not None):
        yield Problem("draws" if ablation.points > 1 else "tune", "there is nothing under `search` to draw from")
    if sampler is not None and sampler.registered_as not in ("tpe", "random"):
        if ablation.tune is not None:
            yield Problem("sampler", "`tune` takes tpe or random")
        elif search:
            yield Problem("sampler", "the draws that arms share are at random: take random, or leave it out")


def _removed(ablation: Ablation, search: Mapping[str, Any]) -> Iterator[Problem]:
    """Searched paths that some arm takes out, and changes of arms that a draw would undo; the first arm is named."""
    found: dict[tuple[str, str], str] = {}
    for path in search:
        for arm in ablation.arms:
            for changed, value in arm.changes.items():
                if changed == path:
                    text = f"is set by the arm {arm.name!r} as well"
                elif changed.startswith(f"{path}."):
                    text = f"is replaced as a whole, and with it what the arm {arm.name!r} sets: {changed}"
                elif value is None and path.startswith(f"{changed}."):
                    text = (
                        f"the arm {arm.name!r} takes out {changed}, so there is nothing to search in it: "
                        f"search what all arms have, or fix it"
                    )
                else:
                    continue
                found.setdefault((f"search.{path}", changed), text)
    yield from (Problem(at, text) for (at, _), text in found.items())


def _draws(raw: Any) -> int:
    if not isinstance(raw, int) or isinstance(raw, bool) or raw < 1:
        raise ConfigError.at("", f"expected a whole number from 1, got {raw!r}")
    limits.check("draws", raw)
    return raw


def _points(raw: Any) -> float:
    if not isinstance(raw, (int, float)) or isinstance(raw, bool) or not raw > 0:
        raise ConfigError.at("", f"expected a number of points above 0, got {raw!r}")
    limits.check("spread", raw)
    return float(raw)


_READERS: Mapping[str, Any] = {
    "components": components.parse,
    "design": lambda raw: component(designs, raw),
    "arms": arms.read_hand,
    "seeds": seeds.parse,
    "draws": _draws,
    "tune": lambda raw: typed(Tune, raw),
    "spread": _points,
}
