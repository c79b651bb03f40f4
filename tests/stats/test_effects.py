"""Effects of simulated trials: what the intervals cover, how often they cry wolf, and what is lost on the way."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from dfkd_ray.stats import verdicts
from dfkd_ray.stats.contrasts import Contrast
from dfkd_ray.stats.effects import (
    HELPS,
    HURTS,
    TOO_FEW,
    UNDECIDED,
    Effect,
    Outcomes,
    arm_summary,
    differences,
    effects,
    widest,
)
from dfkd_ray.stats.power import spread

pytestmark = pytest.mark.filterwarnings("error")
RELAXED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
STUDIES = 2000
NAN = math.nan


def against(on: str, off: str, kind: str = "simple") -> Contrast:
    return Contrast(component=on, kind=kind, name=f"{on} against {off}", weights={on: 1.0, off: -1.0})


def outcomes(arms: Mapping[str, list[float | None]]) -> Outcomes:
    return {arm: {(seed, 0): value for seed, value in enumerate(values)} for arm, values in arms.items()}


def one(on: list[float | None], off: list[float | None], mode: str = "max", **options: float) -> Effect:
    return effects([against("on", "off")], outcomes({"on": on, "off": off}), "accuracy", mode, **options)[0]


# ---- what simulated studies say

Noise = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return rng.normal(0.0, 1.0, shape)


def accuracy(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Per cent right of 500 images, less the expected 92; seeds differ by a skewed true rate."""
    rate = 0.92 - 0.03 * (rng.beta(2, 6, shape) - 0.25)
    return 100 * (rng.binomial(500, rate) / 500 - 0.92)


