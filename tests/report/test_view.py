from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfkd_ray.report.view import Tables
from dfkd_ray.util.errors import StudyError
from tests.report import ablations
from tests.report.studies import demo, noted, one_run, steps, study, trial, write


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


@settings(deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 6)] * 2), min_size=1, max_size=25))
def test_the_front_is_what_nobody_beats(values: list[tuple[int, int]]) -> None:
    note = noted(objective=[{"metric": "val_accuracy", "mode": "max"}, {"metric": "kl/source", "mode": "min"}])
    tables = study([trial(i, objectives=[float(v) for v in pair]) for i, pair in enumerate(values)], note=note)
    beaten = {i for i, (a, b) in enumerate(values) if any((c >= a and d <= b) and (c, d) != (a, b) for c, d in values)}
    assert {t.number for t in tables.front} == set(range(len(values))) - beaten
    assert tables.best in tables.front


def test_a_tie_in_the_first_objective_is_broken_by_the_second_then_by_the_number() -> None:
    """The same rule as the sweep's (`tests/tune/test_history.py`): what is announced is what is kept."""
    note = noted(objective=[{"metric": "val_accuracy", "mode": "max"}, {"metric": "kl/source", "mode": "min"}])
    values = ([0.6, 0.7], [0.6, 0.5], [0.6, 0.5])
    tables = study([trial(i, objectives=list(pair)) for i, pair in enumerate(values)], note=note)
    assert tables.best is not None
    assert tables.best.number == 1
    assert [t.number for t in tables.front] == [1, 2]


@pytest.mark.parametrize(("metric", "mode"), [("outside", "min"), ("diversity", "max"), ("bleu", "max")])
def test_a_study_that_does_not_say_which_way_is_better_means_what_the_metric_does(metric: str, mode: str) -> None:
    (one,) = study(note={"study": {"objective": metric}}).objectives
    assert (one.metric, one.mode) == (metric, mode)


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


def test_the_effects_of_an_ablation_are_read_where_they_are_and_a_damaged_table_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, ablations.factorial())
    effects = Tables.read(tmp_path).effects
    assert effects is not None
    assert effects.equals(ablations.factorial().effects)
    (tmp_path / "effects.arrow").write_bytes((tmp_path / "images.arrow").read_bytes())
    with pytest.raises(StudyError, match=r"effects\.arrow: not a table of effects: no column component, kind"):
        Tables.read(tmp_path)
    (tmp_path / "effects.arrow").write_bytes(b"torn")
    with pytest.raises(StudyError, match=r"effects\.arrow: not an Arrow file"):
        Tables.read(tmp_path)
    (tmp_path / "effects.arrow").unlink()
    assert Tables.read(tmp_path).effects is None


def test_tables_from_before_there_were_ablations_are_still_read(tmp_path: Path) -> None:
    given = demo(3)
    write(tmp_path, replace(given, trials=given.trials.drop_columns(["draw", "tuning"])))
    read = Tables.read(tmp_path)
    assert [t.pair for t in read.all] == [(0, 0)] * 3
    assert not read.is_ablation


def test_a_metric_is_reached_as_effects_are_told_from_it() -> None:
    final = [("test_accuracy/last", 0.3), ("test_accuracy/best", math.nan)]
    rows = [trial(0, objectives=[0.7], epochs=3, final=final), trial(1, state="failed", objectives=[0.9], epochs=3)]
    curves = {"val_accuracy": [0.7, 0.6, 0.5], "kl/source": [3.0, 2.0, 1.0]}
    tables = study(rows, [*steps(0, curves), *steps(1, curves)])
    names = ("val_accuracy", "kl/source", "test_accuracy/last", "test_accuracy/best", "nothing")
    assert [tables.reached(tables.all[0], name) for name in names] == [0.7, 1.0, 0.3, None, None]
    assert {tables.reached(tables.all[1], name) for name in names} == {None}


def test_one_trial_by_itself_takes_its_rows_and_the_studys_words_along() -> None:
    """It is no ablation any more, and it is what the page looks into whether or not it is complete."""
    for whole in (demo(), ablations.factorial()):
        for trial_of in whole.all[:6]:
            one = whole.only(trial_of.number)
            assert one.run == one.shown == trial_of
            assert one.study == whole.study
            assert not one.is_ablation
            for kind in ("steps", "images"):
                own = [row for row in getattr(whole, kind).to_pylist() if row["trial"] == trial_of.number]
                assert getattr(one, kind).to_pylist() == own
        assert whole.run is None
        assert whole.shown == whole.best
    with pytest.raises(StudyError, match=r"^mhad has no trial 12: they go from 0 to 11$"):
        demo().only(12)
    with pytest.raises(StudyError, match=r"^mhad has no trial 0: none has begun$"):
        study().only(0)


def test_a_study_that_searches_nothing_is_one_run() -> None:
    assert one_run().run == one_run().all[0]
    assert one_run(state="failed").shown is not None
    assert study([trial(0)], note={}).run is None, "of tables without a study nobody knows"


def test_metrics_are_read_with_the_objectives_first_and_losses_last() -> None:
    names = ("loss/b", "val_accuracy", "loss/a", "kl/source", "mine", "diversity")
    rows = steps(0, {name: [1.0] for name in names})
    tables = study([trial(0)], rows, note=noted(objective=["diversity", "val_accuracy"]))
    assert tables.read_in_order == ("diversity", "val_accuracy", "kl/source", "loss/a", "loss/b", "mine")


def test_what_arms_change_is_not_a_searched_setting() -> None:
    assert ablations.leave_one_out().parameters == ()
    one = ablations.leave_one_out()
    drawn = ablations.changed(one, study={**one.study, "search": {"a.b": {"uniform": [0, 1]}}})
    assert [p.path for p in drawn.parameters] == ["a.b"]
