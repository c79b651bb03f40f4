from __future__ import annotations

import re

import pytest

from dfkd_ray.report import answer, asked, sections
from dfkd_ray.util.words import NBSP
from tests.report.studies import KD, NOTE, ORDER, noted, steps, study, trial
from tests.report.writing import written


def said(*args: object, **kwargs: object) -> str:
    return answer.sentence(study(*args, **kwargs)).replace(NBSP, " ")  # type: ignore[arg-type]


BEST = trial(
    1,
    changes={ORDER: 3, KD: 4.0},
    epochs=3,
    best_epoch=2,
    objectives=[0.781],
    final=[("test_accuracy/last", 0.76), ("test_accuracy/best", 0.99)],
)
CURVE = steps(1, {"val_accuracy": [0.5, 0.781, 0.77]})


BY_BEST = noted(objective={"metric": "val_accuracy", "mode": "max", "at": "best"})


def test_the_answer_names_validation_at_the_best_epoch_and_test_at_the_last() -> None:
    assert said([trial(0), BEST], CURVE, note=BY_BEST) == (
        "Best of 2 trials: validation accuracy 78.1 % at epoch 2 with order 3 and kd.temperature 4; "
        "test 76.0 % at its last epoch (chance 8.3 %, teacher 96.7 %)."
    )


def test_a_running_study_says_so() -> None:
    assert said([BEST], CURVE, note={**NOTE, "finished": False}).startswith("Best so far, after 1 of 12 trials: ")


def test_an_objective_without_real_images_is_named_and_validation_stands_beside_it() -> None:
    curve = [*CURVE, *steps(1, {"kl/source": [0.5, 0.125, 0.2]})]
    best = {**BEST, "objectives": [0.2]}
    text = said([best], curve, note=noted(objective={"metric": "kl/source"}))
    assert "KL to the teacher, own images 0.2 nats at epoch 3, validation accuracy 77.0 % there with" in text
    best = {**BEST, "objectives": [0.125]}
    text = said([best], curve, note=noted(objective={"metric": "kl/source", "at": "best"}))
    assert "KL to the teacher, own images 0.125 nats at epoch 2, validation accuracy 78.1 % there with" in text


def test_the_number_that_the_search_went_by_is_quoted_not_the_best_of_the_curve() -> None:
    last = {**BEST, "objectives": [0.77]}
    assert said([last], CURVE).startswith("Best of 1 trial: validation accuracy 77.0 % at epoch 3 with ")
    big = written(answer.numbers(study([last], CURVE))).replace(NBSP, " ")
    assert "77.0 %" in big
    assert "78.1 %" not in big


def test_several_objectives_are_all_quoted() -> None:
    curve = [*CURVE, *steps(1, {"diversity": [0.5, 0.9, 0.8]})]
    note = noted(objective=[{"metric": "diversity"}, {"metric": "val_accuracy", "at": "best"}])
    text = said([{**BEST, "objectives": [0.8, 0.781]}], curve, note=note)
    assert "prediction diversity 80.0 % at epoch 3, validation accuracy 78.1 % at epoch 2 with" in text


def test_without_metadata_the_sentence_is_shorter_but_right() -> None:
    assert said([trial(0, final=[])], note={}) == "Best of 1 trial: validation accuracy 50.0 % at epoch 2."


@pytest.mark.parametrize(
    ("trials", "text"),
    [
        ([], "No trial has ended yet, so there is no answer."),
        ([trial(0, state="failed")], "(1 failed)."),
    ],
)
def test_no_answer_is_said_plainly(trials: list[dict[str, object]], text: str) -> None:
    assert said(trials).endswith(text)


def test_many_settings_are_left_to_the_table() -> None:
    changes = {f"a.x{i}": float(i) for i in range(7)}
    note = noted(search={path: {"uniform": [0, 10]} for path in changes})
    assert " with " not in said([trial(0, changes=changes)], note=note)


def test_the_ruler_stands_where_the_numbers_say() -> None:
    html = written(answer.ruler(study([BEST], CURVE)))
    places = [float(at) for at in re.findall(r'class="mark[^>]*left:([\d.]+)%', html)]
    assert places == pytest.approx([76.0, 100 / 12, 96.7], abs=0.01)
    assert written(answer.ruler(study([trial(0)]))) == ""


def test_a_configured_component_in_words() -> None:
    assert asked.configured({"name": "asha", "grace": 4, "reduction": 3}) == "asha (grace 4, reduction 3)"
    assert asked.configured({"cpu": 1, "gpu": 0.5}) == "cpu 1, gpu 0.5"
    assert (asked.configured("tpe"), asked.configured(None)) == ("tpe", "")


TWO = [{"metric": "val_accuracy"}, {"metric": "kl/noise"}]


@pytest.mark.parametrize(
    ("rows", "note", "text"),
    [
        (
            [trial(0, unmet="seconds not <= 6"), trial(1, unmet="seconds not <= 6")],
            NOTE,
            "No trial has won: 2 complete trials, and each is outside of the constraints.",
        ),
        (
            [trial(0, objectives=[0.5, 0.5])],
            noted(objective=TWO, best={"constraint": {"kl/noise": "<= 0.1"}}),
            "No trial is taken: none on the front is the best by validation accuracy with KL to the teacher, "
            "noise <= 0.1.",
        ),
    ],
)
def test_why_none_has_won_is_said(rows: list[dict[str, object]], note: dict[str, object], text: str) -> None:
    tables = study(rows, note=note)
    assert answer.sentence(tables).replace(NBSP, " ") == text
    assert text in str(written(sections.best(tables))).replace(NBSP, " ").replace("&lt;", "<")


def test_a_cost_is_of_the_trial_and_of_no_epoch() -> None:
    goals = [{"metric": "val_accuracy"}, {"metric": "parameters"}]
    text = said([{**BEST, "objectives": [0.77, 78_000.0], "parameters": 78_000}], CURVE, note=noted(objective=goals))
    assert "validation accuracy 77.0 % at epoch 3, parameters of the student 78 000 with order 3" in text
