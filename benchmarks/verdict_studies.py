"""Simulated ablations for the benchmark of verdicts: designs, their contrasts, and arms that scatter in their way."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from dfkd_ray.stats import contrasts as c
from dfkd_ray.stats import looks
from dfkd_ray.stats.contrasts import Contrast
from dfkd_ray.stats.effects import Outcomes
from dfkd_ray.study import published
from dfkd_ray.study.published import Claim

MOST = 12  # seeds of a study that adds some
COMMON = 5.0  # points by which a seed moves all arms of a study
WIDTH = 20.0  # points: what `until` asks for
# Standard deviations over seeds of the arms of `reports/example/methods`, in points, rounded; the first is the control.
METHODS = (0.5, 10, 15, 4, 5, 1, 3, 6, 12, 6, 3, 9, 10, 20, 0.5, 2)
Noise = Callable[[np.random.Generator, int, int], np.ndarray]  # arms, seeds -> values around 0, in points


def spreads(arms: int) -> np.ndarray:
    """Of so many arms, as methods have them."""
    return np.resize(METHODS, arms)[:, None].astype(float)


def alike(rng: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    return rng.normal(0.0, 6.0, (arms, seeds))


def unequal(rng: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    return rng.normal(0.0, 1.0, (arms, seeds)) * spreads(arms)


def one_wide(rng: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    return rng.normal(0.0, 1.0, (arms, seeds)) * np.where(np.arange(arms)[:, None] == arms - 1, 20.0, 1.0)


def skewed(rng: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    """A gamma's tail downwards, skewness 1.4, in every second arm upwards."""
    sign = np.where(np.arange(arms)[:, None] % 2, 1.0, -1.0)
    return sign * (rng.gamma(2.0, 1.0, (arms, seeds)) - 2.0) / np.sqrt(2.0) * spreads(arms)


def bounded(rng: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    """Accuracies near the top, mean 95 %, spreads of 1 to 3.6 points (those of fast to spaceshipnet), on 600 images."""
    narrow = np.geomspace(36, 475, arms)[:, None]  # of a beta; 0.95 * 0.05 / spread^2
    rate = rng.beta(0.95 * narrow, 0.05 * narrow, (arms, seeds))
    return 100 * (rng.binomial(600, rate) / 600 - 0.95)


def constant(rng: np.random.Generator, arms: int, seeds: int) -> np.ndarray:
    """Every third arm always ends at the same value, as a student at chance does."""
    return np.where(np.arange(arms)[:, None] % 3, unequal(rng, arms, seeds), 0.0)


ARMS: Mapping[str, Noise] = {each.__name__: each for each in (alike, unequal, one_wide, skewed, bounded, constant)}


@dataclass(frozen=True)
class Design:
    """Arms and their contrasts. shift: points that every second arm gains in known studies. until: seeds are added."""

    arms: tuple[str, ...]
    contrasts: tuple[Contrast, ...]
    shift: float = 30.0
    claims: tuple[Claim, ...] = ()
    until: looks.Until | None = None
    start: int = 3

    def run(
        self, noise: Noise, rng: np.random.Generator, seeds: int, shifts: Mapping[str, float]
    ) -> tuple[Outcomes, int, int]:
        """The outcomes of one study, how many seeds it took, and how many looks its level is split over."""
        common = rng.normal(0.0, COMMON, seeds) if noise is not constant else np.zeros(seeds)
        values = noise(rng, len(self.arms), seeds) + common
        whole = {
            arm: {(seed, 0): 50.0 + shifts[arm] + float(v) for seed, v in enumerate(own)}
            for arm, own in zip(self.arms, values)
        }
        if self.until is None:
            return whole, seeds, 1
        used = self.start
        while True:
            now = {arm: {pair: v for pair, v in own.items() if pair[0] < used} for arm, own in whole.items()}
            wanted = len(looks.seeds_wanted(self.contrasts, now, range(seeds), self.start, self.until))
            if wanted <= used:
                return now, used, len(looks.schedule(self.start, seeds))
            used = wanted


@dataclass(frozen=True)
class Switch:
    """A component that is on or off."""

    name: str
    levels: tuple[str, ...] = ("on", "off")
    on: str = "on"
    off: str = "off"
    binary: bool = True

    def others(self, level: str) -> tuple[str, ...]:
        return tuple(each for each in self.levels if each != level)


def against(arms: Sequence[str], control: str) -> tuple[Contrast, ...]:
    return tuple(c.difference(arm, f"{arm} against {control}", arm, control) for arm in arms)


def factorial() -> Design:
    switches = [Switch(name) for name in "abc"]
    runs = {"".join(levels): dict(zip("abc", levels)) for levels in product(("on", "off"), repeat=3)}
    effects = (*c.mains(switches, runs), *c.interactions(switches, runs), *c.shapley(switches, runs))
    return Design(tuple(runs), effects)


def claims(table: str) -> Design:
    found = published.load(table)
    effects = tuple(Contrast(claim.text, "simple", claim.text, claim.weights) for claim in found.claims)
    return Design(tuple(found.arms), effects, claims=tuple(found.claims))


METHOD_ARMS = tuple(f"m{i}" for i in range(1, 16))
PARTS = tuple(f"without {name}" for name in "abcd")
DESIGNS: Mapping[str, Design] = {
    "methods": Design(("control", *METHOD_ARMS), against(METHOD_ARMS, "control")),
    "leave one out": Design(("all", *PARTS), against(PARTS, "all")),
    "factorial": factorial(),
    "claims": claims("dfkd_fgvc/table3"),
    "until narrow": Design(("all", *PARTS), against(PARTS, "all"), until=WIDTH),
    "until told": Design(("all", *PARTS), against(PARTS, "all"), until="told"),
}
