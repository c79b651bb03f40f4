"""Published and measured, side by side: what a table claims, and what a study's effects say of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from dfkd_ray.stats.effects import HELPS, HURTS, ArmSummary, Effect
from dfkd_ray.study.published.table import Claim, Mark, PublishedTable

Verdict = Literal["holds here", "fails here", "cannot be told"]

POINTS = 100.0  # a trial reports accuracy as a share


@dataclass(frozen=True)
class Compared:
    """A row of a table beside its re-run, all in points. What was not measured is None."""

    row: str
    published: float | None
    mark: Mark
    measured: float | None
    n: int
    low: float | None  # Student's interval of the measured mean
    high: float | None
    difference: float | None  # measured - published


def printed(table: PublishedTable, claim: Claim, column: str | None = None) -> float:
    """The claim's contrast in the published numbers, in points: it holds there where this is > 0.

    Without a column: over the means of the columns that can be re-run.
    """
    values = {arm: table.value(arm, column) for arm in claim.weights}
    missing = [arm for arm, value in values.items() if value is None]
    if missing:
        raise ValueError(f"{table.id} has no value of {', '.join(missing)} for {column or 'the mean'}")
    digits = 9  # the numbers have two or three decimals: a contrast of 0 is 0
    return round(math.fsum(claim.weights[arm] * (value or 0.0) for arm, value in values.items()), digits)


def check(claim: Claim, effect: Effect) -> Verdict:
    """Whether a claim holds in a study: the verdict on its contrast among all claims of the table (`stats.verdicts`).

    The effect is that of the contrast with the claim's weights, which is called by the claim's text, in a metric where
    higher is better; ValueError for another one.
    """
    if effect.contrast != claim.text:
        raise ValueError(f"the effect of {effect.contrast!r} says nothing of {claim.text!r}")
    told: dict[str, Verdict] = {HELPS: "holds here", HURTS: "fails here"}
    return told.get(effect.verdict, "cannot be told")


def side_by_side(table: PublishedTable, column: str | None, summaries: Iterable[ArmSummary]) -> list[Compared]:
    """The rows of a table beside the arms of their names; without a column beside the mean of those that can be re-run.

    The two differ in data and scale unless the study ran at the paper's: a difference at another scale says nothing of
    the paper.
    """
    by_arm = {summary.arm: summary for summary in summaries}
    return [_compared(table, row, column, by_arm.get(row)) for row in table.row_names]


def _compared(table: PublishedTable, row: str, column: str | None, summary: ArmSummary | None) -> Compared:
    published = table.value(row, column)
    mark = next(cell.mark for cell in table.cells if cell.row == row)
    if summary is None:
        return Compared(row, published, mark, None, 0, None, None, None)
    mean, low, high = (None if x is None else POINTS * x for x in (summary.mean, summary.t_low, summary.t_high))
    difference = None if mean is None or published is None else mean - published
    return Compared(row, published, mark, mean, summary.n, low, high, difference)