def skewed(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Gamma noise (skewness 1) in every second arm, normal noise in the others, so that differences are skewed."""
    out = rng.normal(0.0, 1.0, shape)
    out[..., ::2, :] = rng.gamma(4.0, 0.5, out[..., ::2, :].shape) - 2.0
    return out


noises = pytest.mark.parametrize("noise", [normal, accuracy, skewed], ids=lambda noise: noise.__name__)


def simulated(noise: Noise, pairs: int, truth: float, resamples: int) -> list[Effect]:
    """As many studies of two arms; what a seed does to both arms is ten times what we look for."""
    rng = np.random.default_rng(2024)
    values = noise(rng, (STUDIES, 2, pairs)) + rng.normal(0.0, 10.0, (STUDIES, 1, pairs))
    arms = {
        f"{arm}{i}": (values[i, k] + (0.0, truth)[k]).tolist() for i in range(STUDIES) for k, arm in enumerate("ba")
    }
    contrasts = [against(f"a{i}", f"b{i}") for i in range(STUDIES)]
    return effects(contrasts, outcomes(arms), "accuracy", "max", resamples=resamples)


def share(found: list[Effect], low: str, high: str, truth: float) -> float:
    return sum(getattr(e, low) <= truth <= getattr(e, high) for e in found) / len(found)


@noises
@pytest.mark.parametrize("pairs", [3, 5, 10])
def test_a_95_percent_interval_covers_the_truth_in_93_to_97_percent_of_studies(noise: Noise, pairs: int) -> None:
    found = simulated(noise, pairs, truth=0.7, resamples=0)
    assert 0.93 <= share(found, "t_low", "t_high", 0.7) <= 0.97


def test_the_bootstrap_needs_many_pairs() -> None:
    """Why the verdict rests on Student's interval: BCa covers too little where pairs are few."""
    covered = {n: share(simulated(normal, n, 0.7, resamples=199), "boot_low", "boot_high", 0.7) for n in (3, 5, 60)}
    assert covered[3] < 0.78
    assert covered[5] < 0.87
    assert 0.92 <= covered[60] <= 0.97


LEAVE_ONE_OUT = [against("all", f"without {i}") for i in range(4)]
CELLS = ["".join(cell) for cell in itertools.product("01", repeat=3)]
FACTORIAL = [
    Contrast(f"c{i}", "main", "", {cell: (1 if cell[i] == "1" else -1) / 4 for cell in CELLS}) for i in range(3)
] + [
    Contrast(f"c{i} x c{j}", "interaction", "", {cell: (1 if cell[i] == cell[j] else -1) / 4 for cell in CELLS})
    for i, j in itertools.combinations(range(3), 2)
]


def cries_of_wolf(noise: Noise, arms: list[str], contrasts: list[Contrast], pairs: int) -> list[set[str]]:
    """Of studies in which no arm differs: the kinds of effects of which some effect is said to help or to hurt."""
    rng = np.random.default_rng(7)
    values = noise(rng, (STUDIES, len(arms), pairs)) + rng.normal(0.0, 10.0, (STUDIES, 1, pairs))
    tables = [outcomes(dict(zip(arms, study.tolist()))) for study in values]
    found = [effects(contrasts, table, "accuracy", "max", resamples=0) for table in tables]
    return [{e.kind for e in study if e.verdict in (HELPS, HURTS)} for study in found]


@noises
def test_four_components_left_out_cry_wolf_in_at_most_6_percent_of_studies(noise: Noise) -> None:
    arms = ["all", *(f"without {i}" for i in range(4))]
    wolves = cries_of_wolf(noise, arms, LEAVE_ONE_OUT, pairs=5)
    assert 0.005 < sum(bool(kinds) for kinds in wolves) / STUDIES <= 0.06


def test_a_factorial_cries_wolf_in_at_most_6_percent_of_studies_a_family() -> None:
    wolves = cries_of_wolf(accuracy, CELLS, FACTORIAL, pairs=5)
    for kind in ("main", "interaction"):
        assert 0.01 < sum(kind in kinds for kinds in wolves) / STUDIES <= 0.06


def test_known_effects_of_a_factorial_are_found() -> None:
    """y = 3 a - 2 b + 1 a b + noise, a and b in {0, 1}: main effects 3.5, -1.5, 0; interaction 0.5 each way."""
    rng = np.random.default_rng(1)
    arms = {
        cell: (3.0 * a - 2.0 * b + 1.0 * a * b + rng.normal(0, 0.1, 12)).tolist()
        for cell, (a, b, _) in ((cell, map(int, cell)) for cell in CELLS)
    }
    found = {e.component: e for e in effects(FACTORIAL, outcomes(arms), "accuracy", "max", resamples=0)}
    expected = {"c0": 3.5, "c1": -1.5, "c2": 0.0, "c0 x c1": 0.5, "c0 x c2": 0.0, "c1 x c2": 0.0}
    assert {name: e.difference for name, e in found.items()} == pytest.approx(expected, abs=0.06)
    assert [found[name].verdict for name in ("c0", "c1", "c2", "c0 x c1")] == [HELPS, HURTS, UNDECIDED, HELPS]


# ---- one effect, looked at closely

ON = [71.0, 70.4, 72.5, 70.9, 71.8]
OFF = [70.0, 70.1, 70.9, 70.2, 70.4]


def test_an_effect_is_that_of_the_paired_test() -> None:
    effect = one(ON, OFF)
    theirs = stats.ttest_rel(ON, OFF)
    interval = theirs.confidence_interval(0.95)
    assert effect.difference == pytest.approx(1.0)
    assert effect.p_t == effect.p_holm == pytest.approx(theirs.pvalue)
    assert (effect.t_low, effect.t_high) == pytest.approx((interval.low, interval.high))
    assert effect.p_wilcoxon == 2 / 32
    assert (effect.pairs, effect.lost, effect.verdict) == (5, 0, HELPS)
    assert effect.boot_low is not None
    assert effect.t_low < effect.boot_low < 1.0 < effect.boot_high < effect.t_high


def test_lower_is_better_turns_the_verdict_and_nothing_else() -> None:
    high, low = one(ON, OFF, "max"), one(ON, OFF, "min")
    assert low == replace(high, verdict=HURTS)
    assert one(OFF, ON, "min").verdict == HELPS


def test_a_row_keeps_what_its_contrast_says() -> None:
    contrast = Contrast("a x b", "interaction", "a by b", {"on": 1.0, "off": -1.0}, aliases=("c x d",), exact=False)
    row = asdict(effects([contrast], outcomes({"on": ON, "off": OFF}), "kl", "min")[0])
    assert {key: row[key] for key in ("component", "kind", "contrast", "metric", "aliases", "exact")} == {
        "component": "a x b",
        "kind": "interaction",
        "contrast": "a by b",
        "metric": "kl",
        "aliases": ("c x d",),
        "exact": False,
    }


def test_pairs_are_matched_by_seed_and_draw_in_any_order() -> None:
    """The same numbers under other pairs are other differences; the order in which they stand means nothing."""
    on = {(0, 0): 1.0, (0, 1): 2.0, (1, 0): 4.0, (1, 1): 8.0}
    off = {(1, 1): 5.0, (0, 0): 0.0, (1, 0): 3.0, (0, 1): 1.5}
    assert differences({"on": 1.0, "off": -1.0}, {"on": on, "off": off}) == [1.0, 0.5, 1.0, 3.0]
    shuffled = {"off": dict(sorted(off.items())), "on": dict(reversed(on.items()))}
    contrasts = [against("on", "off")]
    assert effects(contrasts, {"on": on, "off": off}, "m", "max") == effects(contrasts, shuffled, "m", "max")


def test_weights_of_many_arms_and_arms_without_weight() -> None:
    table = outcomes({"a": [1.0, 2.0], "b": [3.0, 5.0], "c": [7.0, None], "d": [0.0, 1.0]})
    assert differences({"a": 0.5, "b": 0.5, "d": -1.0, "c": 0.0}, table) == [2.0, 2.5]
    assert differences({"a": 1.0, "c": -1.0}, table) == [-6.0]
    assert differences({}, table) == []


@pytest.mark.parametrize("broken", [None, NAN, math.inf, -math.inf])
def test_a_failed_trial_is_lost_and_counted(broken: float | None) -> None:
    effect = one([*ON, broken, 80.0], [*OFF, 70.0, broken])
    assert replace(effect, lost=0) == one(ON, OFF)
    assert effect.lost == 2


def test_a_pair_that_an_arm_never_ran_is_lost_as_well() -> None:
    """Pairs are those of the study: another arm ran seeds 5 and 6, and neither of these two did."""
    table = outcomes({"on": ON, "off": OFF, "other": [70.0] * 7})
    first, second = effects([against("on", "off"), against("other", "off")], table, "m", "max")
    assert (first.pairs, first.lost, second.pairs, second.lost) == (5, 2, 5, 2)


def test_an_arm_that_is_missing_altogether() -> None:
    for table in (outcomes({"off": OFF}), outcomes({"off": OFF, "on": []}), outcomes({"off": OFF, "on": [None] * 5})):
        effect = effects([against("on", "off")], table, "m", "max")[0]
        assert (effect.pairs, effect.lost, effect.verdict) == (0, 5, TOO_FEW)
        numbers = [value for key, value in asdict(effect).items() if key.startswith(("t_", "boot_", "p_", "standard"))]
        assert [*numbers, effect.difference] == [None] * 9
    assert effects([against("on", "off")], {}, "m", "max")[0].lost == 0


@pytest.mark.parametrize("pairs", [1, 2])
def test_fewer_than_three_pairs_get_no_p_value(pairs: int) -> None:
    """However large the difference; an interval from two pairs."""
    effect = one([1e3, 1e3 + 1][:pairs], [0.0, 0.0][:pairs])
    assert (effect.p_t, effect.p_wilcoxon, effect.p_holm, effect.verdict) == (None, None, None, TOO_FEW)
    assert effect.difference == (1e3, 1e3 + 0.5)[pairs - 1]
    spread = (effect.standard_error, effect.t_low, effect.t_high, effect.boot_low, effect.boot_high)
    assert all((value is None) == (pairs == 1) for value in spread)


def test_equal_differences_are_judged_by_their_signs() -> None:
    """t is undefined: 0 / 0, or a number over 0. Five equal signs are not rare enough, six are."""
    five, six = one([0.3] * 5, [0.1] * 5), one([0.1 + 0.2] * 3 + [0.3] * 3, [0.1] * 6)
    for effect in (five, six):
        assert effect.p_t is None
        assert effect.standard_error == 0
        assert {effect.t_low, effect.t_high, effect.boot_low, effect.boot_high} == {effect.difference}
        assert effect.difference == pytest.approx(0.2)
    assert (five.p_wilcoxon, five.p_holm, five.verdict) == (2 / 32, 2 / 32, UNDECIDED)
    assert (six.p_wilcoxon, six.p_holm, six.verdict) == (2 / 64, 2 / 64, HELPS)
    assert one([0.1] * 6, [0.3] * 6).verdict == HURTS


def test_an_arm_that_is_the_other_under_a_second_name() -> None:
    same = one(OFF, OFF)
    assert (same.difference, same.t_low, same.t_high, same.p_holm, same.verdict) == (0, 0, 0, 1, UNDECIDED)
    assert (same.low, same.high) == (0, 0)
    assert math.copysign(1, same.difference) == 1


def test_rounding_makes_no_difference() -> None:
    """0.1 + 0.2 - 0.3 is 5.6e-17 in binary: a tie for the signed ranks, and no spread for t."""
    assert one([0.1 + 0.2] * 4, [0.3] * 4) == one([0.0] * 4, [0.0] * 4)
    assert math.copysign(1, one([0.3] * 4, [0.1 + 0.2] * 4).difference) == 1
    assert differences({"on": 1.0, "off": -1.0}, outcomes({"on": [1e-9], "off": [3e-9]})) == [-2e-9]
    assert differences({"on": 1.0, "off": -1.0}, outcomes({"on": [3e200], "off": [1e200]})) == [2e200]


def test_families_are_adjusted_apart() -> None:
    """Five contrasts with the same p: three in one family, an interaction, a Shapley value; and one without a p."""
    kinds = ["simple", "main", "interaction", "shapley", "simple"]
    contrasts = [replace(against("on", "off"), kind=kind) for kind in kinds] + [against("on", "lost")]
    found = effects(contrasts, outcomes({"on": ON, "off": OFF, "lost": [70.0]}), "m", "max")
    p = stats.ttest_rel(ON, OFF).pvalue
    by_itself = [e.p_holm for e in found[2:4]]
    assert by_itself == pytest.approx([p, p])
    of_three = [found[i].p_holm for i in (0, 1, 4)]
    assert of_three == pytest.approx([verdicts.comparisons(5, 3) * p / verdicts.SHARE] * 3)
    assert found[5].p_holm is None
    assert [e.verdict for e in found] == [HELPS] * 5 + [TOO_FEW]


def test_the_adjustment_decides() -> None:
    """p is 0.013: enough by itself, also among four that are as wide, not among 64."""
    table = outcomes({"on": ON, "off": OFF})
    assert one(ON, OFF).p_t == pytest.approx(0.013, abs=1e-4)
    assert {e.verdict for e in effects([against("on", "off")] * 4, table, "m", "max")} == {HELPS}
    many = effects([against("on", "off")] * 400, table, "m", "max")
    assert {e.verdict for e in many} == {UNDECIDED}
    assert all(e.low is not None and e.low < 0 < e.difference and (e.t_low or 0) > 0 for e in many)


def test_the_level_is_that_of_the_intervals_and_of_the_verdict() -> None:
    strict = one(ON, OFF, level=0.999)
    assert strict.verdict == UNDECIDED
    assert strict.t_low < 0 < strict.t_high
    for level in (0.0, 1.0, 95.0, NAN):
        with pytest.raises(ValueError, match="level must be between 0 and 1"):
            one(ON, OFF, level=level)


def test_the_same_seed_gives_the_same_numbers_and_resamples_are_optional() -> None:
    assert one(ON, OFF, seed=3) == one(ON, OFF, seed=3)
    long = np.random.default_rng(0).gamma(1.0, 1.0, 20).tolist()
    assert one(long, [0.0] * 20, seed=3).boot_low != one(long, [0.0] * 20, seed=4).boot_low
    assert one(ON, OFF, resamples=0) == replace(one(ON, OFF), boot_low=None, boot_high=None)


values = st.lists(st.tuples(*[st.integers(0, 400).map(lambda i: i / 4)] * 3), min_size=3, max_size=9)
THREE = [against("a", "b"), against("b", "c"), Contrast("d", "interaction", "", {"a": 0.5, "b": -1.0, "c": 0.5})]
NUMBERS = (
    *("difference", "standard_error", "low", "high", "t_low", "t_high", "boot_low", "boot_high"),
    *("p_t", "p_wilcoxon", "p_holm"),
)


def table_of(rows: list[tuple[float, ...]], by_pair: list[float]) -> Outcomes:
    return outcomes({arm: [row[k] + by_pair[i] for i, row in enumerate(rows)] for k, arm in enumerate("abc")})


@RELAXED
@given(values, st.lists(st.floats(-1e3, 1e3), min_size=9, max_size=9))
def test_what_all_arms_of_a_pair_have_in_common_cancels(rows: list[tuple[float, ...]], common: list[float]) -> None:
    plain = effects(THREE, table_of(rows, [0.0] * 9), "m", "max", resamples=200)
    moved = effects(THREE, table_of(rows, common), "m", "max", resamples=200)
    for a, b in zip(plain, moved):
        here, there = ([getattr(effect, name) for name in NUMBERS] for effect in (a, b))
        assert [number is None for number in here] == [number is None for number in there]
        assert [number or 0 for number in there] == pytest.approx([number or 0 for number in here], rel=1e-6, abs=1e-6)


@RELAXED
@given(values)
def test_the_sign_of_every_value_turns_the_intervals_and_the_verdict(rows: list[tuple[float, ...]]) -> None:
    plain = effects(THREE, table_of(rows, [0.0] * 9), "m", "max", resamples=200)
    turned = effects(THREE, table_of([tuple(-v for v in row) for row in rows], [0.0] * 9), "m", "max", resamples=200)
    other = {HELPS: HURTS, HURTS: HELPS, UNDECIDED: UNDECIDED}
    for a, b in zip(plain, turned):
        assert b.difference == -a.difference
        assert (b.t_low, b.t_high) == pytest.approx((-a.t_high, -a.t_low))
        assert (b.boot_low, b.boot_high) == pytest.approx((-a.boot_high, -a.boot_low))
        assert (b.p_t, b.p_wilcoxon, b.p_holm) == (a.p_t, a.p_wilcoxon, a.p_holm)
        assert b.verdict == other[a.verdict]


@RELAXED
@given(values)
def test_who_helps_or_hurts_has_an_interval_beside_0_and_nobody_else(rows: list[tuple[float, ...]]) -> None:
    for effect in effects(THREE, table_of(rows, [0.0] * 9), "m", "max", resamples=0):
        if effect.low is None or effect.high is None:
            assert effect.standard_error == 0, "no effect of the family has a spread to measure by"
        else:
            assert (effect.low > 0) == (effect.verdict == HELPS)
            assert (effect.high < 0) == (effect.verdict == HURTS)


@pytest.mark.parametrize("size", [1e150, 1e300, 1e305, 1.7e308])
def test_absurd_magnitudes_do_not_raise(size: float) -> None:
    on = [size * share for share in (1.0, 0.9, -1.0, 0.95, 0.8, 0.7)]
    table = outcomes({"on": on, "off": [-size, size, -size, size, -size, 0.0], "plain": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]})
    contrasts = [against("on", "off"), against("on", "plain"), against("plain", "off")]
    for effect in effects(contrasts, table, "m", "max"):
        assert effect.verdict in (UNDECIDED, TOO_FEW, HELPS)
    assert spread(table, contrasts) is None or spread(table, contrasts) >= 0
    assert len(arm_summary(table)) == 3


