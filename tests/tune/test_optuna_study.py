"""An Optuna study in memory says what was searched and what became of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState

from dfkd_ray import study as studies
from dfkd_ray.study import Study
from dfkd_ray.tune.optuna_study import Past, optuna_study
from dfkd_ray.util.yamls import Document

SEARCH: dict[str, Any] = {
    "a.log": {"log": [0.1, 10]},
    "a.int": {"int": [1, 8]},
    "a.choice": {"choice": ["x", None, 2]},
    "a.equal": {"choice": [1, True]},
    "a.whole": {"choice": [{"name": "noise"}, "pixels"]},
    "a.flag": {"bool": True, "when": {"a.choice": ["x"]}},
}
POINT = {"a.log": 1.0, "a.int": 3, "a.choice": "x", "a.equal": True, "a.whole": {"name": "noise"}, "a.flag": False}


def made(**changes: Any) -> Study:
    objective = {"metric": "val_accuracy"}
    raw = {"study": "s", "method": "noise_kd", "task": "gliders", "objective": objective, "budget": {"trials": 9}}
    return studies.parse(Document({**raw, **({} if "arms" in changes else {"search": SEARCH}), **changes}))


def test_parameters_are_what_was_searched() -> None:
    (trial,) = optuna_study(made(), [Past(0, "complete", POINT, values=[0.5])]).trials
    assert trial.params == {**POINT, "a.equal": "true", "a.whole": '{"name": "noise"}'}, "what Optuna cannot tell apart"
    assert trial.distributions["a.log"] == FloatDistribution(0.1, 10, log=True)
    assert trial.distributions["a.int"] == IntDistribution(1, 8)
    assert trial.distributions["a.choice"] == CategoricalDistribution(["x", None, 2])
    assert trial.distributions["a.flag"] == CategoricalDistribution([False, True])
    (trial,) = optuna_study(made(), [Past(0, "complete", {"a.whole": "pixels"}, values=[0.5])]).trials
    assert trial.params == {"a.whole": '"pixels"'}, "beside a mapping a text is told by its JSON too"
    conditional = {path: value for path, value in POINT.items() if path != "a.flag"} | {"a.choice": None}
    (trial,) = optuna_study(made(), [Past(0, "complete", conditional, values=[0.5])]).trials
    assert "a.flag" not in trial.params


@pytest.mark.parametrize(
    ("state", "values", "expected", "value"),
    [
        ("complete", [0.75], TrialState.COMPLETE, 0.75),
        ("pruned", None, TrialState.PRUNED, 0.5),
        ("failed", None, TrialState.FAIL, None),
        ("running", None, TrialState.RUNNING, None),
    ],
)
def test_states_values_and_curves(state: str, values: Any, expected: TrialState, value: float | None) -> None:
    curve, started = {1: 0.25, 2: 0.5}, datetime(2026, 1, 1, 12, tzinfo=UTC)
    past = Past(0, state, POINT, None, values, curve, started, 60.0, {"seed": 3})
    (trial,) = optuna_study(made(), [past]).trials
    assert (trial.state, trial.value, trial.intermediate_values) == (expected, value, curve)
    assert trial.user_attrs == {"seed": 3}
    assert trial.datetime_start is not None
    assert trial.datetime_start.astimezone(UTC) == started
    if state != "running":
        assert trial.duration == timedelta(seconds=60)


def test_what_lies_outside_of_a_space_that_was_edited_is_an_attribute() -> None:
    beyond = {"a.log": 100.0, "a.int": 3, "a.choice": "gone"}
    (trial,) = optuna_study(made(), [Past(0, "failed", beyond)]).trials
    assert (trial.params, trial.user_attrs) == ({"a.int": 3}, {"a.log": 100.0, "a.choice": "gone"})


def test_a_stopped_trial_without_an_epoch_has_no_value() -> None:
    (trial,) = optuna_study(made(), [Past(0, "pruned", POINT)]).trials
    assert (trial.state, trial.value) == (TrialState.PRUNED, None)


def test_several_objectives_have_their_directions_and_no_curve() -> None:
    goals = [{"metric": "val_accuracy"}, {"metric": "kl/source"}]
    found = optuna_study(made(objective=goals), [Past(0, "complete", POINT, values=[0.5, 2.0], curve={1: 0.5})])
    assert [direction.name for direction in found.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert found.metric_names == ["val_accuracy", "kl/source"]
    assert (found.trials[0].values, found.trials[0].intermediate_values) == ([0.5, 2.0], {})


def test_an_arm_is_a_parameter_and_its_changes_are_attributes() -> None:
    arms = {"one": {"student_loss.kd.temperature": 2.0}, "two": {}}
    study = made(arms=arms, seeds=2, budget={})
    (trial,) = optuna_study(study, [Past(0, "complete", arms["one"], "one", [0.5])]).trials
    assert trial.params == {"arm": "one"}
    assert trial.distributions["arm"] == CategoricalDistribution(["one", "two"])
    assert trial.user_attrs == arms["one"]


def test_it_says_nothing_and_leaves_the_verbosity_as_it_was(capfd: pytest.CaptureFixture[str]) -> None:
    before = optuna.logging.get_verbosity()
    optuna_study(made(), [])
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == before
