"""The fold over the records."""

from __future__ import annotations

import math
from typing import Any

import pytest

from dfkd_ray.tune.history import History
from dfkd_ray.util import leaving
from dfkd_ray.util.errors import StudyError
from tests.tune import toys
from tests.tune.toys import opening

MULTI = {
    "{metric: val_accuracy}": "[{metric: val_accuracy}, {metric: kl/noise}]",
    "stopper: {name: asha, grace: 1, reduction: 2}": "stopper: none",
}


def records(changes: dict[str, str] | None = None) -> list[dict[str, Any]]:
    return [opening(toys.study(changes or {}), {"python": "3"}, {"name": "t"}, 100.0)]


def asked(trial: int, time: float = 101.0, **more: Any) -> dict[str, Any]:
    return {
        "kind": "asked",
        "time": time,
        "trial": trial,
        "changes": {"x": trial / 10},
        "seed": 7,
        "arm": None,
        "attrs": {"a": 1},
        "study_attrs": {f"s{trial}": trial},
        **more,
    }


def row(trial: int, epoch: int, value: float, time: float = 102.0, **more: Any) -> dict[str, Any]:
    metrics = {"val_accuracy": value, "kl/noise": -value}
    facts = {"last": False, "host": "h", "device": "cpu", "peak_memory": 10 * epoch, **more}
    return {
        "kind": "row",
        "time": time,
        "trial": trial,
        "epoch": epoch,
        "seconds": 2.0 * epoch,
        "metrics": metrics,
        **facts,
    }


def ended(trial: int, state: str, values: list[float] | None, time: float = 103.0, **more: Any) -> dict[str, Any]:
    facts = {"reason": None, "rung": None, "final": {}, **more}
    return {"kind": "ended", "time": time, "trial": trial, "state": state, "values": values, **facts}


def test_only_the_time_in_which_somebody_ran_it_counts() -> None:
    history = History(
        [*records(), asked(0, active=10.0), {"kind": "resumed", "time": 1000.0, "provenance": {"p": 1}, "options": {}}]
    )
    assert history.active_seconds == 10.0
    history.apply(asked(1, time=-7.0, active=15.0))  # the clock on the wall was set back meanwhile
    assert history.active_seconds == 15.0
    assert history.provenance["resumed"] == [{"p": 1}]


def test_sampler_attributes_add_up_and_finished_is_taken_back_by_a_resume() -> None:
    history = History([*records(), asked(0), asked(1), {"kind": "finished", "time": 103.0}])
    assert history.study_attrs == {"s0": 0, "s1": 1}
    assert history.finished
    history.apply({"kind": "resumed", "time": 104.0, "provenance": {}, "options": {"runner": "serial"}})
    assert not history.finished
    assert history.options == {"runner": "serial"}


@pytest.mark.parametrize("version", [1, 99])
def test_a_ledger_of_another_version_is_refused_in_one_line(version: int) -> None:
    message = (
        rf"^the ledger is of version {version}, this dfkd-ray goes on with version 3 alone: take the one that began "
        r"it; its tables are read by `dfkd-ray report` all the same$"
    )
    with pytest.raises(StudyError, match=message):
        History([{**records()[0], "version": version}])


def test_no_study() -> None:
    with pytest.raises(StudyError, match="has no study in it: nothing was started"):
        _ = History().study


def test_the_cell_of_an_ablation_is_remembered() -> None:
    cell = {**asked(0), "arm": "without b", "draw": 2, "tuning": 5, "seed": 9}
    history = History([opening(toys.study(), {}, {}, 100.0, {"d": "full"}), cell])
    trial = history.trials[0]
    assert (trial.arm, trial.draw, trial.tuning, trial.seed, trial.attrs) == ("without b", 2, 5, 9, {"a": 1})
    assert history.alike == {"d": "full"}


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ([asked(0)], 'has lost its first record, the study itself: it begins with "asked" of trial 0$'),
        ([*records(), asked(0), asked(2)], 'do not fit together: "asked" of trial 2 is out of its turn$'),
        ([*records(), asked(0), asked(0)], 'do not fit together: "asked" of trial 0 is out of its turn$'),
        ([*records(), row(3, 1, 0.5)], 'has lost records: there is "row" of trial 3, which was never asked for$'),
        ([*records(), {"kind": "reopened", "time": 1.0, "trials": [3]}], 'there is "reopened", which was never asked'),
        ([*records(), ended(3, "failed", None)], 'there is "ended" of trial 3, which was never asked for$'),
    ],
)
def test_records_that_do_not_fit_together_are_one_error(found: list[dict[str, Any]], says: str) -> None:
    with pytest.raises(StudyError, match=says):
        History(found)


