"""The effects of an ablation as the page has them: which rows, and what they are called."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from dfkd_ray.report import effects
from dfkd_ray.report.effects import EffectRow
from dfkd_ray.util import tables as arrow
from tests.report import ablations, studies
from tests.report.ablations import effect, with_effects


def first(**given: Any) -> EffectRow:
    (found,) = effects.told(with_effects(effect("a", **given)), "val_accuracy")
    return found


def test_effects_of_a_metric_in_the_order_of_the_table_and_of_some_kinds() -> None:
    tables = with_effects(
        effect("a"), effect("b", kind="main"), effect("c", metric="kl/source"), effect("a x b", kind="interaction")
    )
    assert [e.component for e in effects.told(tables, "val_accuracy")] == ["a", "b", "a x b"]
    assert [e.component for e in effects.told(tables, "val_accuracy", "main", "interaction")] == ["b", "a x b"]
    assert [e.component for e in effects.told(tables, "val_accuracy", *effects.SINGLE)] == ["a", "b"]
    assert effects.told(tables, "diversity") == []


def test_a_sweep_has_none_whatever_lies_beside_it() -> None:
    sweep = replace(studies.demo(1), effects=ablations.factorial().effects)
    assert effects.told(sweep, "val_accuracy") == []
    assert effects.every_metric(sweep) == effects.leading(sweep) == []
    assert effects.told(replace(ablations.factorial(), effects=None), "val_accuracy") == []


def test_what_is_missing_or_not_finite_is_none() -> None:
    found = first(
        low=math.nan, high=math.inf, t_low=math.nan, boot_low=None, p_holm=0.0, pairs=None, lost=None, aliases=None
    )
    assert (found.low, found.high, found.t_low, found.boot_low, found.p_holm) == (None, None, None, None, 0.0)
    assert (found.pairs, found.lost, found.aliases) == (0, 0, ())
    assert [first(exact=value).exact for value in (True, None, False)] == [True, True, False]


@pytest.mark.parametrize(
    ("verdict", "told", "short"),
    [
        ("helps", True, "helps"),
        ("hurts", True, "hurts"),
        ("too few pairs to tell", False, "too few pairs"),
        ("cannot be told apart at this budget", False, "not told apart"),
        ("", False, "not told apart"),
    ],
)
def test_only_two_verdicts_tell_an_effect_from_nothing(verdict: str, told: bool, short: str) -> None:
    assert (first(verdict=verdict).told, first(verdict=verdict).short) == (told, short)


@pytest.mark.parametrize(
    ("contrast", "rest"),
    [
        ("a on against off, mean over the rest", "mean over the rest"),
        ("a on against off, b on", "b on"),
        ("order 1 against a", None),
        ("aa on against off, the rest on", None),
    ],
)
def test_what_the_rest_was_while_one_component_was_switched(contrast: str, rest: str | None) -> None:
    assert first(contrast=contrast).rest == rest


def test_metrics_begin_with_the_objectives_and_the_test() -> None:
    rows = [effect("a", metric=name) for name in ("kl/noise", "test_accuracy/last", "val_accuracy", "kl/noise")]
    tables = with_effects(*rows)
    assert effects.leading(tables) == ["val_accuracy", "test_accuracy/last"]
    assert effects.every_metric(tables) == ["kl/noise", "test_accuracy/last", "val_accuracy"]
    assert effects.leading(with_effects(effect("a", metric="kl/noise"))) == []


def test_the_direction_is_that_of_the_study_before_that_of_the_metric() -> None:
    one = ablations.factorial()
    turned = ablations.changed(one, study={**one.study, "objective": {"metric": "val_accuracy", "mode": "min"}})
    assert (effects.mode(one, "val_accuracy"), effects.mode(turned, "val_accuracy")) == ("max", "min")
    assert effects.mode(turned, "kl/source") == "min"


def test_a_comparison_of_twins_is_one_of_a_method_with_itself() -> None:
    twins = ablations.by_hand()
    rows = [
        effect("order 3", 0.0, contrast="order 3 against both", standard_error=0.0),
        effect("order 1", 0.0, contrast="order 1 against both", standard_error=0.01),
        effect("order 3", 0.2, contrast="order 3 against order 1", standard_error=0.0),
        effect("order 1", 0.0, contrast="order 1 against both", standard_error=0.0, metric="kl/source"),
    ]
    same = replace(twins, effects=arrow.table("effects", rows, twins.note))
    assert effects.same(same) == ["order 3 against both"], "it differs in one metric: it is no twin"
    assert effects.same(with_effects(*rows)) == [], "without twins nothing is one"


def test_an_effect_is_called_by_its_component_where_that_is_clear() -> None:
    rows = [
        effect("a"),
        effect("b", contrast="b on against off, a on"),
        effect("b", contrast="b on against off, a off"),
        effect("order 1", contrast="order 1 against both"),
        effect("a x b", kind="interaction", contrast="whether a and b do more together"),
        effect("odd", contrast=""),
    ]
    assert effects.names(effects.told(with_effects(*rows), "val_accuracy")) == [
        "a",
        "b on against off, a on",
        "b on against off, a off",
        "order 1 against both",
        "a x b",
        "odd",
    ]
