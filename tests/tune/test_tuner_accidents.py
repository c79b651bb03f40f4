"""The tuner, where something that is not a trial's doing has ended it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.tune.interrupts import Interrupted
from dfkd_ray.tune.options import Options
from tests.tune import toys
from tests.tune.test_tuner import NONE, row, run, tuner

pytestmark = pytest.mark.usefixtures("no_fsync")


def test_an_accident_is_told_to_no_sampler_and_the_trial_is_tried_again(tmp_path: Path) -> None:
    with tuner(tmp_path, toys.study(NONE)) as c:
        job = c.next_job()
        assert job is not None
        c.started(job)
        c.report(job, row(1, 0.5))
        c.accident(job, "OSError: /x: no space left")
        trial = c.history.trials[0]
        assert (trial.state, trial.reason, trial.stalled) == ("running", "OSError: /x: no space left", 0)
        assert c.search._optuna.get_trials()[0].state.name == "RUNNING"
        again = c.next_job()
        assert again == job
        assert run(c, again, [0.5, 0.6, 0.7, 0.8])[-1] == "stop"
        assert (trial.state, trial.reason, trial.attempts) == ("complete", None, 2)


def test_only_accidents_without_an_epoch_between_them_count(tmp_path: Path) -> None:
    with tuner(tmp_path, toys.study(NONE), options=Options(retries=1)) as c:
        for epoch in (1, 2, 3):
            job = c.next_job()
            assert job is not None
            assert job.trial == 0
            c.started(job)
            c.report(job, row(epoch, 0.5))
            c.accident(job, "preempted")
        for _ in range(2):
            job = c.next_job()
            assert job is not None
            assert job.trial == 0
            c.accident(job, "preempted")
        other = c.next_job()
        assert other is not None
        assert other.trial == 1  # the first is set aside, and others go on
        c.check()
        for _ in range(2):
            c.accident(other, "no space left")
            c.next_job()
        with pytest.raises(Interrupted) as stopped:
            c.check()
        assert c.next_job() is None
        assert str(stopped.value) == (
            f"the study cannot go on: no space left\ninterrupted; resume with: dfkd-ray resume {tmp_path}"
        )
    with tuner(tmp_path) as c:  # resumed: both are tried again, and what was counted is forgotten
        assert [job.trial for job in (c.next_job(), c.next_job()) if job is not None] == [0, 1]
        assert [c.history.trials[number].stalled for number in (0, 1)] == [0, 0]


def test_a_study_does_not_finish_over_a_trial_that_was_set_aside(tmp_path: Path) -> None:
    with tuner(
        tmp_path, toys.study({**NONE, "budget: {trials: 8}": "budget: {trials: 2}"}), options=Options(retries=0)
    ) as c:
        first, second = c.next_job(), c.next_job()
        assert first is not None
        assert second is not None
        c.accident(first, "not enough memory")
        run(c, second, [0.5, 0.6, 0.7, 0.8])
        assert c.next_job() is None
        with pytest.raises(Interrupted, match="the study cannot go on: not enough memory"):
            c.finish()
        assert not c.history.finished
