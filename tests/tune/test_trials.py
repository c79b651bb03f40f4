"""One trial: its rows by epoch, and its best epoch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dfkd_ray import metrics
from dfkd_ray import study as studies
from dfkd_ray.study.constraints import Constraint
from dfkd_ray.study.pick import Pick
from dfkd_ray.tune.history import History
from dfkd_ray.tune.trials import barred, none_won
from tests.tune.test_history import MULTI, asked, records, row


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


DATA_FREE = {"{metric: val_accuracy}": "{metric: agreement/source}"}


def judged(trial: int, epoch: int, agreement: float, entropy: float, **more: Any) -> dict[str, Any]:
    """A row whose images have classes of that entropy."""
    told = {"agreement/source": agreement, "class_entropy/source": entropy}
    return {**row(trial, epoch, 0.0, **more), "metrics": told}


def test_a_degenerate_epoch_is_not_the_best_of_a_data_free_objective() -> None:
    history = History([*records(DATA_FREE), asked(0), *(judged(0, e, 1 - e / 10, e / 10 - 0.1) for e in range(1, 5))])
    trial, agreement = history.trials[0], studies.Objective("agreement/source", at="best")
    assert trial.best_epoch(agreement) == 2
    assert trial.degenerate(agreement) == ()
    history = History([*records(DATA_FREE), asked(0), judged(0, 1, 1.0, 0.0), judged(0, 2, 0.9, 0.0)])
    assert history.trials[0].best_epoch(agreement) == 2, "the last, where all are degenerate"
    assert history.trials[0].degenerate(agreement) == ("one class",)


@pytest.mark.parametrize(
    ("metric", "entropy", "kept_back"),
    [("agreement/source", 0.0, True), ("agreement/source", 0.5, False), ("val_accuracy", 0.0, False)],
)
def test_who_is_kept_from_winning(metric: str, entropy: float, kept_back: bool) -> None:
    changes = {"{metric: val_accuracy}": f"{{metric: {metric}}}"}
    history = History([*records(changes), asked(0), judged(0, 1, 1.0, entropy)])
    assert barred(history.study, history.trials[0]) is kept_back
    alone = replace(history.study, search={})
    assert barred(alone, history.trials[0]) is False, "a run alone has nothing to win"


def test_costs_are_known_by_their_names_as_metrics_are() -> None:
    told = {"method": {"a": 1}, "fingerprint": "f", "parameters": 78}
    trial = History([*records(), asked(0), row(0, 1, 0.5, **told), row(0, 2, 0.25)]).trials[0]
    assert [trial.cost(name) for name in metrics.COSTS] == [4.0, 20, 78]
    assert [trial.at(name, 2) for name in ("val_accuracy", "parameters", "nothing")] == [0.25, 78, None]
    assert trial.at("val_accuracy", 3) is None


def test_why_none_has_won_is_said_by_what_the_study_asks_for() -> None:
    study = History([*records(DATA_FREE)]).study
    assert none_won(study, False) == "all complete ones are degenerate"
    bound = (Constraint("seconds", True, 6.0),)
    assert none_won(replace(study, constraints=bound), False) == (
        "all complete ones are degenerate or outside of the constraints"
    )
    assert none_won(replace(History([*records()]).study, constraints=bound), False) == (
        "all complete ones are outside of the constraints"
    )
    two = replace(History([*records(MULTI)]).study, best=Pick("knee"))
    assert none_won(two, True) == "none on the front is as `best` wants it: knee"
