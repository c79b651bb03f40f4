"""A sweep with three seeds as its tables would have it: two settings with all of them, one left, one stopped, one that
has failed. Made up, not measured."""

from __future__ import annotations

from typing import Any

from dfkd_ray.report.view import Tables
from tests.report.studies import KD, noted, steps, study, trial

SEEN = {  # setting -> what each seed reached
    0: [0.50, 0.56, 0.53],
    3: [0.70, 0.74, 0.72],
    6: [0.60, 0.58],
    8: [0.30],
    9: [0.76, None],
}
MEAN, ERROR = 0.72, 0.02 / 3**0.5  # of the best setting


def tables(racing: bool = True, **more: Any) -> Tables:
    rows, curves = [], []
    for first, values in SEEN.items():
        for place, value in enumerate(values):
            number, state = first + place, "failed" if value is None else "pruned" if first == 8 else "complete"
            reached = value or 0.0
            curves += steps(number, {"val_accuracy": [reached / 2, reached], "kl/noise": [1.0, 1 - reached]})
            final = [("test_accuracy/last", reached - 0.02)] if state == "complete" else []
            own = {"objectives": [] if value is None else [value], "state": state, "final": final, "seed": place}
            rows.append(trial(number, changes={KD: float(first + 1)}, setting=first, seconds=10.0, **own))
    said = noted(seeds=[0, 1, 2], racing={"risk": 0.05 if racing else 0.0}, budget={"trials": 5}, **more)
    return study(rows, curves, note=said)
