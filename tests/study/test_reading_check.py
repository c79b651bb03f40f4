"""An ablation tried on its method before it starts: each mistake once, where the file makes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from dfkd_ray import study
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.yamls import loads
from tests.study import parts
from tests.study.parts import EXAMPLE

SEARCH = f"{parts.SEARCH}draws: 2\n"


def tried(text: str, wrong: str, complaint: str | None = None) -> list[str]:
    """What is said of a study whose method takes all changes but one; it complains of that path, or of another."""
    document = loads(text, "parts.yaml")

    def accepts(changes: Mapping[str, Any]) -> None:
        if wrong in changes:
            raise ConfigError.at(complaint or wrong, "odd")

    try:
        study.check(study.parse(document), accepts, document)
    except ConfigError as error:
        return str(error).splitlines()
    return []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("loss.mhad", "7: components.mhad.off.loss.mhad: odd"),
        ("loss.sfcl.weight", "10: components.sfcl.on.loss.sfcl.weight: odd"),
        ("loss.mhad.order", "11: components.order.levels: loss.mhad.order: odd"),
        ("crop", "12: components.view.levels.rich.crop: odd"),
        ("kd.temperature", "14: search.kd.temperature: odd"),
    ],
)
def test_a_change_that_the_method_refuses_is_told_once_and_where_it_stands(wrong: str, message: str) -> None:
    """However many arms and draws make it."""
    assert tried(EXAMPLE + SEARCH, wrong) == [f"parts.yaml:{message}"]


def test_a_complaint_of_something_inside_a_change_is_of_that_change() -> None:
    assert tried(EXAMPLE, "crop", "crop.size") == ["parts.yaml:12: components.view.levels.rich.crop: crop.size: odd"]


def test_a_complaint_that_no_single_change_explains_is_of_the_arm() -> None:
    by_hand = EXAMPLE[: EXAMPLE.index("design")] + "arms:\n  one: {}\n  two:\n    a.b: 1\n    a.c: 2\nseeds: 3\n"
    assert tried(by_hand, "a.c") == ["parts.yaml:9: arms.two.a.c: odd"]
    assert tried(by_hand, "a.c", "elsewhere") == ["parts.yaml:7: arms.two: elsewhere: odd"]
    assert tried(by_hand, "a.d") == []


def test_a_condition_that_does_not_fit_is_told_where_the_condition_stands() -> None:
    search = "search:\n  kind: {choice: [u, v]}\n  size: {int: [1, 2], when: {kind: [v]}}\ndraws: 2\n"
    assert tried(EXAMPLE + search, "kind") == ["parts.yaml:15: search.kind: odd"]


def test_every_arm_is_tried_with_both_ends_of_every_range() -> None:
    seen: list[dict[str, Any]] = []
    made = study.parse(loads(f"{EXAMPLE}{SEARCH}fixed: {{f: 1}}\n"))
    study.check(made, lambda changes: seen.append(dict(changes)))
    assert made.ablation is not None
    for arm in made.ablation.arms:
        assert {"f": 1, **arm.changes} in seen
        for end in (1.0, 20.0):
            assert {"f": 1, **arm.changes, "kd.temperature": end} in seen
