"""The winner of a search on fresh seeds: what is run, that a crash changes nothing, and what is told of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfkd_ray.study import Study
from dfkd_ray.tune.comparison import metric_of, sides
from dfkd_ray.tune.confirm import beginning, confirmed, propose, total
from dfkd_ray.tune.history import History, read_history
from dfkd_ray.tune.ledger import Ledger
from dfkd_ray.tune.trials import CONFIRM
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util import folders, tables
from dfkd_ray.util.errors import StudyError
from tests.tune import toys
from tests.tune.crashing import dies
from tests.tune.test_designed import finish, jobs
from tests.tune.test_history import asked, ended, records, row
from tests.tune.test_tuner import tuner

pytestmark = pytest.mark.usefixtures("no_fsync")
BUDGET = "budget: {trials: 8}"


@dataclass(frozen=True)
class Lucky(toys.Toy):
    """What a setting shows with the seed of the search is luck for the most part: each (setting, seed) has its own."""

    max_epochs: int = 2
    luck: float = 0.05

    def epochs(self, job: Job) -> Iterator[Row]:
        for told in super().epochs(job):
            if job.folder is not None:
                Path(job.folder).mkdir(parents=True, exist_ok=True)
                (Path(job.folder) / "student").touch()
            yield told

    def value(self, job: Job, epoch: int) -> float:
        x = job.changes.get("x", 0.5)
        own = self.luck * math.sin(1000 * x + 77 * job.seed)
        return float(0.8 - (x - 0.7) ** 2 + own - 0.1 * (self.max_epochs - epoch))


def study(confirm: str = "{top: 2, seeds: 3}", budget: str = "budget: {trials: 5}") -> Study:
    return toys.study({BUDGET: f"{budget}\nconfirm: {confirm}"})


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("confirmed") / "whole"
    toys.start(study(), Lucky(), folder)
    return folder


def again(history: History) -> list[tuple[Any, ...]]:
    return [(t.arm, t.seed, t.changes) for t in history.trials.values() if t.phase == CONFIRM]


def test_the_best_and_the_defaults_run_again_with_fresh_seeds_seed_by_seed(whole: Path) -> None:
    history = read_history(whole)
    searched = [trial for trial in history.trials.values() if trial.phase is None]
    complete = sorted((t for t in searched if t.state == "complete"), key=lambda t: -(t.values or [0.0])[0])
    first, second = complete[:2]
    arms = [(f"trial {first.number}", first.changes), (f"trial {second.number}", second.changes), ("defaults", {})]
    assert again(history) == [(arm, seed, changes) for seed in (1, 2, 3) for arm, changes in arms]
    assert len(searched) == history.searched == 5
    assert history.finished
    assert {t.state for t in history.trials.values() if t.phase == CONFIRM} == {"complete"}  # no stopper cuts them


def test_a_search_that_is_confirmed_proposes_what_it_does_without(whole: Path, tmp_path: Path) -> None:
    toys.start(toys.study({BUDGET: "budget: {trials: 5}"}), Lucky(), tmp_path / "plain")
    plain, found = read_history(tmp_path / "plain"), read_history(whole)
    assert [(t.changes, t.values, t.state) for t in plain.trials.values()] == [
        (t.changes, t.values, t.state) for t in found.trials.values() if t.phase is None
    ]


def test_the_answer_is_the_first_on_fresh_seeds_and_the_curse_is_told(whole: Path) -> None:
    history = read_history(whole)
    note = tables.metadata(tables.read(whole / "trials.arrow"))["confirmed"]
    assert note == confirmed(history)
    work, means = Lucky(), {}
    for arm, number in history.fresh.arms.items():
        changes = {} if number is None else history.trials[number].changes
        means[arm] = float(np.mean([work.value(Job(0, changes, seed, None), 2) for seed in (1, 2, 3)]))
    settings = {each["name"]: each for each in note["settings"]}
    assert {name: each["mean"] for name, each in settings.items()} == pytest.approx(
        {name: mean for name, mean in means.items() if name != "defaults"}
    )
    first = max(settings, key=means.__getitem__)
    best = history.best()
    assert best is not None
    assert (best.number, note["first"], note["settings"][0]["name"]) == (history.fresh.arms[first],) * 2 + (first,)
    won = next(iter(history.fresh.arms))
    searched = (history.trials[history.fresh.arms[won] or 0].values or [0.0])[0]
    assert note["won"]["trial"] == history.fresh.arms[won]
    assert note["won"]["value"] == pytest.approx(searched - means[won])
    assert note["control"]["mean"] == pytest.approx(means["defaults"])
    against = settings[first]["against"]
    assert against["difference"] == pytest.approx(means[first] - means["defaults"])
    assert (note["complete"], note["ended"], note["wanted"]) == (True, 9, 9)
    assert sum(each["best"] for each in note["settings"]) == pytest.approx(1.0)


def test_the_tables_tell_the_phase_and_the_students_of_the_leaders_stay(whole: Path) -> None:
    rows = tables.read(whole / "trials.arrow").to_pylist()
    assert [row["phase"] for row in rows] == [None] * 5 + [CONFIRM] * 9
    history = read_history(whole)
    kept = {path for path in (whole / folders.TRIALS).iterdir() if any(path.iterdir())}
    assert kept == {folders.of_trial(whole, number) for _, number in history.tally.ranked[:2]}
    note = tables.metadata(tables.read(whole / "trials.arrow"))
    assert note["study"]["confirm"] == {"top": 2, "seeds": 3}


def test_a_crash_at_any_record_of_it_changes_nothing(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = read_history(whole)
    begins = 1 + next(i for i, kind in enumerate(_kinds(whole)) if kind == "confirming")
    for k in range(begins, len(_kinds(whole)), 9):
        folder = tmp_path / str(k)
        dies(monkeypatch, partial(toys.start, study(), Lucky(), folder), k)
        toys.resume(folder, Lucky())
        found = read_history(folder)
        assert again(found) == again(expected), f"crash at record {k}"
        assert confirmed(found) == confirmed(expected)


def _kinds(folder: Path) -> list[str]:
    with Ledger(folder) as ledger:
        return [record["kind"] for record in ledger.records]


def test_nothing_is_confirmed_before_the_last_trial_of_the_search_has_ended(tmp_path: Path) -> None:
    with tuner(tmp_path, study(budget="budget: {trials: 2}")) as c:
        first, second = jobs(c)
        finish(c, first, Lucky(max_epochs=4))  # type: ignore[arg-type]
        assert (jobs(c), c.total) == ([], 2 + 9)
        finish(c, second, Lucky(max_epochs=4))  # type: ignore[arg-type]
        assert len(jobs(c)) == 9  # all at once, on as many slots as there are
        assert c.total == 11


def test_hours_end_the_search_and_not_what_confirms_it(tmp_path: Path) -> None:
    now = [0.0]
    with tuner(tmp_path, study(budget="budget: {hours: 1}"), ticks=lambda: now[0]) as c:
        job = c.next_job()
        assert job is not None
        assert c.total is None
        now[0] = 3601.0
        finish(c, job, Lucky(max_epochs=4))  # type: ignore[arg-type]
        assert [(c.history.trials[job.trial].arm) for job in jobs(c)] == ["trial 0", "defaults"] * 3
        assert c.total == 7


def test_defaults_that_won_are_run_once(tmp_path: Path) -> None:
    """`fingerprint` says that the method with the winner's changes is the method itself."""
    with tuner(tmp_path, study(budget="budget: {trials: 1}"), fingerprint=lambda changes: "same") as c:
        (job,) = jobs(c)
        finish(c, job, Lucky(max_epochs=4))  # type: ignore[arg-type]
        for job in jobs(c):
            finish(c, job, Lucky(max_epochs=4))  # type: ignore[arg-type]
        assert again(c.history) == [("trial 0", seed, c.history.trials[0].changes) for seed in (1, 2, 3)]
        note = confirmed(c.history)
        assert note is not None
        assert note["control"]["runs_as"] == "trial 0"
        assert note["settings"][0]["against"] is None


