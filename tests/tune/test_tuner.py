"""The tuner: what it answers, what it records, and that the ledger comes first."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.study import Study
from dfkd_ray.tune.endings import Ending
from dfkd_ray.tune.history import History
from dfkd_ray.tune.ledger import Ledger
from dfkd_ray.tune.observers import Observer
from dfkd_ray.tune.trials import Trial
from dfkd_ray.tune.tuner import Tuner
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util.errors import StudyError
from tests.tune import toys

pytestmark = pytest.mark.usefixtures("no_fsync")
NONE = {"stopper: {name: asha, grace: 1, reduction: 2}": "stopper: none"}


class Recorder(Observer):
    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def begin(self, trial: Trial) -> None:
        self.told.append(("begin", trial.number))

    def row(self, trial: Trial, epoch: int) -> None:
        self.told.append((trial.number, epoch))

    def end(self, trial: Trial) -> None:
        self.told.append((trial.number, trial.state))

    def finish(self) -> None:
        self.told.append(("finish",))


@contextmanager
def tuner(folder: Path, study: Study | None = None, **options: Any) -> Iterator[Tuner]:
    """A new one, or the one that goes on with the folder's ledger if no study is given."""
    with Ledger(folder) as ledger:
        resumed = {"kind": "resumed", "time": 0.0, "provenance": {}, "options": {}}
        first = toys.opening(study) if study else resumed
        yield Tuner(ledger, History([*ledger.records, ledger.append(first)]), folder, 4, **options)


def row(epoch: int, value: float, **more: Any) -> Row:
    return Row(epoch, float(epoch), {"val_accuracy": value, "kl/noise": -value}, **more)


def run(c: Tuner, job: Job, values: list[float]) -> list[str]:
    c.started(job)
    return [c.report(job, row(e, v, last=e == 4)) for e, v in enumerate(values, 1)]


def test_a_trial_from_job_to_complete(tmp_path: Path) -> None:
    recorder = Recorder()
    with tuner(tmp_path, toys.study({"budget: {trials: 8}": "budget: {trials: 1}"}), observers=[recorder]) as c:
        job = c.next_job()
        assert job is not None
        assert job.folder == str(tmp_path.resolve() / "trials" / "0000")
        assert Path(job.folder).is_dir()
        assert (job.trial, job.seed, job.threads, job.ranks) == (0, 0, 1, 1)
        assert run(c, job, [0.1, 0.4, 0.3, 0.2]) == ["continue", "continue", "continue", "stop"]
        trial = c.history.trials[0]
        assert (trial.state, trial.values, trial.best_epoch(c.study.objective[0])) == ("complete", [0.2], 2)
        assert c.next_job() is None
        c.finish()
        assert c.history.finished
    assert recorder.told == [("begin", 0), (0, 1), (0, 2), (0, 3), (0, 4), (0, "complete"), ("finish",)]


def test_best_is_told_where_the_study_asks_for_it(tmp_path: Path) -> None:
    asking = {"{metric: val_accuracy}": "[{metric: val_accuracy, at: best}, {metric: kl/noise, at: best}]", **NONE}
    with tuner(tmp_path, toys.study(asking)) as c:
        job = c.next_job()
        assert job is not None
        run(c, job, [0.1, 0.4, 0.3, 0.2])
        assert c.history.trials[0].values == [0.4, -0.4]


def test_the_stopper_prunes_and_optuna_hears_of_it(tmp_path: Path) -> None:
    with tuner(tmp_path, toys.study()) as c:
        first, second = c.next_job(), c.next_job()
        assert first is not None
        assert second is not None
        assert c.report(first, row(1, 0.9)) == "continue"
        assert c.report(second, row(1, 0.3)) == "stop"
        trial = c.history.trials[1]
        assert (trial.state, trial.rung, trial.values) == ("pruned", 1, [0.3])
        assert trial.reason == "stopped by asha at epoch 1"
        told = c.search._optuna.get_trials()[1]
        assert (told.state.name, told.intermediate_values, told.user_attrs) == ("PRUNED", {1: 0.3}, {"rung": 1})
        assert c.report(second, row(2, 0.99)) == "stop"
        assert trial.epoch == 1


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([0.1, 0.2, 0.3, math.nan], "val_accuracy is nan at the last epoch, 4"),
        ([0.1, math.nan, 0.3, math.inf], "val_accuracy is inf at the last epoch, 4"),
    ],
)
def test_a_last_value_that_is_not_finite_is_a_failure(tmp_path: Path, values: list[float], reason: str) -> None:
    with tuner(tmp_path, toys.study(NONE)) as c:
        job = c.next_job()
        assert job is not None
        assert run(c, job, values)[-1] == "stop"
        assert (c.history.trials[0].state, c.history.trials[0].reason) == ("failed", reason)
        assert c.search._optuna.get_trials()[0].state.name == "FAIL"


