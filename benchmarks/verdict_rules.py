"""Other rules for verdicts beside the shipped one, on the arms of `methods` against their control.

Each rule takes values (studies, arms, seeds), the control first, and says which of the other arms it tells apart from
the control, (studies, arms - 1), at a family-wise level of 5 %. None but the shipped one is part of the package.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from scipy import optimize, special, stats
from verdict_studies import ARMS, COMMON, METHOD_ARMS

from dfkd_ray.stats.verdicts import Comparison, judge

LEVEL, SHIFT, SHUFFLES = 0.05, 30.0, 199
Values = np.ndarray
Rule = Callable[[Values], np.ndarray]


def paired(values: Values) -> tuple[np.ndarray, np.ndarray, int]:
    """Mean and standard deviation of the differences from the control, and how many there are."""
    differences = values[:, 1:] - values[:, :1]
    return differences.mean(2), differences.std(2, ddof=1), values.shape[2]


def by_holm(p: np.ndarray) -> np.ndarray:
    """Holm (1979)."""
    order = np.argsort(p, axis=1)
    adjusted = np.maximum.accumulate(np.take_along_axis(p, order, 1) * np.arange(p.shape[1], 0, -1), axis=1)
    told = np.empty(p.shape, dtype=bool)
    np.put_along_axis(told, order, adjusted < LEVEL, 1)
    return told


def shipped(values: Values) -> np.ndarray:
    mean, deviation, pairs = paired(values)
    return np.array(
        [
            [each.p < LEVEL for each in judge([Comparison(m, s, pairs) for m, s in zip(*study)], 1 - LEVEL)]
            for study in zip(mean.tolist(), deviation.tolist())
        ]
    )


def plain(values: Values) -> np.ndarray:
    """Paired t."""
    mean, deviation, pairs = paired(values)
    return by_holm(2 * stats.t.sf(np.abs(mean) * pairs**0.5 / np.maximum(deviation, 1e-9), pairs - 1))


def welch(values: Values) -> np.ndarray:
    """Welch (1947): two samples, whose seeds are not paired."""
    own = np.maximum(values.var(2, ddof=1) / values.shape[2], 1e-12)
    both = own[:, 1:] + own[:, :1]
    freedom = both**2 / (own[:, 1:] ** 2 + own[:, :1] ** 2) * (values.shape[2] - 1)
    return by_holm(2 * stats.t.sf(np.abs(paired(values)[0]) / np.sqrt(both), freedom))


def dunnett(values: Values) -> np.ndarray:
    """Dunnett (1955) with the seeds as blocks: one spread for all arms, from what arm and seed leave."""
    arms, seeds = values.shape[1:]
    freedom = (arms - 1) * (seeds - 1)
    rest = values - values.mean(2, keepdims=True) - values.mean(1, keepdims=True) + values.mean((1, 2), keepdims=True)
    error = np.sqrt((rest**2).sum((1, 2)) / freedom * 2 / seeds)[:, None]
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((100_000, arms))
    drawn = (drawn[:, 1:] - drawn[:, :1]) / np.sqrt(2 * rng.chisquare(freedom, (100_000, 1)) / freedom)
    return np.abs(paired(values)[0]) / error > np.quantile(np.abs(drawn).max(1), 1 - LEVEL)


def on_logits(values: Values) -> np.ndarray:
    """The shipped rule on log odds; of 600 images, half of one is the least."""
    return shipped(special.logit(np.clip(values / 100, 0.5 / 600, 1 - 0.5 / 600)))


def shuffled(values: Values) -> np.ndarray:
    """Westfall and Young (1993): arms change places within each seed; the largest difference of each shuffle."""
    rng = np.random.default_rng(0)
    seen = np.abs(paired(values)[0])
    largest = np.stack([np.abs(paired(rng.permuted(values, axis=1))[0]).max(1) for _ in range(SHUFFLES)])
    return (1 + (largest[:, :, None] >= seen - 1e-12).sum(0)) / (1 + SHUFFLES) < LEVEL


def moderated(values: Values) -> np.ndarray:
    """Smyth (2004): the spreads of a study are draws from one inverse chi-square, whose two numbers it tells itself."""
    mean, deviation, pairs = paired(values)
    freedom, own = pairs - 1, np.maximum(deviation, 1e-9) ** 2
    logs = np.log(own) - special.digamma(freedom / 2) + np.log(freedom / 2)
    excess = logs.var(1, ddof=1) - special.polygamma(1, freedom / 2)
    prior = np.array([_inverse(each) for each in excess])[:, None]
    centre = np.exp(logs.mean(1, keepdims=True) + special.digamma(prior / 2) - np.log(prior / 2))
    variance = (prior * centre + freedom * own) / (prior + freedom)
    return by_holm(2 * stats.t.sf(np.abs(mean) / np.sqrt(variance / pairs), prior + freedom))


def _inverse(excess: float) -> float:
    """The prior's degrees of freedom of a variance of logarithms: trigamma(d / 2) = excess."""
    if excess <= special.polygamma(1, 5e3):
        return 1e4
    return 2 * float(optimize.brentq(lambda half: special.polygamma(1, half) - excess, 1e-3, 5e3))


RULES: Mapping[str, Rule] = {
    each.__name__: each for each in (shipped, plain, welch, dunnett, on_logits, shuffled, moderated)
}


def show(studies: int, seeds: list[int]) -> None:
    """A row for each rule and kind of arms: wrong in null studies, told of true effects (every second arm + 30)."""
    print("| arms | seeds | " + " | ".join(f"{name}: wrong %, told %" for name in RULES) + " |")
    print("|---|---|" + "---|" * len(RULES))
    shift = SHIFT * (np.arange(len(METHOD_ARMS) + 1) % 2)[:, None]
    for number in seeds:
        for arms, noise in ARMS.items():
            rng = np.random.default_rng([number, *map(ord, arms)])
            made = np.stack([noise(rng, len(shift), number) for _ in range(studies)]) + 50
            made += rng.normal(0.0, COMMON, (studies, 1, number)) * (arms != "constant")
            cells = []
            for rule in RULES.values():
                wrong, told = rule(made).any(1).mean(), rule(made + shift)[:, shift[1:, 0] > 0].mean()
                cells.append(f"{100 * wrong:.1f}, {100 * told:.0f}")
            print(f"| {arms} | {number} | " + " | ".join(cells) + " |", flush=True)
