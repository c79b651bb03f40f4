"""How many comparisons of plain t a family of guarded ones counts for, at worst: the table in `stats/verdicts`.

The spreads of a study are not known, so the worst is taken: over families in which some comparisons are wide and the
others narrow by a factor, and whether they share a control, which may be as wide as the widest, or not.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy import stats

from dfkd_ray.stats.verdicts import SHARE, guard

PAIRS = (3, 4, 5, 6, 8, 10, 15, 25)
FAMILIES = (2, 4, 8, 16, 32, 64)
NARROW = (0.2, 0.35, 0.5, 0.7, 0.85)  # of the wide ones' spread
CONTROLS = (0.0, 0.4, 1.0)


def counted(pairs: int, family: int, studies: int) -> float:
    """The level at which plain t would have to be asked, as a part of the level that the family may err at."""
    rng, risk, most = np.random.default_rng([pairs, family]), 0.05 * SHARE, 0.0
    for wide in sorted({1, 2, 4, family // 2, family} & set(range(1, family + 1))):
        for narrow, control in product(NARROW if wide < family else (1.0,), CONTROLS):
            spreads = np.where(np.arange(family) < wide, 1.0, narrow)
            values = rng.standard_normal((studies, pairs, family)) * spreads
            values += control * rng.standard_normal((studies, pairs, 1))
            deviations = values.std(1, ddof=1)
            guarded = np.maximum(deviations, guard(pairs) * deviations.max(1, keepdims=True))
            t = (np.abs(values.mean(1)) * np.sqrt(pairs) / guarded).max(1)
            most = max(most, risk / (2 * stats.t.sf(np.quantile(t, 1 - risk), pairs - 1)))
    return most


def show(studies: int) -> None:
    """Print the table, a row for each number of pairs; the shipped one is rounded up, to what skewed values need."""
    print("pairs   " + "".join(f"{family:>7}" for family in FAMILIES))
    for pairs in PAIRS:
        found = (counted(pairs, family, max(1000, studies * 16 // (pairs * family))) for family in FAMILIES)
        print(f"{pairs:>5}   " + "".join(f"{each:7.2f}" for each in found), flush=True)
