from __future__ import annotations

import math

import pytest

from dfkd_ray.util import words


@pytest.mark.parametrize(
    ("name", "mode", "share", "data_free"),
    [
        ("val_accuracy", "max", True, False),
        ("val_accuracy/median5", "max", True, False),
        ("test_accuracy/last", "max", True, False),
        ("relative_accuracy/last", "max", True, False),
        ("agreement/source", "max", True, True),
        ("asked/source", "max", True, True),
        ("kl/noise", "min", False, True),
        ("diversity", "max", False, True),
        ("batchnorm/source", "min", False, True),
        ("loss/student/kd", "min", False, False),
        ("lr/student", "max", False, False),
    ],
)
def test_a_metric_knows_its_direction_unit_and_kind(name: str, mode: str, share: bool, data_free: bool) -> None:
    assert (words.mode(name), words.is_share(name), words.is_data_free(name)) == (mode, share, data_free)


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


def test_accuracies_are_printed_as_per_cent_and_what_is_not_a_number_as_a_dash() -> None:
    assert words.measured("val_accuracy", 0.7812) == f"78.1{words.NBSP}%"
    assert words.measured("kl/source", 0.012361) == "0.01236"
    assert {words.measured("val_accuracy", v) for v in (None, math.nan, math.inf)} == {"–"}


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


def test_plotly_text_keeps_no_tag_and_no_entity_that_plotly_would_read() -> None:
    assert words.plain("<b>&lt;</b>") == "&lt;b&gt;&amp;lt;&lt;/b&gt;"
    assert words.hover("a<br>b\nc") == "a&lt;br&gt;b<br>c"


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
    ("metric", "value", "signed", "unsigned"),
    [
        ("val_accuracy", 0.352, "+35.2", "35.2"),
        ("val_accuracy", -0.0123, "−1.2", "−1.2"),
        ("val_accuracy", -0.0001, "0.0", "0.0"),
        ("kl/source", 0.0123456, "+0.0123", "0.0123"),
        ("kl/source", -1234.5, "−1.23e+03", "−1.23e+03"),
        ("kl/source", None, "–", "–"),
        ("kl/source", math.nan, "–", "–"),
    ],
)
def test_differences_are_in_points_or_in_three_digits(
    metric: str, value: float | None, signed: str, unsigned: str
) -> None:
    assert (words.difference(metric, value), words.difference(metric, value, signed=False)) == (signed, unsigned)


@pytest.mark.parametrize(
    ("p", "said"),
    [(0.0002, "< 0.001"), (0.001, "0.001"), (0.0214, "0.021"), (0.416, "0.42"), (1.0, "1.00"), (None, "–")],
)
def test_p_values(p: float | None, said: str) -> None:
    assert words.probability(p).replace(words.NBSP, " ") == said


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("val_accuracy", "validation accuracy"),
        ("kl/source", "KL to the teacher, own images"),
        ("Own metric", "Own metric"),
    ],
)
def test_a_metric_in_the_middle_of_a_sentence(metric: str, said: str) -> None:
    assert words.inside(metric) == said
