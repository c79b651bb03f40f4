from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.errors import StudyError
from dfkd_ray.report.view import Tables

from .studies import demo, noted, steps, study, trial, write


def test_all_missing_tables_are_named_at_once(tmp_path: Path) -> None:
    write(tmp_path, study())
    (tmp_path / "steps.arrow").unlink()
    (tmp_path / "images.arrow").unlink()
    with pytest.raises(StudyError, match=r"needs steps\.arrow and images\.arrow, missing here"):
        Tables.read(tmp_path)
    with pytest.raises(StudyError, match="no such folder"):
        Tables.read(tmp_path / "nowhere")


def test_a_damaged_table_and_one_of_another_kind_are_named(tmp_path: Path) -> None:
    write(tmp_path, study())
    (tmp_path / "steps.arrow").write_bytes((tmp_path / "images.arrow").read_bytes())
    with pytest.raises(StudyError, match=r"steps\.arrow: not a table of steps: no column seconds, metric and value"):
        Tables.read(tmp_path)
    (tmp_path / "steps.arrow").write_bytes(b"torn")
    with pytest.raises(StudyError, match=r"steps\.arrow: not an Arrow file"):
        Tables.read(tmp_path)


def test_the_best_is_complete_and_finite_in_the_direction_of_the_objective() -> None:
    rows = [
        trial(0, objectives=[0.3]),
        trial(1, objectives=[0.2]),
        trial(2, objectives=[math.nan]),
        trial(3, state="pruned", objectives=[0.01]),
        trial(4, state="failed", objectives=[]),
    ]
    low = study(rows, note=noted(objective={"metric": "kl/source", "mode": "min"}))
    high = study(rows)
    assert low.best is not None
    assert high.best is not None
    assert (low.best.number, high.best.number) == (1, 0)
    assert study(rows[2:]).best is None


def test_a_stopped_trial_has_the_value_at_which_it_was_stopped() -> None:
    one = study([trial(0, state="pruned", objectives=[])], steps(0, {"val_accuracy": [0.1, 0.4, 0.3, None]}))
    assert one.all[0].value == 0.3
    assert study([trial(0, state="failed")], steps(0, {"val_accuracy": [0.1]})).all[0].value is None


@pytest.mark.parametrize(
    "said", [None, "val_accuracy", {"metric": "val_accuracy"}, [{"metric": "val_accuracy", "mode": "max"}]]
)
def test_an_objective_may_be_written_in_several_ways_or_be_missing(said: object) -> None:
    (one,) = study(note={"study": {"objective": said}}).objectives
    assert (one.metric, one.mode) == ("val_accuracy", "max")


@given(st.lists(st.tuples(*[st.integers(0, 6)] * 2), min_size=1, max_size=25))
def test_the_front_is_what_nobody_beats(values: list[tuple[int, int]]) -> None:
    note = noted(objective=[{"metric": "val_accuracy", "mode": "max"}, {"metric": "kl/source", "mode": "min"}])
    tables = study([trial(i, objectives=[float(v) for v in pair]) for i, pair in enumerate(values)], note=note)
    beaten = {i for i, (a, b) in enumerate(values) if any((c >= a and d <= b) and (c, d) != (a, b) for c, d in values)}
    assert {t.number for t in tables.front} == set(range(len(values))) - beaten
    assert tables.best in tables.front


def test_nonsense_in_a_json_column_or_in_the_metadata_does_no_harm() -> None:
    tables = study(
        [trial(0, changes="{torn"), trial(1, changes="[1]")], note={"study": "?", "task": 3, "importance": []}
    )
    assert [t.changes for t in tables.all] == [{}, {}]
    assert tables.parameters == ()
    assert tables.importance == {}


def test_half_a_character_in_json_becomes_a_question_mark() -> None:
    tables = study([trial(0, changes='{"a": "x\\ud800"}')], note={"study": {"question": "why\ud800"}})
    assert tables.all[0].changes == {"a": "x?"}
    assert tables.study["question"] == "why?"


def test_curves_hold_finite_values_only() -> None:
    tables = study([trial(0)], steps(0, {"val_accuracy": [0.1, math.nan, None, 0.4]}))
    assert tables.curve("val_accuracy") == {0: {1: 0.1, 4: 0.4}}
    assert tables.curve("nothing") == {}


def test_the_demonstration_study_has_every_state() -> None:
    assert {t.state for t in demo().all} == {"complete", "pruned", "failed"}