# ---- arms by themselves, and widths


def test_arms_by_themselves() -> None:
    table = outcomes({"on": ON, "off": [70.0, None, 71.0], "one": [70.0, NAN], "none": [None] * 5})
    on, off, single, none = arm_summary(table)
    interval = stats.t.interval(0.95, 4, loc=np.mean(ON), scale=stats.sem(ON))
    assert (on.arm, on.n, on.failed) == ("on", 5, 0)
    assert (on.mean, on.standard_deviation) == pytest.approx((np.mean(ON), np.std(ON, ddof=1)))
    assert (on.t_low, on.t_high) == pytest.approx(interval)
    assert (off.n, off.failed, off.mean) == (2, 3, 70.5)
    assert (single.n, single.failed, single.mean, single.standard_deviation, single.t_low) == (1, 4, 70.0, None, None)
    assert (none.n, none.failed, none.mean, none.standard_deviation) == (0, 5, None, None)


def test_the_widest_interval() -> None:
    effect = one(ON, OFF)
    narrow, wide = replace(effect, low=1.0, high=2.0), replace(effect, low=-2.0, high=1.5)
    shapley = replace(effect, kind="shapley", low=-9.0, high=9.0)
    assert widest([narrow, wide, shapley]) == 3.5
    assert widest([narrow, one([1.0], [2.0])]) == math.inf
    assert widest([shapley]) == widest([]) == math.inf
    assert widest([one([0.3] * 5, [0.1] * 5)]) == math.inf, "no spread to measure by"