def test_a_trial_that_has_saved_before_it_left_has_lost_nothing() -> None:
    def left(reason: str) -> dict[str, Any]:
        return {"kind": "accident", "time": 103.0, "trial": 0, "reason": reason}

    history = History([*records(), asked(0), left("killed"), *[left(f"{leaving.SAVED}SIGTERM")] * 5])
    assert (history.trials[0].stalled, history.trials[0].state) == (1, "running")
    assert history.trials[0].reason == "told to leave, and has saved a checkpoint: SIGTERM"
    history.apply(left("killed"))
    assert history.trials[0].stalled == 2


def test_an_accident_leaves_a_trial_running_and_counts_where_no_epoch_was_gained() -> None:
    def accident(trial: int) -> dict[str, Any]:
        return {"kind": "accident", "time": 103.0, "trial": trial, "reason": "no space left"}

    history = History([*records(), asked(0), accident(0), accident(0), row(0, 1, 0.5), accident(0)])
    trial = history.trials[0]
    assert (trial.state, trial.reason, trial.stalled) == ("running", "no space left", 0)
    history.apply(accident(0))
    assert trial.stalled == 1
    history.apply({"kind": "resumed", "time": 104.0, "provenance": {}, "options": {}})
    assert trial.stalled == 0


def test_a_failed_trial_that_is_run_again_begins_anew_with_its_changes_and_its_seed() -> None:
    ended = {"trial": 0, "state": "failed", "reason": "x", "rung": None, "values": None, "final": {}}
    told = [*records(), asked(0), row(0, 1, 0.5), {"kind": "ended", "time": 103.0, **ended}]
    history = History([*told, {"kind": "reopened", "time": 104.0, "trials": [0]}])
    before, trial = History(told).trials[0], history.trials[0]
    assert (trial.state, trial.rows, trial.reason) == ("running", {}, None)
    assert (trial.changes, trial.seed, trial.attrs) == (before.changes, before.seed, before.attrs)
    assert (history.in_state("failed"), [each.number for each in history.running()]) == (0, [0])


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ({"time": 1.0}, "KeyError: 'kind'"),
        ({"kind": "arsked", "time": 1.0}, "KeyError: 'arsked'"),
        ({"kind": ["asked"], "time": 1.0}, "TypeError: unhashable type: 'list'"),
        (asked(1, study_attrs=["a"]), "ValueError: dictionary update seque"),
        ({"kind": "picture", "time": 1.0, "trial": 0, "epoch": 1}, "KeyError: "),
    ],
)
def test_a_record_that_nobody_here_writes_is_told_by_its_number(record: dict[str, Any], why: str) -> None:
    with pytest.raises(StudyError, match=r"^record 3 of the ledger is none that this dfkd-ray writes") as refused:
        History([*records(), asked(0), record])
    assert why in str(refused.value)


def test_accepted_changes_mark_every_later_trial_and_no_earlier_one() -> None:
    """Asked after them, or gone on with; until the inputs are again what they were."""
    resumed = {"kind": "resumed", "provenance": {}, "options": {}}
    started = {"kind": "started", "time": 105.0}
    history = History([*records(), asked(0), {**started, "trial": 0}, ended(0, "complete", [0.5]), asked(1), asked(2)])
    assert (history.changed, history.accepted) == (None, False)
    history.apply(
        {**resumed, "time": 110.0, "experiment": {"parts": 1}, "changed": "the teacher (a, now b)", "methods": {"m": 2}}
    )
    assert history.methods == {"m": 2}
    for record in ({**started, "trial": 1}, asked(3), {**resumed, "time": 120.0}, asked(4)):
        history.apply(record)
    history.apply({**resumed, "time": 130.0, "experiment": history.begun, "changed": None, "methods": {}})
    for record in ({**started, "trial": 1}, {**started, "trial": 2}, asked(5)):
        history.apply(record)
    marks = [history.trials[number].changed is not None for number in range(6)]
    assert marks == [False, True, False, True, True, False]
    assert history.trials[3].changed == "the teacher (a, now b)"
    assert history.accepted


def test_a_degenerate_trial_does_not_win_and_has_nobody_stopped() -> None:
    """With agreements of 1.0 on images of one class: the best is another, and at the rung it ranks last."""

    def told(trial: int, agreement: float, entropy: float) -> dict[str, Any]:
        return {**row(trial, 1, 0.0), "metrics": {"agreement/source": agreement, "class_entropy/source": entropy}}

    ends = [
        record
        for t, (agreement, entropy) in enumerate([(1.0, 0.0), (0.7, 0.9), (0.8, 0.8)])
        for record in (asked(t), told(t, agreement, entropy), ended(t, "complete", [agreement]))
    ]
    history = History([*records({"{metric: val_accuracy}": "{metric: agreement/source}"}), *ends])
    best = history.best()
    assert best is not None
    assert (best.number, [trial.number for trial in history.front()]) == (2, [2])
    assert history.ranks is not None
    assert [*history.ranks.at(1)] == [-math.inf, 0.7, 0.8]
    alone = History([*records({"{metric: val_accuracy}": "{metric: agreement/source}"}), *ends[:3]])
    assert (alone.best(), alone.front()) == (None, [])
