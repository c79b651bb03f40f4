"""How often everything that decides is wrong, what its intervals cover, and how much it tells, on simulated studies.

    OMP_NUM_THREADS=1 python -m benchmarks verdicts --studies 2000
    OMP_NUM_THREADS=1 python -m benchmarks verdicts --studies 200 --design methods --seeds 3
    OMP_NUM_THREADS=1 python -m benchmarks verdicts --calibrate --studies 40000
    OMP_NUM_THREADS=1 python -m benchmarks verdicts --rules --seeds 3 5

Each row is a design with a kind of arms, and so many seeds, without any effect (`wrong`: the share of studies in which
some effect is told, of the family that errs most; `cover`: the share of intervals of verdicts that hold the truth) and
with known effects (`told`: the share of them that is told, with the right sign; `wrong sign`: studies in which one is
told with the other). `Holm` is the rule before: the p of plain t under the rule of Holm (1979). Values are points of
accuracy, and a seed moves all arms of a study by 5 points. Exit code 1 where `wrong` is above 6 %.

`--calibrate` prints how many comparisons of plain t a family of guarded ones counts for: the table in `stats/verdicts`.
`--rules` puts other rules beside the shipped one, on the arms of `methods`.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import verdict_calibration
import verdict_rules
import verdict_studies
from verdict_studies import ARMS, DESIGNS, Design

from dfkd_ray.stats.effects import HELPS, TOLD, Effect, Outcomes, effects
from dfkd_ray.study import published
from dfkd_ray.util import host

MOST = 0.06  # of studies may tell what is not there
Cell = tuple[str, str, int]  # design, arms, seeds


@dataclass
class Found:
    """What the studies of one row came to: sums over studies, then shares. wrong, holm: by family."""

    wrong: Counter[str] = field(default_factory=Counter)
    holm: Counter[str] = field(default_factory=Counter)
    cover: float = 0.0
    told: float = 0.0
    holm_told: float = 0.0
    turned: float = 0.0
    seeds: float = 0.0


def judged(design: Design, outcomes: Outcomes, looks: int) -> list[Effect]:
    return effects(design.contrasts, outcomes, "val_accuracy", "max", resamples=0, looks=looks)


def families(found: Sequence[Effect]) -> dict[str, list[Effect]]:
    """The effects that are judged together."""
    out: dict[str, list[Effect]] = {}
    for effect in found:
        out.setdefault("component" if effect.kind in ("simple", "main") else effect.kind, []).append(effect)
    return out


def by_holm(found: Sequence[Effect]) -> list[bool]:
    """Which of a family the rule before told: Holm (1979) on plain p."""
    ps = [1.0 if effect.p_t is None else effect.p_t for effect in found]
    told = [False] * len(found)
    for rank, i in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        if ps[i] * (len(found) - rank) >= 0.05:
            break
        told[i] = True
    return told


def decided(design: Design, found: Sequence[Effect]) -> list[bool]:
    """Whether each effect was told; claims are asked as `reproduce` asks them."""
    if not design.claims:
        return [effect.verdict in TOLD for effect in found]
    checked = [published.check(claim, effect) for claim, effect in zip(design.claims, found)]
    return [verdict != "cannot be told" for verdict in checked]


def truths(design: Design, shifts: dict[str, float]) -> list[float]:
    return [math.fsum(w * shifts[arm] for arm, w in each.weights.items()) for each in design.contrasts]


def simulate(cell: Cell, studies: int) -> Found:
    name, arms, seeds = cell
    design, rng = DESIGNS[name], np.random.default_rng([seeds, *map(ord, name + arms)])
    total = Found()
    for known in (False, True):
        shifts = {arm: design.shift * (known and i % 2) for i, arm in enumerate(design.arms)}
        true = truths(design, shifts)
        for _ in range(studies):
            outcomes, used, looks = design.run(ARMS[arms], rng, seeds, shifts)
            found = judged(design, outcomes, looks)
            told = decided(design, found)
            count(total, found, told, true, known)
            total.seeds += used / 2
    for key in ("cover", "told", "holm_told", "turned", "seeds"):
        setattr(total, key, getattr(total, key) / studies)
    return total


def count(total: Found, found: Sequence[Effect], told: Sequence[bool], true: Sequence[float], known: bool) -> None:
    """Add one study to the sums."""
    group = families(found)
    places = {id(effect): i for i, effect in enumerate(found)}
    if not known:
        for name, family in group.items():
            total.wrong[name] += any(told[places[id(effect)]] for effect in family)
            total.holm[name] += any(by_holm(family))
        total.cover += sum(e.low is None or e.high is None or e.low <= 0 <= e.high for e in found) / len(found)
        return
    there = [i for i, truth in enumerate(true) if abs(truth) > 1e-9]
    right = [told[i] and (found[i].verdict == HELPS) == (true[i] > 0) for i in there]
    total.told += sum(right) / len(there)
    total.turned += any(told[i] and not ok for i, ok in zip(there, right))
    plain = {id(e): ok for family in group.values() for e, ok in zip(family, by_holm(family))}
    total.holm_told += sum(plain[id(found[i])] and (found[i].difference or 0) * true[i] > 0 for i in there) / len(there)


def most(counts: Counter[str], studies: int) -> float:
    """The share of studies of the family that errs most."""
    return max(counts.values(), default=0) / studies


def row(cell: Cell, found: Found, studies: int) -> str:
    wrong, holm = most(found.wrong, studies), most(found.holm, studies)
    shares = (wrong, holm, found.cover, found.told, found.holm_told, found.turned)
    said = " | ".join(f"{100 * share:.1f}" for share in shares)
    return f"| {cell[0]} | {cell[1]} | {found.seeds:.1f} | {said} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000, metavar="N", help="null ones, and as many known ones")
    parser.add_argument("--design", action="append", choices=DESIGNS, help="may be given again; all without")
    parser.add_argument("--arms", action="append", choices=ARMS, help="may be given again; all without")
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 5, 10])
    parser.add_argument("--calibrate", action="store_true", help="print the table of comparisons instead")
    parser.add_argument("--rules", action="store_true", help="print other rules beside the shipped one instead")
    asked = parser.parse_args()
    if asked.rules:
        verdict_rules.show(asked.studies, asked.seeds)
        return 0
    if asked.calibrate:
        verdict_calibration.show(asked.studies)
        return 0
    cells: list[Any] = [
        (design, arms, seeds)
        for design in asked.design or DESIGNS
        for seeds in (asked.seeds if not DESIGNS[design].until else [verdict_studies.MOST])
        for arms in asked.arms or ARMS
    ]
    print("| design | arms | seeds | wrong % | Holm % | cover % | told % | Holm % | wrong sign % |")
    print("|---|---|---|---|---|---|---|---|---|")
    worst = 0.0
    with ProcessPoolExecutor(host.cores()) as pool:
        for cell, found in zip(cells, pool.map(simulate, cells, [asked.studies] * len(cells))):
            print(row(cell, found, asked.studies), flush=True)
            worst = max(worst, most(found.wrong, asked.studies))
    print(f"the highest share of studies that tell what is not there: {100 * worst:.1f} %")
    return int(worst > MOST)


if __name__ == "__main__":
    sys.exit(main())
