"""How a trial ends follows from what the history says of it, and from nothing else."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dfkd_ray.tune.endings import Ending, ending_of
from dfkd_ray.tune.history import History
from tests.tune.test_history import MULTI, asked, records, row

NONE = {"stopper: {name: asha, grace: 1, reduction: 2}": "stopper: none"}
BEST = {"{metric: val_accuracy}": "[{metric: val_accuracy, at: best}, {metric: kl/noise, at: last}]", **NONE}


def after(*values: float, changes: dict[str, str] | None = None, others: tuple[float, ...] = (), **last: Any) -> Any:
    """How trial 0 ends after these epochs; `others`: what trials before it had at their first epoch."""
    told = [record for n, value in enumerate(others, 1) for record in (asked(n), row(n, 1, value))]
    own = [row(0, epoch, value) for epoch, value in enumerate(values, 1)]
    own[-1] |= last
    history = History([*records(changes), asked(0), *told, *own])
    return ending_of(history.trials[0], history, max_epochs=4)


def test_a_trial_goes_on_until_its_last_row() -> None:
    assert after(0.1, changes=NONE) is None
    ended = after(0.1, 0.2, changes=NONE, last=True, final={"test_accuracy/last": 0.3})
    assert ended == Ending("complete", values=[0.2], final={"test_accuracy/last": 0.3})


def test_the_sampler_is_told_the_last_epoch_or_the_best_one_by_the_first_objective() -> None:
    assert after(0.1, 0.6, 0.2, changes=MULTI, last=True, final={}).values == [0.2, -0.2]
    assert after(0.1, 0.6, 0.2, changes=BEST, last=True, final={}).values == [0.6, -0.2]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_last_value_that_is_no_number_is_a_failure(value: float) -> None:
    assert after(0.1, value, changes=NONE) is None, "it may recover"
    ended = after(0.1, value, changes=NONE, last=True, final={})
    assert ended == Ending("failed", f"val_accuracy is {value} at the last epoch, 2")


def test_an_objective_that_nobody_reports_is_a_failure_with_the_nearest_name() -> None:
    ended = after(0.1, changes=NONE, metrics={"val_acuracy": 0.1})
    assert ended.state == "failed"
    assert ended.reason == ("the trial reports no 'val_accuracy'; did you mean 'val_acuracy'? (known: val_acuracy)")


def test_what_the_stopper_stops_is_pruned_at_its_rung() -> None:
    assert after(0.5, others=(0.1, 0.2)) is None, "the best goes on"
    assert after(0.05, others=(0.1, 0.2)) == Ending("pruned", "stopped by asha at epoch 1", 1, [0.05])
    assert after(math.nan, others=(0.1, 0.2)) == Ending("failed", "val_accuracy is nan at epoch 1")


DEAR = "[{metric: val_accuracy, at: best}, {metric: parameters}, {metric: seconds}]"
COSTS = {"{metric: val_accuracy}": DEAR, **NONE}


def test_a_cost_is_told_as_it_is_at_the_end() -> None:
    method = {"method": {"a": 1}, "fingerprint": "f", "parameters": 78}
    assert after(0.6, 0.2, changes=COSTS, last=True, final={}, **method).values == [0.6, 78, 4.0]
    lost = after(0.6, 0.2, changes=COSTS, last=True, final={})
    assert lost == Ending("failed", "the trial does not say its parameters")
