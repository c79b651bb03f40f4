"""Finished trials of earlier studies: taken over whole, marked, and never from another task, budget or seed."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.tune.history import History
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.tune.reuse import Finished, library
from dfkd_ray.tune.work import Job
from dfkd_ray.util import tables
from dfkd_ray.util.errors import StudyError
from tests.tune import toys
from tests.tune.ablations import TASK, TUNED, effects, history, run, study

pytestmark = pytest.mark.usefixtures("no_fsync")
ADD_ONE_IN = {"leave_one_out": "leave_one_out+add_one_in"}


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A leave-one-out of three seeds."""
    run(tmp_path / "earlier")
    return tmp_path / "earlier"


def begun(folder: Path) -> list[int]:
    """The trials that somebody has worked on."""
    return [record["trial"] for record in read_records(folder / NAME)[0] if record["kind"] == "started"]


def trials(folder: Path, *without: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = tables.read(folder / "trials.arrow").to_pylist()
    return [{key: value for key, value in row.items() if key not in without} for row in rows]


def reused(found: History) -> list[tuple[str | None, int]]:
    return [(t.arm, t.seed) for t in found.trials.values() if (t.reason or "").startswith("reused: ")]


def test_a_finished_trial_is_taken_over_with_all_it_left_and_marked(tmp_path: Path, earlier: Path) -> None:
    run(tmp_path / "later", reuse=[earlier])
    run(tmp_path / "anew")
    assert begun(tmp_path / "later") == []
    for kind in ("steps", "images"):
        later, anew = (tables.read(tmp_path / name / f"{kind}.arrow").to_pylist() for name in ("later", "anew"))
        assert later == anew
        assert later != []
    differs = ("reason", "started", "attempts")
    assert trials(tmp_path / "later", *differs) == trials(tmp_path / "anew", *differs)
    first = trials(tmp_path / "later")[5]
    assert first["reason"] == f"reused: {earlier}, trial 5"
    assert (first["started"], first["attempts"]) == (None, 0)
    assert dict(first["final"]) == pytest.approx(
        {"test_accuracy/last": first["objectives"][0] - 0.01, "images/student": 64}
    )
    assert effects(tmp_path / "later") == effects(tmp_path / "anew")


def test_what_is_new_is_run_beside_it(tmp_path: Path, earlier: Path) -> None:
    found = run(tmp_path / "later", ADD_ONE_IN | {"seeds: 3": "seeds: [2, 9]"}, reuse=[earlier])
    old = [("full", 2), ("without a", 2), ("without b", 2), ("without c", 2)]
    assert reused(found) == old
    assert len(begun(tmp_path / "later")) == len(found.trials) - len(old) == 12
    assert found.in_state("complete") == 16
    assert found.finished


def test_names_do_not_matter_but_the_method_does(tmp_path: Path, earlier: Path) -> None:
    """By fingerprint: an arm of another name, written as other changes, that is the same method."""
    text = (
        toys.ABLATION[: toys.ABLATION.index("design")]
        + "arms: {all: {b: 1}, less: {a: 0, c: 1}, bent: {x: 0.4}}\nseeds: 3"
    )
    by_hand = toys.study({}, text)
    toys.start(by_hand, toys.Parts(), tmp_path / "later", task=TASK, reuse=(earlier,))
    assert reused(history(tmp_path / "later")) == [(arm, seed) for seed in range(3) for arm in ("all", "less")]


def test_a_reused_trial_can_be_reused(tmp_path: Path, earlier: Path) -> None:
    run(tmp_path / "second", reuse=[earlier])
    found = run(tmp_path / "third", reuse=[tmp_path / "second"])
    assert len(reused(found)) == 12
    assert found.trials[3].reason == f"reused: {tmp_path / 'second'}, trial 3"


def test_of_two_folders_the_first_that_has_it(tmp_path: Path, earlier: Path) -> None:
    run(tmp_path / "more", {"seeds: 3": "seeds: 4"})
    found = run(tmp_path / "later", {"seeds: 3": "seeds: 4"}, reuse=[earlier, tmp_path / "more"])
    origins = [str(trial.reason).partition(",")[0] for trial in found.trials.values()]
    assert origins == [f"reused: {earlier}"] * 12 + [f"reused: {tmp_path / 'more'}"] * 4


def test_another_schedule_is_another_budget(tmp_path: Path, earlier: Path) -> None:
    found = run(tmp_path / "later", work=toys.Parts(max_epochs=3), reuse=[earlier])
    assert reused(found) == []
    assert len(begun(tmp_path / "later")) == 12


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({**TASK, "name": "u"}, "nothing of it can be reused: its task is 't'"),
        ({**TASK, "teacher": {"digest": "e"}}, "nothing of it can be reused: its teacher or its evaluation is another"),
        (
            {**TASK, "precision": "mixed"},
            "nothing of it can be reused: its precision is float32, not mixed",
        ),
        ({**TASK, "code": {"mine": "b", "of": "c"}}, "nothing of it can be reused: the code of mine is another"),
        (
            {**TASK, "code": {"mine": "b"}, "precision": "mixed"},
            "nothing of it can be reused: its precision is float32, not mixed and the code of mine is another",
        ),
    ],
)
def test_another_task_or_teacher_is_refused_before_anything_starts(
    tmp_path: Path, earlier: Path, task: Any, message: str
) -> None:
    with pytest.raises(StudyError) as refused:
        toys.start(study(), toys.Parts(), tmp_path / "later", task=task, reuse=(earlier,))
    assert str(refused.value) == f"{earlier}: {message}"
    assert not (tmp_path / "later").exists()