def story(values: dict[int, float]) -> History:
    made = records({"stopper: {name: asha, grace: 1, reduction: 2}": "stopper: none\nconfirm: {top: 2, seeds: 3}"})
    for number, value in values.items():
        made += [asked(number), row(number, 1, value), ended(number, "complete", [value])]
    return History(made)


def test_when_the_search_goes_on_and_others_lead_they_are_confirmed_too() -> None:
    history = story({0: 0.5, 1: 0.6, 2: 0.4})
    begins = beginning(history, None)
    assert begins is not None
    assert begins["arms"] == {"trial 1": 1, "trial 0": 0, "defaults": None}
    history.apply({"kind": "confirming", "time": 104.0, **begins})
    assert beginning(history, None) is None
    first = propose(history)
    assert first is not None
    assert (first.arm, first.seed, first.phase) == ("trial 1", 1, CONFIRM)
    history.apply({**asked(3, arm="trial 1"), "seed": 1, "phase": CONFIRM})
    history.apply(row(3, 1, 0.55))
    history.apply(ended(3, "complete", [0.55]))
    assert (history.searched, total(history, 8)) == (3, 12)
    for record in (asked(4), row(4, 1, 0.9), ended(4, "complete", [0.9])):  # of a search that was made longer
        history.apply(record)
    assert (history.trials[4].place, history.searched) == (3, 4)
    later = beginning(history, None)
    assert later is not None
    assert later["arms"] == {"trial 4": 4, "trial 1": 1, "defaults": None}
    history.apply({"kind": "confirming", "time": 105.0, **later})
    assert [len(own) for own in history.fresh.outcomes.values()] == [0, 1, 0]


