from __future__ import annotations

import math

import pytest

from dfkd_ray.util import words


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.44, "0.4 s"),
        (42.2, "42 s"),
        (59.7, "1 min 0 s"),
        (60, "1 min 0 s"),
        (400, "6 min 40 s"),
        (7505, "2 h 5 min"),
        (None, "–"),
    ],
)
def test_durations(seconds: float | None, said: str) -> None:
    assert words.duration(seconds).replace(words.NBSP, " ") == said


def test_a_label_is_the_shortest_tail_that_no_other_path_has() -> None:
    paths = [
        "student_loss.kd.weight",
        "student_loss.mhad.weight",
        "source_loss.mhad.weight",
        "student_loss.mhad.order",
        "order",
    ]
    assert words.tails(paths) == {
        "student_loss.kd.weight": "kd.weight",
        "student_loss.mhad.weight": "student_loss.mhad.weight",
        "source_loss.mhad.weight": "source_loss.mhad.weight",
        "student_loss.mhad.order": "mhad.order",
        "order": "order",
    }


def test_one_of_a_thing_is_not_plural() -> None:
    assert [words.counted(n, "image") for n in (0, 1, 60_000)] == ["0 images", "1 image", "60,000 images"]
    assert words.counted(2, "class", "classes") == "2 classes"
    assert [words.the_first(n, "trial") for n in (1, 4)] == ["the first trial", "the first 4 trials"]
    assert [words.the_first(n, "trial", 12) for n in (1, 4)] == ["the first of 12 trials", "the first 4 of 12 trials"]


def test_long_text_keeps_both_its_ends() -> None:
    short = words.shorten("student_loss." + "x" * 200 + ".weight", 30)
    assert len(short) == 30
    assert short.startswith("student_loss.")
    assert short.endswith(".weight")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "true"),
        (None, "none"),
        (3, "3"),
        (0.123456, "0.1235"),
        ("pool", "pool"),
        ({"name": "pool"}, "pool"),
        ([1, 2], "[1, 2]"),
    ],
)
def test_settings_as_text(value: object, said: str) -> None:
    assert words.setting(value) == said


@pytest.mark.parametrize(
    ("p", "said"),
    [(0.0002, "< 0.001"), (0.001, "0.001"), (0.0214, "0.021"), (0.416, "0.42"), (1.0, "1.00"), (None, "–")],
)
def test_p_values(p: float | None, said: str) -> None:
    assert words.probability(p).replace(words.NBSP, " ") == said


@pytest.mark.parametrize(
    ("value", "percent", "number"),
    [
        (0.7812, "78.1 %", "0.7812"),
        (1.0, "100.0 %", "1"),
        (0.012361, "1.2 %", "0.01236"),
        (None, "–", "–"),
        (math.nan, "–", "–"),
        (math.inf, "–", "–"),
    ],
)
def test_shares_and_numbers(value: float | None, percent: str, number: str) -> None:
    assert words.percent(value).replace(words.NBSP, " ") == words.share(value) == percent
    assert words.number(value) == number


def test_whole_numbers_are_in_full_and_counts_agree_with_their_noun() -> None:
    assert words.number(1234567).replace(words.NBSP, " ") == "1 234 567"
    assert [words.count(n, "class", "classes").replace(words.NBSP, " ") for n in (1, 2)] == ["1 class", "2 classes"]


@pytest.mark.parametrize(
    ("size", "said"), [(None, "–"), (0, "–"), (400_000, "0 MB"), (12_300_000, "12 MB"), (1_340_000_000, "1.34 GB")]
)
def test_memory(size: int | None, said: str) -> None:
    assert words.memory(size).replace(words.NBSP, " ") == said


@pytest.mark.parametrize(
    ("names", "said"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_lists(names: list[str], said: str) -> None:
    assert words.listed(names) == said
    assert words.listed(names, "or") == said.replace(" and ", " or ")


def test_what_a_terminal_prints_can_be_typed() -> None:
    assert words.for_terminal(f"{words.MINUS}1.2{words.NBSP}points") == "-1.2 points"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (95, "2 min"), (3599, "1 h 0 min"), (4900, "1 h 22 min")]
)
def test_rough_durations(seconds: float, text: str) -> None:
    assert words.roughly(seconds) == text


def test_of_many_words_the_first_are_said_and_the_others_counted() -> None:
    assert words.some(["a", "b", "c"], 3) == "a, b, c"
    assert words.some(["a", "b", "c", "d"], 2) == "a, b and 2 more"
    assert words.some([], 2) == ""


def test_a_place_in_a_command_is_quoted_where_a_shell_would_misread_it() -> None:
    assert words.typed("reports/mhad") == "reports/mhad"
    assert words.typed("my runs/it's (1)") == """'my runs/it'"'"'s (1)'"""