def test_a_nan_at_a_rung_is_a_failure_and_not_a_result(tmp_path: Path) -> None:
    with tuner(tmp_path, toys.study()) as c:
        job = c.next_job()
        assert job is not None
        assert c.report(job, row(1, math.nan)) == "stop"
        assert (c.history.trials[0].state, c.history.trials[0].reason) == ("failed", "val_accuracy is nan at epoch 1")


def test_an_objective_that_nobody_reports_is_noticed_at_the_first_epoch(tmp_path: Path) -> None:
    study = toys.study({"{metric: val_accuracy}": "{metric: val_acuracy, mode: max}"})
    with tuner(tmp_path, study) as c:
        job = c.next_job()
        assert job is not None
        assert c.report(job, row(1, 0.5)) == "stop"
        assert c.history.trials[0].reason == (
            "the trial reports no 'val_acuracy'; did you mean 'val_accuracy'? (known: kl/noise, val_accuracy)"
        )


def test_the_same_failure_from_the_start_ends_the_study(tmp_path: Path) -> None:
    with tuner(tmp_path, toys.study()) as c:
        for n in range(3):
            job = c.next_job()
            assert job is not None
            c.check()
            c.end(job, Ending("failed", f"ValueError: no such net\nin line {n}"))
        assert c.next_job() is None
        with pytest.raises(StudyError, match=r"the first 3 trials have all failed alike.*give_up_after: 3") as gave_up:
            c.check()
        assert str(gave_up.value).endswith("ValueError: no such net\nin line 2")
        assert not c.history.finished


@pytest.mark.parametrize("limit", [0, 4])
def test_giving_up_is_the_budgets_choice(tmp_path: Path, limit: int) -> None:
    study = toys.study()
    study = replace(study, budget=replace(study.budget, give_up_after=limit))
    with tuner(tmp_path, study) as c:
        for _ in range(3):
            job = c.next_job()
            assert job is not None
            c.end(job, Ending("failed", "same"))
        c.check()
        assert c.next_job() is not None


def test_different_failures_do_not_end_the_study(tmp_path: Path) -> None:
    with tuner(tmp_path, toys.study()) as c:
        for n in range(5):
            job = c.next_job()
            assert job is not None
            c.end(job, Ending("failed", f"ValueError: {n}"))
        c.check()


def test_hours_end_the_proposals(tmp_path: Path) -> None:
    now = [0.0]
    study = toys.study({"budget: {trials: 8}": "budget: {hours: 1}"})
    with tuner(tmp_path, study, ticks=lambda: now[0]) as c:
        assert c.search.total is None
        assert c.next_job() is not None
        now[0] = 3599.0
        assert c.next_job() is not None
        now[0] = 3601.0
        assert c.next_job() is None


def test_what_was_running_is_run_again_with_the_same_number_and_changes(tmp_path: Path) -> None:
    with tuner(tmp_path, toys.study()) as c:
        jobs = [c.next_job(), c.next_job()]
        assert jobs[0] is not None
        c.started(jobs[0])
        c.report(jobs[0], row(1, 0.5))
    with tuner(tmp_path) as c:
        assert [c.next_job(), c.next_job()] == jobs
        third = c.next_job()
        assert third is not None
        assert third.trial == 2
        assert len(c.search._optuna.get_trials()) == 3
        assert c.report(jobs[0], row(1, 0.9)) == "continue"  # delivered again: ignored
        assert c.history.trials[0].curve("val_accuracy") == {1: 0.5}


