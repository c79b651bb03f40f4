from __future__ import annotations

from typing import Any

import pytest

from dfkd_ray import planning, study
from dfkd_ray.method import Schedule
from dfkd_ray.probe import Cost
from dfkd_ray.study.specs import Asha
from dfkd_ray.yamls import Document

SCHEDULE = Schedule(epochs=9, rounds=10, source_steps=2, student_steps=5, batch=64)
COST = Cost(source_step=0.5, student_step=0.25, evaluation=1.0)
TRIAL = 9 * (10 * (2 * 0.5 + 5 * 0.25) + 1.0)  # 211.5 s


def lines(concurrency: int | None = 1, **parts: Any) -> list[str]:
    raw = {
        "study": "a",
        "question": "Which?",
        "method": "noise_kd",
        "task": "gliders",
        "objective": {"metric": "val_accuracy"},
        "search": {"student_loss.kd.temperature": {"log": [1, 20]}, "schedule.batch": {"choice": [8, 16]}},
        "budget": {"trials": 6},
    }
    return list(planning.describe(study.parse(Document({**raw, **parts})), SCHEDULE, COST, concurrency))


def test_it_says_what_runs_and_what_it_costs() -> None:
    assert lines() == [
        "a: Which?",
        "method noise_kd, task gliders, sampler tpe, stopper none",
        "  student_loss.kd.temperature  log [1.0, 20.0]",
        "  schedule.batch               choice [8, 16]",
        "a trial: 9 epochs x 10 rounds, 180 source steps and 450 student steps of 64 images",
        "measured here: 0.500 s a source step, 0.250 s a student step, 1.00 s an evaluation: 4 min a trial",
        "6 trials, 1 at a time: at most 21 min of CPU, 21 min on the clock",
    ]
    assert COST.trial(SCHEDULE) == pytest.approx(TRIAL)


def test_trials_at_a_time_share_the_clock_not_the_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lines(3)[-1] == "6 trials, 3 at a time: at most 21 min of CPU, 7 min on the clock"
    assert lines(100)[-1].startswith("6 trials, 6 at a time: ")
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    gpu = lines(None, resources={"cpu": 4, "gpu": 0.5})[-1]
    assert gpu == "6 trials, 2 at a time: at most 85 min of CPU, 11 min of GPU, 11 min on the clock"
    assert lines(None, resources={"cpu": 16})[-1].startswith("6 trials, 1 at a time: ")


def test_what_the_stopper_may_spare_is_an_if() -> None:
    with_asha = lines(1, stopper={"name": "asha", "grace": 3, "reduction": 3})
    assert with_asha[:-1] == lines(1)[:1] + [line.replace("stopper none", "stopper asha") for line in lines(1)[1:]]
    # all run 3 epochs, a third of them 6 more: (3 + 6 / 3) / 9
    assert with_asha[-1] == f"if asha keeps 1 in 3 at each rung: about {6 * TRIAL * 5 / 9 / 60:.0f} min on the clock"


@pytest.mark.parametrize(
    ("grace", "reduction", "epochs", "share"),
    [
        (1, 2, 8, (1 + 1 / 2 + 2 / 4 + 4 / 8) / 8),
        (2, 3, 20, (2 + 4 / 3 + 12 / 9 + 2 / 27) / 20),
        (5, 3, 5, 1.0),
        (9, 4, 5, 1.0),
    ],
)
def test_the_share_of_epochs_that_asha_runs(grace: int, reduction: int, epochs: int, share: float) -> None:
    assert planning._asha_share(Asha(grace, reduction), epochs) == pytest.approx(share)


def test_a_grid_is_counted() -> None:
    search = {"schedule.batch": {"choice": [8, 16]}, "memory.reuse": {"int": [1, 3]}}
    assert lines(1, search=search, sampler="grid", budget={})[-1].startswith("6 trials, 1 at a time: ")
    assert lines(1, search=search, sampler="grid", budget={"trials": 4})[-1].startswith("4 trials, ")


def test_hours_are_a_budget_too() -> None:
    timed = lines(2, budget={"hours": 2})
    assert timed[-1] == "budget: no trial is started after 2 hours; about 68 fit, 2 at a time"
    both = lines(2, budget={"hours": 2, "trials": 6})
    assert [line.partition(",")[0] for line in both[-2:]] == [timed[-1].partition(",")[0], "6 trials"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (86400, "24.0 h")]
)
def test_times_are_written_as_one_says_them(seconds: float, text: str) -> None:
    assert planning._time(seconds) == text
