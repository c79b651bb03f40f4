"""How often a race of settings over seeds leaves the one that would have won, and what it spares, on simulated sweeps.

    OMP_NUM_THREADS=1 python -m benchmarks racing --studies 2000

A study runs settings one after the other, each with the same seeds, and races them (`stats/racing.py`): a setting whose
later seeds are left out is out. Beside it stands the same study without a race, and one without a race that costs as
much: it has as many fewer settings. True values are normal with some spread, or climb as those of a sampler that learns
(`climbing`: the mean of the proposals rises by two spreads over the study). A seed moves all settings by one deviation
of the noise. In units of the noise of a run, or as shares:

- `lost`: of studies in which the race left the setting that would have won without it
- `worse`: by how much the truth of the answer is below that without a race; `same cost`: above that of the study
  without a race that costs as much
- `runs`: the share of all runs that it took

`skewed`: noise of a gamma of shape 2, turned down; `unequal`: of a deviation of its own for each setting, 0.5 to 2.
Exit code 1 where settings differ (else every one of them is the best) and at the default risk more than a tenth of
studies are `lost`, or the answer is `worse` by more than 0.03.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from dfkd_ray.stats import racing
from dfkd_ray.study.several_seeds import Racing

SPREADS = (0.0, 0.5, 1.0, 3.0)  # of the settings, in units of the noise
KINDS = ("normal", "skewed", "unequal", "climbing")
LOST, WORSE = 0.1, 0.03


@dataclass(frozen=True)
class Raced:
    """The place of the answer, and how many runs it took."""

    answer: int
    runs: int


def drawn(kind: str, spread: float, settings: int, seeds: int, rng: Any) -> tuple[Any, Any]:
    """(true values, values seen (settings, seeds)), higher is better."""
    true = spread * rng.standard_normal(settings)
    if kind == "climbing":
        true += spread * np.linspace(-1, 1, settings)
    noise = rng.standard_normal((settings, seeds))
    if kind == "skewed":
        noise = (2 - rng.gamma(2.0, size=(settings, seeds))) / math.sqrt(2)
    if kind == "unequal":
        noise *= rng.uniform(0.5, 2.0, (settings, 1))
    return true, true[:, None] + rng.standard_normal(seeds) + noise


def race(values: Any, risk: float) -> Raced:
    """One study, setting by setting."""
    seeds, runs, best = values.shape[1], 0, 0
    whole = racing.Residuals()
    for place, own in enumerate(values.tolist()):
        found, done = whole.noise, 1
        while done < seeds:
            ahead = [a - b for a, b in zip(own[:done], values[best])]
            if found is not None and racing.most_ahead(ahead, seeds, found, risk) < 0:
                break
            done += 1
        runs += done
        if done == seeds:
            whole.add(own)
            best = place if sum(own) > values[best].sum() else best
    return Raced(best, runs)


def row(kind: str, spread: float, settings: int, seeds: int, risk: float, studies: int) -> Iterator[float]:
    """lost, worse, same cost, runs."""
    rng = np.random.default_rng([seeds, settings, int(10 * spread), KINDS.index(kind)])
    lost, worse, same, runs = 0, 0.0, 0.0, 0
    for _ in range(studies):
        true, values = drawn(kind, spread, settings, seeds, rng)
        found, all_of_them = race(values, risk), values.mean(1)
        fewer = rng.permutation(settings)[: max(1, round(found.runs / seeds))]
        lost += found.answer != int(all_of_them.argmax())
        worse += float(true[all_of_them.argmax()] - true[found.answer])
        same += float(true[found.answer] - true[fewer[all_of_them[fewer].argmax()]])
        runs += found.runs
    yield from (lost / studies, worse / studies, same / studies, runs / studies / settings / seeds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000, metavar="N")
    parser.add_argument("--settings", type=int, default=[30], nargs="+")
    parser.add_argument("--seeds", type=int, default=[3, 5], nargs="+")
    parser.add_argument("--risk", type=float, default=[Racing().risk], nargs="+")
    asked = parser.parse_args()
    print("| settings | seeds | risk | noise | spread | lost % | worse | same cost | runs % |")
    print("|---|---|---|---|---|---|---|---|---|")
    bad = False
    for settings, seeds, risk, kind, spread in product(asked.settings, asked.seeds, asked.risk, KINDS, SPREADS):
        if kind == "climbing" and not spread:
            continue
        lost, worse, same, runs = row(kind, spread, settings, seeds, risk, asked.studies)
        told = f"{settings} | {seeds} | {risk:g} | {kind} | {spread:g} | {100 * lost:.1f}"
        print(f"| {told} | {worse:+.3f} | {same:+.3f} | {100 * runs:.0f} |", flush=True)
        bad |= risk == Racing().risk and spread > 0 and (lost > LOST or worse > WORSE)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
