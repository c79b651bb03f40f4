"""What makes a study that is there another one: its file, its budget, what it borrows; the commands are tested in
tests/cli/test_study_grown.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.runs import editing
from dfkd_ray.runs.experiment import renamed
from dfkd_ray.study.overrides import Overrides
from dfkd_ray.tune.history import read_history
from dfkd_ray.util.errors import StudyError
from tests.tune import toys


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("editing") / "toy"
    toys.start(toys.study({"trials: 8": "trials: 2"}), toys.Toy(), folder)
    return folder


def test_a_folder_holds_a_study_once_it_has_more_than_its_first_record(toy: Path, tmp_path: Path) -> None:
    held = editing.holding(toy)
    assert held is not None
    assert held.study.study == "toy"
    assert editing.holding(tmp_path) is None
    (tmp_path / "ledger.jsonl").write_bytes((toy / "ledger.jsonl").read_bytes().splitlines(keepends=True)[0])
    assert editing.holding(tmp_path) is None


def test_a_budget_changes_the_study_where_it_is_another(toy: Path) -> None:
    history = read_history(toy)
    assert editing.by_budget(toy, None)(history) is None
    assert editing.by_budget(toy, Overrides())(history) is None
    assert editing.by_budget(toy, Overrides(trials=2))(history) is None
    grown = editing.by_budget(toy, Overrides(trials=3, hours=2.0))(history)
    assert grown is not None
    assert (grown.study.budget.trials, grown.study.budget.hours) == (3, 2.0)
    with pytest.raises(StudyError, match=r"budget\.trials: 2 were asked for already, 1 here"):
        editing.by_budget(toy, Overrides(trials=1))(history)


def test_parts_that_one_file_names_alone() -> None:
    there = {"parts": {"a": {"digest": "1"}, "b": {"digest": "2"}}}
    here = {"parts": {"a": {"digest": "9"}, "c": {"digest": "3"}}}
    assert renamed(there, here) == {"b": None, "c": {"digest": "3"}}
