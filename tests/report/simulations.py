"""The table of a simulation, made by hand."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from dfkd_ray.report import simulation

NOTE: dict[str, Any] = {
    "study": "toy",
    "metric": "val_accuracy",
    "mode": "max",
    "recorded": 40,
    "others": 2,
    "folders": ["reports/old"],
    "explained": 0.7312,
    "noise": 0.05,
    "best": 0.9,
    "median": 0.5,
    "full": 36.0,
    "repetitions": 100,
    "refused": {"gp + asha": "gp models values"},
}


def row(case: str, cost: float, found: float | None, difference: float = 0.0, at: str = "cost", slots: int = 1) -> Any:
    """A row whose intervals are 2 points wide."""
    name = {"trials": 12, "slots": slots, "seeds": 1, "case": case, "at": at, "cost": cost, "repetitions": 100}
    if found is None:
        return name
    ends = {"found": found, "low": found - 0.01, "high": found + 0.01, "flattered": 0.08}
    apart = {"difference": difference}
    apart |= {"difference_low": difference - 0.01, "difference_high": difference + 0.01} if difference else {}
    return {**name, **ends, **apart, "ended": 12.0, "stopped": 2.5, "clock": 432.0}


def rows(better: float = 0.02) -> list[Any]:
    return [
        row("random + none", 6.0, None),
        row("random + none", 12.0, 0.80),
        row("random + none", 12.0, 0.80, at="trials"),
        row("tpe <b> + asha", 6.0, 0.78),
        row("tpe <b> + asha", 12.0, 0.80 + better, better),
        row("tpe <b> + asha", 4.5, 0.77, at="trials"),
    ]


def table(better: float = 0.02, **note: Any) -> pa.Table:
    return simulation.table(rows(better), NOTE | note)