def test_the_test_split_is_told_by_what_the_task_has_and_of_these_seeds_alone() -> None:
    history = story({0: 0.6, 1: 0.5})
    history.apply({"kind": "confirming", "time": 104.0, **(beginning(history, None) or {})})
    for number, seed, reached in ((2, 1, 0.4), (3, 2, 0.6), (4, 9, 0.9)):
        history.apply({**asked(number, arm="trial 0"), "seed": seed, "phase": CONFIRM})
        history.apply(row(number, 1, reached))
        history.apply(ended(number, "complete", [reached], final={"test_miou/last": reached}))
    note = confirmed(history)
    assert note is not None
    assert {each["name"]: each["test"] for each in note["settings"]} == {"trial 0": pytest.approx(0.5), "trial 1": None}


def test_without_a_winner_there_is_nothing_to_confirm() -> None:
    history = story({})
    for record in (asked(0), ended(0, "failed", None)):
        history.apply(record)
    assert (beginning(history, None), propose(history), confirmed(history)) == (None, None, None)


def test_a_fresh_trial_that_fails_is_lost_for_all_and_run_again_when_asked(tmp_path: Path) -> None:
    toys.start(study(), Lucky(raises_at=1, only=(5,)), tmp_path)
    note = confirmed(read_history(tmp_path))
    assert note is not None
    assert [(each["n"], each["lost"]) for each in note["settings"]] in ([(2, 1), (2, 0)], [(2, 0), (2, 1)])
    assert note["complete"]


def test_a_comparison_with_another_study_has_the_fresh_mean(whole: Path) -> None:
    found, note = sides(str(whole), str(whole))[0], confirmed(read_history(whole))
    assert note is not None
    assert found.results["confirmed val_accuracy"] == note["settings"][0]["mean"]
    assert metric_of("confirmed val_accuracy") == "val_accuracy"


def test_a_record_that_confirms_what_is_not_there_is_refused() -> None:
    begins = {"kind": "confirming", "time": 104.0, **(beginning(story({0: 0.5}), None) or {})}
    with pytest.raises(StudyError, match='there is "confirming", which was never asked for'):
        story({}).apply(begins)
    with pytest.raises(StudyError, match=r"it confirms \{7\}, and names other trials"):
        story({0: 0.5}).apply({**begins, "arms": {"trial 7": 7}})


def test_what_is_told_of_the_test_images_is_of_the_targets_of_the_task(whole: Path) -> None:
    history = read_history(whole)
    for trial in history.trials.values():
        trial.final = {"test_miou/last": 0.25 if trial.phase == CONFIRM else 0.5}
    note = confirmed(history)
    assert note is not None
    assert [each["test"] for each in note["settings"]] == [0.25, 0.25]
