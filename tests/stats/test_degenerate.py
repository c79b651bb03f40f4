"""When a trial is degenerate, and whom that keeps from winning."""

from __future__ import annotations

import math

import pytest

from dfkd_ray.stats import degenerate
from dfkd_ray.util.words import NBSP

SOUND = {
    "image_distance/source": 0.3,
    "embedding_distance/source": 0.2,
    "class_entropy/source": 0.9,
    "uncertainty/source": 0.3,
    "agreement/source": 1.0,
}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ()),
        ({"image_distance/source": 0.019}, ("one image",)),
        ({"image_distance/source": 0.02}, ()),
        ({"embedding_distance/source": 0.009}, ("one image to the teacher",)),
        ({"class_entropy/source": 0.09}, ("one class",)),
        ({"class_entropy/source": 0.1}, ()),
        ({"uncertainty/source": 0.91}, ("a teacher that is unsure of all",)),
        (
            {"image_distance/source": 0.0, "class_entropy/source": 0.0, "uncertainty/source": 0.95},
            ("one image", "one class", "a teacher that is unsure of all"),
        ),
        ({"class_entropy/source": math.nan}, ()),
    ],
)
def test_each_rule_names_its_reason(changes: dict[str, float], why: tuple[str, ...]) -> None:
    assert degenerate.reasons({**SOUND, **changes}) == why


def test_a_trial_that_reports_none_of_the_metrics_is_not_judged() -> None:
    assert degenerate.reasons({"diversity": 0.0, "agreement/source": 1.0}) == ()


def test_the_rules_in_words() -> None:
    assert [rule.said.replace(NBSP, " ") for rule in degenerate.RULES] == [
        "one image: pairwise distance, own images below 0.02",
        "one image to the teacher: pairwise distance of embeddings, own images below 0.01",
        "one class: class entropy, own images below 10.0 %",
        "a teacher that is unsure of all: uncertainty of the teacher, own images above 90.0 %",
    ]


@pytest.mark.parametrize(
    ("objectives", "guarded"),
    [
        (["agreement/source"], True),
        (["mine"], True),
        (["diversity"], True),
        (["val_accuracy"], False),
        (["agreement/source", "val_accuracy"], False),
    ],
)
def test_real_images_need_no_guard(objectives: list[str], guarded: bool) -> None:
    assert degenerate.guarded(objectives) is guarded
