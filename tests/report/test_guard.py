"""What the page says of degenerate trials, and that none of them is best there."""

from __future__ import annotations

import pytest

from dfkd_ray.report import answer, guard, one_run, sections
from dfkd_ray.report.view import Tables
from dfkd_ray.util.words import NBSP
from tests.report.studies import noted, steps, study, trial

AGREE, CLASSES = "agreement/source", "class_entropy/source"


def made(entropies: list[float | None], metric: str = AGREE) -> Tables:
    """Trials of which a later one agrees better, with the entropy of their classes at the last of two epochs."""
    trials = [trial(n, objectives=[0.5 + n / 100]) for n in range(len(entropies))]
    rows = [
        row
        for n, entropy in enumerate(entropies)
        for row in steps(n, {metric: [0.4, 0.5 + n / 100]} | ({} if entropy is None else {CLASSES: [0.0, entropy]}))
    ]
    return study(trials, rows, note=noted(objective={"metric": metric}))


def said(tables: Tables) -> str:
    return " ".join(text.text for text in guard.warnings(tables)).replace(NBSP, " ")


def test_a_degenerate_trial_is_named_and_does_not_win() -> None:
    tables = made([0.9, 0.8, 0.0, 0.05])
    assert tables.degenerate == {2: ("one class",), 3: ("one class",)}
    assert tables.best is not None
    assert tables.best.number == 1
    assert [t.number for t in tables.front] == [1]
    assert said(tables) == (
        "Degenerate: trials 2, 3 (one class). On such images it is easy to agree, whatever the student knows: they are "
        "kept from winning. The rules: one class: class entropy, own images below 10.0 %."
    )


def test_real_images_are_no_matter_of_agreement() -> None:
    tables = made([0.9, 0.0], "val_accuracy")
    assert tables.best is not None
    assert tables.best.number == 1
    assert "validation accuracy is what was compared" in said(tables)


def test_older_tables_have_nothing_to_judge_by() -> None:
    tables = made([None, None])
    assert tables.best is not None
    assert (tables.best.number, said(tables)) == (1, "")


def test_where_all_are_degenerate_none_has_won() -> None:
    tables = made([0.0, 0.0])
    assert tables.best is None
    assert answer.sentence(tables).replace(NBSP, " ") == "No trial has won: 2 complete trials, and each is degenerate."
    assert "and each is degenerate." in str(sections.best(tables))


@pytest.mark.parametrize("number", [0, 7])
def test_many_of_one_reason_are_counted(number: int) -> None:
    tables = made([0.9, *[0.0] * number])
    assert said(tables).startswith("Degenerate: trials 1, 2, 3, 4, 5, 6 and 1 more (one class)." if number else "")


def test_the_page_of_a_run_alone_says_it_too() -> None:
    tables = made([0.9, 0.0]).only(1)
    run = tables.run
    assert run is not None
    assert "Degenerate: trial 1 (one class)." in str(one_run.summary(tables, run))
