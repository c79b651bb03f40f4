"""What a sweep takes of earlier studies: trials that its sampler learns from, or the best one as a prior."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.study import Study
from dfkd_ray.study.priors import Prior
from dfkd_ray.tune.borrowed import borrow
from dfkd_ray.tune.history import read_history
from dfkd_ray.tune.launch import StudyFacts, start
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.past_studies import read
from dfkd_ray.tune.search import Search
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util import tables
from tests.tune import toys

TASK = {"name": "t", "teacher": {"arch": "r"}}
TEXT = """
study: old
method: m
task: t
objective: {metric: val_accuracy}
search:
  x: {uniform: [0, 1]}
  kind: {choice: [good, bad]}
sampler: {name: tpe, startup: 3}
stopper: {name: asha, grace: 1, reduction: 2}
budget: {trials: 5}
"""


@dataclass(frozen=True)
class Work(toys.Toy):
    """Toy trials that report the method they resolve to, its length included, and its fingerprint."""

    def method(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        return {"x": 0.5, "kind": "good", "y": 3, "epochs": self.max_epochs, **changes}

    def fingerprint(self, changes: Mapping[str, Any]) -> str:
        return json.dumps(self.method(changes), sort_keys=True)

    def epochs(self, job: Job) -> Iterator[Row]:
        for row in super().epochs(job):
            yield replace(row, method=self.method(job.changes), fingerprint=self.fingerprint(job.changes))


def study(changes: Mapping[str, str] = {}) -> Study:
    return toys.study(changes, TEXT)


NEW = {"study: old": "study: new\nseed: 7", "[good, bad]}": "[good, bad, best]}\n  y: {choice: [2, 3]}"}


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("borrowed") / "old"
    toys.start(study(), Work(), folder, task=TASK)
    return folder


def test_trials_of_the_same_method_task_and_length_are_known_to_the_sampler(old: Path, tmp_path: Path) -> None:
    made, work = study(NEW), Work()
    found = borrow(made, [old], TASK, work.fingerprint)
    assert found.told == (f"{old}: the sampler knows 5 trials of it",) or [*found.told] == [
        f"{old}: the sampler knows 5 trials of it"
    ]
    assert found.study == made
    (record,) = found.records
    past = {each["trial"]: each["changes"] for each in record["known"]}
    assert past == {n: {**trial.changes, "y": 3} for n, trial in read_history(old).trials.items()}
    options = Options(runner="serial", reuse=(old,))
    done = start(made, work, tmp_path / "new", StudyFacts({}, TASK, {}), options, earlier=found.records)
    history = read_history(tmp_path / "new")
    assert len(history.trials) == 5, "they are none of its own"
    assert {trial.proposed_by for trial in history.trials.values()} == {"model"}, "it needs no start-up"
    assert done.best is not None
    note = tables.metadata(tables.read(tmp_path / "new" / "trials.arrow"))
    (told,) = note["earlier"]
    assert (told["folder"], told["trials"], told["best"]) == (str(old), [0, 1, 2, 3, 4], read(old).best[0].values[0])
    assert borrow(made, [old], TASK, work.fingerprint, history.earlier).records == [], "they are known already"


def test_what_the_sampler_is_shown(old: Path) -> None:
    found = borrow(study(NEW), [old], TASK, Work().fingerprint)
    search = Search(found.study)
    search._learn(found.records)
    shown = search._storage.get_all_trials(search._id)
    trials = read_history(old).trials
    assert [trial.number for trial in shown] == [-1, -2, -3, -4, -5]
    for each, trial in zip(shown, trials.values()):
        assert each.state.name == trial.state.upper()
        assert each.params["x"] == trial.changes["x"]
        assert each.values == trial.values
        assert each.intermediate_values == ({trial.epoch: trial.values[0]} if trial.state == "pruned" else {})


@pytest.mark.parametrize(
    ("task", "work", "edit", "why"),
    [
        ({**TASK, "name": "u"}, Work(), {}, "another task, teacher, evaluation, precision or code"),
        (TASK, Work(max_epochs=9), {}, "none of its trials has this method at this length, in this space"),
        (TASK, Work(), {"val_accuracy": "kl/noise"}, "other objectives"),
    ],
)
def test_of_any_other_study_the_best_is_a_prior(old: Path, task: Any, work: Work, edit: Any, why: str) -> None:
    best = read(old).best[0]
    believed = {**NEW, **edit, "[good, bad]}": '[good, bad, best], prior: "bad"}'}
    found = borrow(study(believed), [old], task, work.fingerprint)
    assert found.records == []
    assert found.study.search["x"].prior == Prior(best.changes["x"])
    assert found.study.search["kind"].prior == Prior("bad"), "whoever says one means it"
    x = f"{best.changes['x']:.4g}"
    assert [*found.told] == [f"{old}: {why}; its best, trial {best.number}, is a prior of x = {x}"]


def test_who_makes_nothing_of_them_is_named(old: Path) -> None:
    found = borrow(study({"{name: tpe, startup: 3}": "nsga2"}), [old], TASK, Work().fingerprint)
    assert found.told[-1] == "nsga2 makes nothing of earlier trials: take tpe, or gp"


def test_trials_outside_of_the_space_are_counted(old: Path) -> None:
    xs = sorted(past.changes["x"] for past in read(old).trials)
    found = borrow(study({"[0, 1]": f"[0, {xs[2]}]"}), [old], TASK, Work().fingerprint)
    assert [*found.told] == [
        f"{old}: the sampler knows 3 trials of it; 2 others are none of this method, length and space"
    ]


def test_of_several_seeds_a_setting_is_told_as_its_own_sampler_was(tmp_path: Path) -> None:
    several = {
        "budget: {trials: 5}": "budget: {trials: 6}\nseeds: 3",
        "{name: tpe, startup: 3}": "random",
        "stopper: {name: asha, grace: 1, reduction: 2}": "stopper: none",
    }
    toys.start(study(several), Work(), tmp_path, task=TASK)
    settings = read_history(tmp_path).settings.all
    assert {setting.state for setting in settings.values()} == {"complete", "left"}
    made = study({**NEW, "task: t": 'task: t\nconstraints: {val_accuracy: "<= 0.5"}'})
    (record,) = borrow(made, [tmp_path], TASK, Work().fingerprint).records
    assert {each["state"] for each in record["known"]} == {"complete"}
    assert {each["trial"]: each["values"] for each in record["known"]} == {
        number: pytest.approx(setting.told) for number, setting in settings.items()
    }
    worst = {
        number: max((each.values or [0.0])[0] for each in read_history(tmp_path).runs(number)) for number in settings
    }
    assert {each["trial"]: each["excesses"]["val_accuracy"] for each in record["known"]} == {
        number: pytest.approx(value - 0.5) for number, value in worst.items()
    }
