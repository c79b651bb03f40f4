"""The front in words and as a table."""

from __future__ import annotations

from typing import Any

from dfkd_ray.report import answer, fronts
from dfkd_ray.report.view import Tables
from dfkd_ray.util.words import NBSP
from tests.report.studies import KD, noted, study, trial
from tests.report.writing import written

VALUES = [(0.9, 1.0), (0.8, 0.3), (0.4, 0.1), (0.3, 0.9)]


def tables(values: Any = VALUES, **note: Any) -> Tables:
    rows = [trial(n, objectives=list(own), changes={KD: 2.0 + n}, final=[]) for n, own in enumerate(values)]
    return study(rows, note=noted(objective=[{"metric": "val_accuracy"}, {"metric": "kl/noise"}], **note))


def plain(text: str) -> str:
    return text.replace(NBSP, " ")


def test_the_answer_is_the_front_and_its_knee() -> None:
    assert plain(answer.sentence(tables())) == (
        "The front of 4 trials: 3 trials that no other dominates, "
        "trial 0: validation accuracy 90.0 %, KL to the teacher, noise 1 nats; "
        "trial 1 (the knee): validation accuracy 80.0 %, KL to the teacher, noise 0.3 nats; "
        "trial 2: validation accuracy 40.0 %, KL to the teacher, noise 0.1 nats (chance 8.3 %, teacher 96.7 %)."
    )
    many = tables([(0.1 * n, 0.1 * n) for n in range(7)])
    assert plain(answer.sentence(many)).count("trial ") == fronts.NAMED
    assert "; and 3 more" in answer.sentence(many)
    alone = tables([(0.9, 0.1), (0.8, 0.3)])
    assert answer.sentence(alone).startswith("Best of 2"), "one that dominates all others is the best"


def test_which_is_taken_is_said_by_its_rule() -> None:
    first = "the best by validation accuracy"
    assert fronts.taken(tables()) == first
    assert fronts.taken(tables(best="knee")) == "the knee"
    assert fronts.taken(tables(VALUES[:2], best="knee")) == f"{first}, since the front has no knee"
    bound = tables(best={"constraint": {"kl/noise": "<= 0.5"}})
    assert fronts.taken(bound) == f"{first} with KL to the teacher, noise <= 0.5"


def test_the_table_marks_the_knee_and_the_one_that_is_taken() -> None:
    html = plain("".join(map(written, fronts.blocks(tables(best="knee")))))
    assert "3 trials on the Pareto front. Where one is asked for, by this page or by a command, it is the knee." in html
    assert html.count("<tr") == 4, "a head and three trials"
    assert "the knee, taken" in html
    assert fronts.blocks(study([trial(0)])) == []


def test_the_box_is_told_in_the_units_of_the_metrics() -> None:
    """Of kl 0.1 to 1.0 a tenth of 0.9 behind the worst."""
    said = plain(fronts.reference(tables()))
    assert "the reference point (validation accuracy 24.0 %, KL to the teacher, noise 1.09 nats)" in said
    assert "the ideal point (validation accuracy 90.0 %, KL to the teacher, noise 0.1 nats)" in said
    assert fronts.reference(study([])) == ""