def test_a_decision_that_was_cut_off_is_made_after_the_resume(tmp_path: Path) -> None:
    with tuner(tmp_path, toys.study(NONE)) as c:
        job = c.next_job()
        assert job is not None
        c._answer = lambda trial: "continue"  # type: ignore[method-assign]  # killed before it could answer
        run(c, job, [0.1, 0.2, 0.3, 0.4])
        assert c.history.trials[0].state == "running"
    with tuner(tmp_path) as c:
        assert (c.history.trials[0].state, c.history.trials[0].values) == ("complete", [0.4])
        following = c.next_job()
        assert following is not None
        assert following.trial == 1


def test_only_the_best_trial_keeps_its_folder_and_no_trial_its_checkpoint(tmp_path: Path) -> None:
    with tuner(tmp_path, toys.study(NONE)) as c:
        for value in (0.3, 0.5, 0.4):
            job = c.next_job()
            assert job is not None
            folder = Path(job.folder or "")
            (folder / "student.safetensors").write_text("s")
            (folder / "checkpoint.pt").write_text("c")
            run(c, job, [0.1, 0.2, 0.3, value])
        open_one = c.next_job()
        assert open_one is not None
        (Path(open_one.folder or "") / "checkpoint.pt").write_text("c")
        c.end(Job(2, {}, 0, None), Ending("failed"))  # ended already: nothing happens
    left = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "trials").rglob("*"))
    assert left == [
        "trials/0001",
        "trials/0001/student.safetensors",
        "trials/0003",
        "trials/0003/checkpoint.pt",
    ]


def test_the_ledger_is_written_before_anything_acts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tuner(tmp_path, toys.study(NONE)) as c:
        order: list[str] = []
        for owner, name in [(c.ledger, "append"), (c.search, "tell"), (c.observers, "record")]:
            real = getattr(owner, name)

            def spy(*args: Any, name: str = name, real: Any = real, **options: Any) -> Any:
                order.append(name if name == "tell" else f"{name}:{args[0]['kind']}")
                return real(*args, **options)

            monkeypatch.setattr(owner, name, spy)
        job = c.next_job()
        assert job is not None
        c.end(job, Ending("failed", "x"))
    assert order == ["append:asked", "record:asked", "append:ended", "record:ended", "tell"]


def test_an_ending_is_on_the_disk_before_anything_acts_on_it_and_rows_are_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    monkeypatch.setattr("dfkd_ray.tune.ledger.MOMENT", math.inf)  # no moment is ever over
    with tuner(tmp_path, toys.study(NONE)) as c:
        job = c.next_job()
        assert job is not None
        monkeypatch.setattr(os, "fsync", synced.append)
        assert run(c, job, [0.1, 0.4, 0.3]) == ["continue"] * 3
        c.check()
        assert synced == []
        monkeypatch.setattr("dfkd_ray.tune.ledger.MOMENT", -1.0)
        c.check()
        assert len(synced) == 1
        monkeypatch.setattr("dfkd_ray.tune.ledger.MOMENT", math.inf)
        assert c.report(job, row(4, 0.2, last=True)) == "stop"
        assert len(synced) == 2


def test_of_a_degenerate_trial_the_sampler_is_told_that_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would look for more of these; the trial itself is complete, and has not won."""
    told: list[tuple[int, str]] = []
    blind = toys.study({**NONE, "{metric: val_accuracy}": "{metric: agreement/source}"})
    with tuner(tmp_path, blind) as c:
        monkeypatch.setattr(c.search, "tell", lambda number, state, *rest: told.append((number, state)))
        for entropy in (0.0, 0.9):
            job = c.next_job()
            assert job is not None
            c.started(job)
            found = {"agreement/source": 1 - entropy / 2, "class_entropy/source": entropy}
            c.report(job, Row(4, 4.0, found, last=True))
        assert told == [(0, "failed"), (1, "complete")]
        assert [trial.state for trial in c.history.trials.values()] == ["complete", "complete"]
        best = c.history.best()
        assert best is not None
        assert best.number == 1
