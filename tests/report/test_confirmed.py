"""What confirmed a winner, as page and terminal say it."""

from __future__ import annotations

from typing import Any

import pytest

from dfkd_ray import metrics
from dfkd_ray.report import confirmed, finding, rendering  # noqa: F401
from dfkd_ray.report.answer import numbers
from dfkd_ray.report.confirmed import section, sentences
from dfkd_ray.report.page import page
from dfkd_ray.util.words import NBSP, for_terminal
from tests.report import studies
from tests.report.writing import written


def setting(number: int, searched: float, mean: float, **more: Any) -> dict[str, Any]:
    about = {"name": f"trial {number}", "trial": number, "searched": searched, "changes": {}, "test": None}
    fresh = {"n": 5, "lost": 0, "mean": mean, "error": 0.01, "low": mean - 0.03, "high": mean + 0.03, "best": 0.5}
    return {**about, **fresh, "against": None, **more}


def told(difference: float, verdict: str) -> dict[str, Any]:
    ends = {"low": difference - 0.02, "high": difference + 0.02}
    return {"p": 0.021, "difference": difference, **ends, "pairs": 5, "verdict": verdict}


def note(**more: Any) -> dict[str, Any]:
    settings = [setting(7, 0.95, 0.928, best=0.71, test=0.9, against=told(0.06, "helps")), setting(3, 0.963, 0.912)]
    control = {"name": "defaults", "n": 5, "lost": 0, "mean": 0.868, "low": 0.84, "high": 0.89, "runs_as": None}
    made = {"metric": "val_accuracy", "mode": "max", "seeds": [1, 2, 3, 4, 5], "complete": True, "first": 7}
    made |= {"ended": 15, "wanted": 15, "settings": settings, "control": control, "refused": {}}
    return {**made, "won": {"trial": 3, "value": 0.051, "low": 0.021, "high": 0.081}, **more}


def said(**more: Any) -> list[str]:
    return [for_terminal(line) for line in sentences(note(**more))]


def test_the_fresh_estimate_the_curse_and_the_defaults() -> None:
    assert said() == [
        "Trial 7 is confirmed: validation accuracy 92.8 % on 5 fresh seeds (95 % interval 89.8 % to 95.8 % over all 2 "
        "settings), where the search had 95.0 %; it is the best of the 2 with probability 0.71.",
        "Trial 3 won the search with a value that is 5.1 points better than its fresh mean: the winner's curse (95 % "
        "interval +2.1 to +8.1).",
        "The defaults reach 86.8 %; it has +6.0 points pair by pair (95 % interval +4.0 to +8.0, p = 0.021): it is "
        "better than them.",
    ]


def test_luck_that_was_none_and_defaults_that_are_as_good() -> None:
    alone = setting(3, 0.9, 0.91, best=1.0, against=told(0.004, "cannot be told apart at this budget"))
    first, curse, against = said(settings=[alone], won={"trial": 3, "value": -0.01, "low": -0.02, "high": 0.0})
    assert first.endswith("(95 % interval 88.0 % to 94.0 %), where the search had 90.0 %.")
    assert curse == (
        "It won the search; there was no winner's curse: its fresh mean is 1.0 points better than the value that won."
    )
    assert against.endswith(": cannot be told apart at this budget.")


@pytest.mark.parametrize(
    ("mode", "difference", "better"),
    [("max", -0.05, True), ("min", -0.05, False), ("min", 0.1, True), ("min", 0.0, False)],
)
def test_defaults_with_the_better_mean_are_not_left_for_a_winner_that_is_not_told_apart(
    mode: str, difference: float, better: bool
) -> None:
    unsure = setting(3, 0.9, 0.91, against=told(difference, "cannot be told apart at this budget"))
    against = said(settings=[unsure], mode=mode)[-1]
    assert against.endswith(
        f": cannot be told apart at this budget{', and the defaults have the better mean' if better else ''}."
    )
    sure = setting(3, 0.9, 0.91, against=told(difference, "hurts"))
    assert said(settings=[sure], mode=mode)[-1].endswith(": it is worse than them.")


def test_defaults_that_are_the_winner_that_fail_and_that_are_no_method() -> None:
    control = {"name": "defaults", "n": 5, "lost": 0, "mean": 0.928, "runs_as": "trial 7"}
    assert said(control=control)[2] == "It is the method's defaults."
    assert said(control={"mean": None})[2] == "The defaults have no value on the fresh seeds."
    refused = said(control=None, refused={"defaults": "source: unknown name 'x'"})[2]
    assert refused == "The defaults have no value on the fresh seeds: source: unknown name 'x'."
    assert said(won={"trial": 3, "value": None})[1] == "Trial 3 won the search, and has no value on the fresh seeds."


def test_how_far_it_is_and_that_nothing_came_of_it() -> None:
    assert said(complete=False, ended=4) == ["The winner is being confirmed: 4 of 15 trials on fresh seeds have ended."]
    assert said(complete=False) == [
        "The winner could not be confirmed: none of the 15 trials on fresh seeds has a value that counts."
    ]
    assert list(sentences({})) == []


def test_the_page_answers_with_it_and_has_its_section() -> None:
    demo = studies.demo()
    tables = studies.study(
        demo.trials.to_pylist(), demo.steps.to_pylist(), note={**studies.noted(confirm={"top": 2}), "confirmed": note()}
    )
    answers = finding.answers(tables)
    assert answers[:3] == list(sentences(note()))
    assert answers[3].startswith("Trial 7 has order")
    assert tables.best is not None
    assert tables.best.number == 7
    shown = [(each.value.replace("\u00a0", " "), each.name) for each in numbers(tables).shown]
    assert shown[:3] == [
        ("92.8 %", "Validation accuracy"),
        ("90.0 %", "Test accuracy"),
        ("+5.1 points", "Winner's curse"),
    ]
    text = page(tables)
    assert 'id="confirmed"' in text
    assert "Confirmed on fresh seeds" in text


def test_a_note_that_others_have_written_breaks_nothing() -> None:
    for foreign in ({"settings": [{}, 3], "complete": True}, {"settings": "x"}, {"complete": True}, {"settings": [{}]}):
        tables = studies.study([studies.trial(0)], note={**studies.NOTE, "confirmed": foreign})
        made = section(tables)
        assert made is None or written(made)
        assert all(isinstance(line, str) for line in finding.answers(tables))
        numbers(tables)


def test_what_was_tested_has_the_name_that_it_has_of_the_targets() -> None:
    shown = confirmed.numbers(note(), metrics.QUALITY["segmentation"])
    assert (shown[1].name, shown[1].value.replace(NBSP, " ")) == ("Test mean IoU", "90.0 %")
