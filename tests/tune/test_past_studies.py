"""Earlier studies from their tables: which of their settings count, as what, and which were best."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.tune.confirm import confirmed
from dfkd_ray.tune.history import read_history
from dfkd_ray.tune.past_studies import read
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util import tables
from dfkd_ray.util.errors import StudyError, TrialFailed
from tests.tune import toys
from tests.tune.test_borrowed import TASK, Work, study

pytestmark = pytest.mark.usefixtures("no_fsync")


def several(more: str = "") -> Any:
    """Six settings at random, with three seeds each."""
    return study(
        {
            "budget: {trials: 5}": f"budget: {{trials: 6}}\nseeds: 3\n{more}",
            "{name: tpe, startup: 3}": "random",
            "stopper: {name: asha, grace: 1, reduction: 2}": "stopper: none",
        }
    )


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("past") / "raced"
    toys.start(several(), Work(), folder, task=TASK)
    return folder


def edited(folder: Path, to: Path, edit: Callable[[dict[str, Any]], dict[str, Any]]) -> Path:
    """The tables with other rows of trials."""
    to.mkdir()
    table = tables.read(folder / "trials.arrow")
    rows = [edit(row) for row in table.to_pylist()]
    tables.write(tables.table("trials", rows, tables.metadata(table)), to / "trials.arrow")
    (to / "steps.arrow").write_bytes((folder / "steps.arrow").read_bytes())
    return to


def test_an_earlier_study_is_read_from_its_tables(tmp_path: Path) -> None:
    toys.start(study(), Work(), tmp_path, task=TASK)
    earlier, history = read(tmp_path), read_history(tmp_path)
    ended = {n: trial for n, trial in history.trials.items() if trial.state in ("complete", "pruned")}
    assert [past.number for past in earlier.trials] == [*ended]
    for past in earlier.trials:
        trial = ended[past.number]
        assert (past.state, past.changes, past.values) == (trial.state, trial.changes, trial.values)
        (last,) = past.last
        assert last["val_accuracy"] == trial.rows[trial.epoch]["metrics"]["val_accuracy"]
        assert last["seconds"] == trial.seconds
    best = history.best()
    assert best is not None
    assert earlier.best[0].number == best.number
    assert {past.state for past in earlier.best} == {"complete"}
    with pytest.raises(StudyError, match="nowhere"):
        read(tmp_path / "nowhere")


def test_of_several_seeds_each_setting_is_known_once_and_is_complete_with_all_of_them(raced: Path) -> None:
    history, earlier = read_history(raced), read(raced)
    states = {number: setting.state for number, setting in history.settings.all.items()}
    assert {*states.values()} == {"complete", "left"}
    assert {past.number: past.state for past in earlier.trials} == states
    for past in earlier.trials:
        assert list(past.values) == pytest.approx(history.settings.all[past.number].told)
        assert len(past.last) == len(past.by_seed) == len(history.settings.all[past.number].runs)
    assert [past.number for past in earlier.best] == [number for _, number in history.tally.ranked]


def test_a_setting_that_was_left_has_no_better_mean_by_its_luck(raced: Path, tmp_path: Path) -> None:
    """Where the first seed gives all settings a tenth more, one that ran with no other looks no better for it."""

    def lucky(row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "objectives": [row["objectives"][0] + (0.3 if row["seed"] == 0 else 0.0)]}

    found = {past.number: past for past in read(edited(raced, tmp_path / "lucky", lucky)).trials}
    for past in read(raced).trials:
        assert list(found[past.number].values) == pytest.approx([past.values[0] + 0.1])


def test_a_setting_that_cannot_win_for_one_of_its_seeds_is_none_that_could(raced: Path, tmp_path: Path) -> None:
    best = read(raced).best[0].number

    def with_last(**facts: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
        return lambda row: row | facts if (row["setting"], row["seed"]) == (best, 2) else row

    unmet = read(edited(raced, tmp_path / "unmet", with_last(unmet="seconds not <= 1")))
    assert [past.number for past in unmet.trials if not past.sound] == [best]
    assert best not in [past.number for past in unmet.best]
    for facts in ({"state": "failed", "objectives": None}, {"state": "running"}, {"changed": "the teacher"}):
        none = read(edited(raced, tmp_path / next(iter(facts.values())), with_last(**facts)))
        assert best not in [past.number for past in none.trials], "as its own sampler has it"


def test_before_any_setting_has_all_seeds_nothing_is_known(raced: Path, tmp_path: Path) -> None:
    begun = edited(
        raced,
        tmp_path / "begun",
        lambda row: row if row["setting"] is None or row["seed"] < 1 else {**row, "state": "running"},
    )
    assert read(begun).trials == []


@dataclass(frozen=True)
class Other(Work):
    """What is best by the first seed is not by others."""

    def value(self, job: Job, epoch: int) -> float:
        return super().value(job, epoch) if job.seed == 0 else 1 - super().value(job, epoch)


def test_what_fresh_seeds_have_confirmed_is_best_and_they_are_no_settings_of_their_own(tmp_path: Path) -> None:
    sure = {"budget: {trials: 5}": "budget: {trials: 5}\nconfirm: {top: 2, seeds: 3}"}
    toys.start(study({**sure, "stopper: {name: asha, grace: 1, reduction: 2}": "stopper: none"}), Other(), tmp_path)
    history, earlier = read_history(tmp_path), read(tmp_path)
    assert [past.number for past in earlier.trials] == [0, 1, 2, 3, 4]
    ranked = [number for _, number in history.tally.ranked]
    best = history.best()
    assert best is not None
    assert [past.number for past in earlier.best] == [ranked[1], ranked[0], *ranked[2:]]
    assert best.number == ranked[1]
    note = confirmed(history)
    assert note is not None
    assert earlier.confirmed == [each["trial"] for each in note["settings"]]


@dataclass(frozen=True)
class Failing(Work):
    """Good settings fail with the second seed."""

    def epochs(self, job: Job) -> Iterator[Row]:
        if job.seed == 1 and self.value(job, self.max_epochs) > 0.6:
            raise TrialFailed("it diverged")
        yield from super().epochs(job)


def test_a_setting_of_which_a_seed_has_failed_is_not_the_mean_of_the_others(tmp_path: Path) -> None:
    toys.start(several("racing: false"), Failing(), tmp_path, task=TASK)
    states = {number: setting.state for number, setting in read_history(tmp_path).settings.all.items()}
    assert {*states.values()} == {"complete", "failed"}
    assert [past.number for past in read(tmp_path).trials] == [n for n, state in states.items() if state == "complete"]
