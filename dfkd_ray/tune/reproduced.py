"""A study beside the published table that it re-runs: rows and claims, as the metadata of its tables has them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from dfkd_ray import metrics
from dfkd_ray.stats.contrasts import Contrast
from dfkd_ray.stats.effects import ArmSummary, Outcomes, arm_summary, effects
from dfkd_ray.study import published
from dfkd_ray.study.published import Compared, PublishedTable
from dfkd_ray.study.published.claims import POINTS
from dfkd_ray.tune import analysis
from dfkd_ray.tune.history import History


def comparison(history: History) -> dict[str, Any]:
    """What the papers' numbers and this study's say of the same rows and claims, in points; plain data.

    Measured is the test accuracy of the last epoch; where the trials have none, the study's objective. `metric` says
    which; `cut` whose interval ends where the metric's range does. `scale` is "paper" on a task of the table, else the
    name of the task.

    A table whose source keeps the epoch that is best on the split it reports (`best_on_test`: the code that does) is
    put beside our best epoch as well, in `best` and `best_difference`. Ours is the best by the study's objective,
    because no epoch is chosen by the test split here, nor is that split looked at after each: the value of the best
    epoch on test, which alone would be like for like, is not known. It is not below either of the two that
    are, since both are epochs of the same run. Claims are judged at the last epoch.
    """
    study = history.study
    table, column = published.find(study.published)
    metric = metrics.TEST_LAST if metrics.TEST_LAST in analysis.compared(history) else study.objective[0].metric
    found = analysis.outcomes(history, metric, table.arms)
    summaries = arm_summary(found)
    within = [_within(metric, each) for each in summaries]
    best = _at_the_best_epoch(history, table, column)
    theirs = {run["task"] for name, run in table.runs.items() if column in (None, name)}
    return {
        "table": table.id,
        "title": table.title,
        "source": f"{table.source.citation}, {table.number}",
        "column": column,
        "scale": "paper" if study.task_name in theirs else history.task.get("name", study.task_name),
        "unit": table.unit,
        "metric": metric,
        "best_on_test": table.best_on_test if best else "",
        "cells": [_cell(row) | best.get(row.row, {}) for row in published.side_by_side(table, column, within)],
        "cut": [each.arm for each, kept in zip(summaries, within) if kept != each],
        "claims": _claims(
            table, column, found, metric, 1 if study.ablation is None else len(study.ablation.seeds.looks)
        ),
    }


def _at_the_best_epoch(history: History, table: PublishedTable, column: str | None) -> dict[str, dict[str, Any]]:
    """Row -> its value at our best epoch; nothing of a table whose source is not known to keep its own best."""
    if not table.best_on_test or metrics.TEST_BEST not in analysis.compared(history):
        return {}
    found = arm_summary(analysis.outcomes(history, metrics.TEST_BEST, table.arms))
    rows = published.side_by_side(table, column, found)
    return {row.row: {"best": row.measured, "best_difference": row.difference} for row in rows}


def _within(metric: str, summary: ArmSummary) -> ArmSummary:
    """With its interval cut where it leaves what the metric can be."""
    low, high = metrics.within(metric, summary.t_low, summary.t_high)
    return replace(summary, t_low=low, t_high=high)


def _cell(row: Compared) -> dict[str, Any]:
    return {
        "row": row.row,
        "published": row.published,
        "mark": row.mark,
        "measured": row.measured,
        "t_low": row.low,
        "t_high": row.high,
        "n": row.n,
        "difference": row.difference,
    }


def _claims(
    table: PublishedTable, column: str | None, found: Outcomes, metric: str, looks: int
) -> list[dict[str, Any]]:
    """Each claim is a contrast of its own, so that its verdict rests on paired values."""
    contrasts = [Contrast(claim.text, "simple", claim.text, claim.weights) for claim in table.claims]
    return [
        {
            "text": claim.text,
            "by": claim.by,
            "published": published.printed(table, claim, column),
            "difference": _points(effect.difference),
            "low": _points(effect.low),
            "high": _points(effect.high),
            "pairs": effect.pairs,
            "verdict": published.check(claim, effect),
        }
        for claim, effect in zip(table.claims, effects(contrasts, found, metric, "max", resamples=0, looks=looks))
    ]


def _points(share: float | None) -> float | None:
    return None if share is None else POINTS * share
