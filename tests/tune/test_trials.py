"""One trial: its rows by epoch, and its best epoch."""

from __future__ import annotations

from dfkd_ray import study as studies
from dfkd_ray.tune.history import History
from tests.tune.test_history import asked, records, row


def test_an_epoch_that_comes_again_changes_nothing() -> None:
    history = History([*records(), asked(0), row(0, 1, 0.5), row(0, 1, 0.9)])
    assert history.trials[0].curve("val_accuracy") == {1: 0.5}


def test_the_best_epoch_is_the_first_of_the_best_finite_ones() -> None:
    curve = [float("nan"), 0.5, 0.9, 0.9, float("inf")]
    history = History([*records(), asked(0), *(row(0, e, v) for e, v in enumerate(curve, 1))])
    accuracy, kl = studies.Objective("val_accuracy"), studies.Objective("kl/noise")
    assert history.trials[0].best_epoch(accuracy) == 3
    assert history.trials[0].best_epoch(kl) == 3
    assert history.trials[0].best_epoch(studies.Objective("absent", "max")) is None