def test_tables_that_say_less_of_their_task_are_taken_where_nothing_differs(tmp_path: Path, earlier: Path) -> None:
    told = {**TASK, "mean": [0.5]}  # as a later version records it
    assert library([earlier], told).keys() == library([earlier], TASK).keys()
    assert len(library([earlier], told)) == 12


def test_a_folder_without_tables_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="there is no such table"):
        run(tmp_path / "later", reuse=[tmp_path / "nothing"])


def test_what_failed_was_tuned_or_never_ended_is_not_taken(tmp_path: Path) -> None:
    run(tmp_path / "failed", work=toys.Parts(fails=(("full", None),), nans=(("without a", 1),)))
    taken = library([tmp_path / "failed"], TASK)
    assert len(taken) == 12 - 3 - 1
    run(tmp_path / "tuned", TUNED)
    assert {seed for _, seed in library([tmp_path / "tuned"], TASK)} == {0, 1, 2}
    table = tables.read(tmp_path / "failed" / "trials.arrow")
    rows = [row | {"state": "running"} for row in table.to_pylist()]
    tables.write(tables.table("trials", rows, tables.metadata(table)), tmp_path / "failed" / "trials.arrow")
    assert library([tmp_path / "failed"], TASK) == {}


@pytest.mark.parametrize("known", [0, 1])
def test_curves_that_were_written_before_the_trial_ended_are_not_taken(
    tmp_path: Path, earlier: Path, known: int
) -> None:
    """The tables are replaced one after the other, so that a kill between them leaves an older `steps`."""
    table = tables.read(earlier / "steps.arrow")
    rows = [row for row in table.to_pylist() if row["trial"] != 4 or row["epoch"] <= known]
    tables.write(tables.table("steps", rows, tables.metadata(table)), earlier / "steps.arrow")
    found = run(tmp_path / "later", reuse=[earlier])
    assert len(reused(found)) == 11
    assert begun(tmp_path / "later") == [4]
    assert found.trials[4].epoch == 2


@dataclass(frozen=True)
class Blind(toys.Parts):
    """Without real images to evaluate on."""

    def epochs(self, job: Job) -> Any:
        for row in super().epochs(job):
            yield replace(row, metrics={name: v for name, v in row.metrics.items() if name != "val_accuracy"})


def test_a_trial_that_does_not_report_the_objective_is_run(tmp_path: Path) -> None:
    """The task and the method are the same, but the earlier study had no images to tell accuracy by."""
    run(tmp_path / "blind", {"metric: val_accuracy": "metric: kl/noise"}, Blind())
    assert len(library([tmp_path / "blind"], TASK)) == 12
    found = run(tmp_path / "later", reuse=[tmp_path / "blind"])
    assert reused(found) == []
    assert found.in_state("complete") == 12


def test_a_trial_that_ran_with_other_inputs_is_not_taken_over(tmp_path: Path, earlier: Path) -> None:
    path = earlier / "trials.arrow"
    table = tables.read(path)
    rows = [{**row, "changed": "the teacher (a, now b)" if row["trial"] == 5 else None} for row in table.to_pylist()]
    tables.write(tables.table("trials", rows, tables.metadata(table)), path)
    run(tmp_path / "later", reuse=[earlier])
    assert begun(tmp_path / "later") == [5]


def test_a_table_of_somebody_elses_that_lacks_columns_says_which(tmp_path: Path, earlier: Path) -> None:
    whole = tables.read(earlier / "trials.arrow")
    tables.write(whole.drop_columns(["method", "final"]), earlier / "trials.arrow")
    with pytest.raises(StudyError, match=r"nothing of it can be reused: trials.arrow has no final, method$"):
        library([earlier], {**TASK})


def test_what_a_finished_trial_reports_is_known_by_metric_and_by_cost() -> None:
    row = {"epoch": 1, "seconds": 2.0, "peak_memory": None, "metrics": {"a": 0.5, "b": math.nan}}
    told = Finished((row,), {}, {}, "f", "reports/x, trial 0", parameters=7)
    names = ("a", "b", "c", "seconds", "peak_memory", "parameters")
    assert [told.reports(name) for name in names] == [True, False, False, True, False, True]
