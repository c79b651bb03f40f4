"""Verdicts on claims, and published numbers beside measured ones."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfkd_ray.stats.contrasts import Contrast
from dfkd_ray.stats.effects import HELPS, HURTS, TOO_FEW, UNDECIDED, effects
from dfkd_ray.study import published
from dfkd_ray.study.published import Claim, check, printed, side_by_side

CLAIM = Claim("b beats a", {"b": 1.0, "a": -1.0})
CONTRAST = Contrast(CLAIM.text, "simple", CLAIM.text, CLAIM.weights)
TABLE = published.load("dfkd_fgvc/table5")


@dataclass(frozen=True)
class Effect:
    verdict: str
    contrast: str = CLAIM.text


@dataclass(frozen=True)
class Summary:
    arm: str
    n: int
    mean: float | None
    t_low: float | None
    t_high: float | None


@pytest.mark.parametrize(
    ("of_effect", "verdict"),
    [
        (HELPS, "holds here"),
        (HURTS, "fails here"),
        (UNDECIDED, "cannot be told"),
        (TOO_FEW, "cannot be told"),
        ("", "cannot be told"),
    ],
)
def test_a_claim_holds_or_fails_where_its_effect_was_told(of_effect: str, verdict: str) -> None:
    assert check(CLAIM, Effect(of_effect)) == verdict


shares = st.lists(st.tuples(*[st.integers(0, 100).map(lambda i: i / 100)] * 2), min_size=1, max_size=7)


@settings(deadline=None)  # a busy machine is no mistake
@given(shares)
def test_a_claim_and_its_opposite_never_hold_both(pairs: list[tuple[float, float]]) -> None:
    a, b = ({(seed, 0): pair[i] for seed, pair in enumerate(pairs)} for i in (0, 1))
    one, other = (
        check(CLAIM, effects([CONTRAST], {"a": first, "b": second}, "accuracy", "max", resamples=0)[0])
        for first, second in ((a, b), (b, a))
    )
    opposite = {"holds here": "fails here", "fails here": "holds here", "cannot be told": "cannot be told"}
    assert other == opposite[one]
    assert len(pairs) > 2 or one == "cannot be told"


def test_claims_are_judged_together() -> None:
    """1.0, 2.2, 0.4, 1.6, 0.5: p is 0.03 by itself; beside nine wide ones of no effect it says nothing any more."""
    values = {"a": [0.0] * 5, "b": [0.010, 0.022, 0.004, 0.016, 0.005], "c": [0.02, -0.06, 0.08, -0.04, 0.01]}
    found = {arm: {(seed, 0): y for seed, y in enumerate(each)} for arm, each in values.items()}
    others = [Contrast("c", "simple", "c beats a", {"c": 1.0, "a": -1.0})] * 9
    alone, *_ = effects([CONTRAST], found, "accuracy", "max", resamples=0)
    among, *_ = effects([CONTRAST, *others], found, "accuracy", "max", resamples=0)
    assert (alone.low or 0.0) > 0 > (among.low or 0.0)
    assert (check(CLAIM, alone), check(CLAIM, among)) == ("holds here", "cannot be told")


def test_the_effect_of_another_contrast_is_refused() -> None:
    with pytest.raises(ValueError, match="the effect of 'c beats a' says nothing of 'b beats a'"):
        check(CLAIM, Effect(HELPS, contrast="c beats a"))


def test_printed_is_in_points_by_column_or_over_the_columns_that_can_be_run() -> None:
    claim = Claim("c", {"order 3": 1.0, "order 1": -0.5, "order 2": -0.5})
    assert printed(TABLE, claim, "aircraft") == pytest.approx(65.76 - (64.31 + 63.12) / 2)
    assert printed(TABLE, claim) == pytest.approx(64.86 - (63.23 + 62.84) / 2, abs=0.01)
    with pytest.raises(ValueError, match=r"dfkd_fgvc/table5 has no value of order 4 for cars196"):
        printed(TABLE, Claim("c", {"order 4": 1.0, "order 3": -1.0}), "cars196")


def test_a_contrast_of_equal_numbers_is_0() -> None:
    table = published.load("dfkd_fgvc/table4")
    pair = Claim("c", {"lambda 0.05": 1.0, "lambda 0.09": -1.0})
    assert printed(table, pair, "aircraft") == printed(table, pair, "cars196") == 1.53


def test_rows_stand_beside_the_arms_of_their_names() -> None:
    arms = [
        Summary("order 2", 5, 0.62, 0.60, 0.64),
        Summary("order 3", 1, 0.7, None, None),
        Summary("other", 5, 1, 1, 1),
    ]
    rows = side_by_side(TABLE, "aircraft", arms)
    assert [row.row for row in rows] == ["order 1", "order 2", "order 3"]
    assert [row.published for row in rows] == [64.31, 63.12, 65.76]
    assert {row.mark for row in rows} == {"read"}
    one, two, three = rows
    assert (one.measured, one.n, one.low, one.high, one.difference) == (None, 0, None, None, None)
    assert (two.measured, two.low, two.high, two.n) == (62.0, 60.0, 64.0, 5)
    assert two.difference == pytest.approx(62.0 - 63.12)
    assert (three.measured, three.n, three.low, three.high) == (70.0, 1, None, None)


def test_without_a_column_the_mean_is_compared() -> None:
    (row,) = [row for row in side_by_side(TABLE, None, [Summary("order 3", 5, 0.5, 0.4, 0.6)]) if row.n]
    assert row.published == pytest.approx((65.76 + 71.89 + 56.93) / 3)
    assert row.difference == pytest.approx(50 - (65.76 + 71.89 + 56.93) / 3)


def test_an_arm_whose_trials_all_failed_is_there() -> None:
    row = side_by_side(TABLE, "cub200", [Summary("order 1", 0, None, None, None)])[0]
    assert (row.published, row.measured, row.n, row.difference) == (56.12, None, 0, None)


def test_data_alone_can_be_compared_too() -> None:
    table = published.load("fast_datafree/imagenet")
    rows = {row.row: row for row in side_by_side(table, "resnet18", [])}
    assert rows["DeepInv-2k"].published is None
    assert rows["DeepInv-2k"].mark == "secondary"
    assert rows["Fast-50"].published == 53.45
