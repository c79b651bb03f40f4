"""Importance: what the sweep wrote, in its order, and by whom it was estimated."""

from __future__ import annotations

import math

import pytest

from dfkd_ray.report.charts.importance import Importance
from dfkd_ray.report.view import Tables
from tests.report.studies import KD, MHAD, NOTE, ORDER, demo, study, trial


@pytest.fixture(scope="module")
def tables() -> Tables:
    return demo()


def test_importance_is_what_the_sweep_wrote_sorted_and_names_who_estimated_it(tables: Tables) -> None:
    rows = Importance.prepare(tables)
    told = NOTE["importance"]["objectives"]["val_accuracy"]
    assert rows["importance"].to_pylist() == sorted(told.values(), reverse=True)
    assert dict(zip(rows["path"].to_pylist(), rows["importance"].to_pylist())) == told
    (note,) = Importance.notes(rows)
    assert "An estimate, not a measurement: PED-ANOVA, 11 trials at epoch 4." in note
    assert "a hint, not a finding" in note


def test_importance_leaves_out_what_is_no_number_and_says_when_there_is_none() -> None:
    told = {"evaluator": "x", "objectives": {"val_accuracy": {ORDER: math.nan, KD: None, MHAD: 0.2}, "kl/source": {}}}
    rows = Importance.prepare(study(note={**NOTE, "importance": told}))
    assert rows["path"].to_pylist() == [MHAD]
    assert Importance.prepare(study(note={**NOTE, "importance": {}})).num_rows == 0


def test_a_bar_a_setting_with_its_name_and_its_share_above_it(tables: Tables) -> None:
    rows = Importance.prepare(tables)
    figure = Importance.draw(rows)
    (bars,) = figure.data
    assert list(bars.x) == rows["importance"].to_pylist()
    texts = [note.text for note in figure.layout.annotations]
    for label, share, text in zip(rows["label"].to_pylist(), bars.x, texts, strict=True):
        assert text == f"{label}  <b>{share:.2f}</b>"
    bottom, top = figure.layout.yaxis.range
    assert top < 0 == bars.y[0] < bars.y[-1] < bottom, "from the most important down"


@pytest.mark.parametrize(("states", "hint"), [(["complete"] * 20, False), (["complete"] * 19 + ["failed"] * 9, True)])
def test_of_few_trials_it_is_a_hint_and_failed_ones_do_not_count(states: list[str], hint: bool) -> None:
    rows = Importance.prepare(study([trial(n, state=state) for n, state in enumerate(states)]))
    assert set(rows["trials"].to_pylist()) == {states.count("complete")}
    assert ("a hint, not a finding" in Importance.notes(rows)[0]) == hint
