"""Stoppers: a contract over the registry, and each rule against an oracle."""

from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfkd_ray.study.specs import Asha, Median, NoStopper, StopperSpec, stoppers
from dfkd_ray.tune import stoppers as rules_of
from dfkd_ray.tune.stoppers import ranks_for, rules, rungs

RELAXED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
MAX = 12
SPECS: list[StopperSpec] = [NoStopper(), Median(grace=2, trials=2), Asha(grace=2, reduction=2), Asha(grace=3)]
Curves = dict[int, dict[int, float]]
values = st.floats(-10, 10) | st.just(math.nan)
studies = st.dictionaries(
    st.integers(0, 9), st.lists(values, min_size=1, max_size=MAX).map(lambda v: dict(enumerate(v, 1))), min_size=1
)


def decide(spec: StopperSpec, trial: int, curves: Curves, mode: str, max_epochs: int) -> int | None:
    """After all these rows, which came trial by trial."""
    ranks = ranks_for(spec, mode)
    for number, curve in curves.items():
        for epoch, value in curve.items():
            ranks.take(number, epoch, value)
    return rules_of.decide(spec, trial, ranks, max_epochs)


def by_definition(spec: StopperSpec, trial: int, curves: Curves, mode: str, max_epochs: int) -> int | None:
    """Each rule as it is defined, over all curves."""
    sign = 1.0 if mode == "max" else -1.0
    signed = {t: {e: -math.inf if math.isnan(v) else sign * v for e, v in c.items()} for t, c in curves.items()}
    own = signed[trial]
    epoch = max(own, default=0)
    if isinstance(spec, NoStopper) or epoch < max(spec.grace, 1) or epoch >= max_epochs:
        return None
    if isinstance(spec, Median):
        others = [c for t, c in signed.items() if t != trial and epoch in c]
        means = [statistics.fmean(v for e, v in c.items() if e <= epoch) for c in others]
        return epoch if len(means) >= spec.trials and max(own.values()) < statistics.median(means) else None
    assert isinstance(spec, Asha)
    if epoch not in [spec.grace * spec.reduction**k for k in range(20)]:
        return None
    reached = [c[epoch] for c in signed.values() if epoch in c]
    better = sum(value > own[epoch] for value in reached)
    return None if better < max(1, len(reached) // spec.reduction) and own[epoch] > -math.inf else epoch


def test_every_spec_has_its_function_and_its_row_here() -> None:
    assert list(rules) == list(stoppers)
    assert {spec.registered_as for spec in SPECS} == set(stoppers)  # type: ignore[attr-defined]


@pytest.mark.parametrize("spec", SPECS, ids=str)
class TestContract:
    @RELAXED
    @given(curves=studies, mode=st.sampled_from(["min", "max"]))
    def test_never_before_grace_nor_at_the_last_epoch(
        self, spec: StopperSpec, curves: dict[int, dict[int, float]], mode: str
    ) -> None:
        for trial in curves:
            rung = decide(spec, trial, curves, mode, MAX)
            if rung is not None:
                assert rung == max(curves[trial])
                assert spec.grace <= rung < MAX

    @settings(RELAXED, max_examples=200)
    @given(rows=st.lists(st.tuples(st.integers(0, 12), values), max_size=120), mode=st.sampled_from(["min", "max"]))
    def test_row_by_row_it_decides_as_it_is_defined(
        self, spec: StopperSpec, rows: list[tuple[int, float]], mode: str
    ) -> None:
        curves: Curves = {}
        ranks = ranks_for(spec, mode)
        for trial, value in rows:
            curve = curves.setdefault(trial, {})
            curve[len(curve) + 1] = value
            ranks.take(trial, len(curve), value)
            assert rules_of.decide(spec, trial, ranks, MAX) == by_definition(spec, trial, curves, mode, MAX)

    @RELAXED
    @given(curves=studies)
    def test_never_the_best(self, spec: StopperSpec, curves: dict[int, dict[int, float]]) -> None:
        for trial, curve in curves.items():
            epoch = max(curve)
            rivals = [v for c in curves.values() for e, v in c.items() if e <= epoch and not math.isnan(v)]
            if not math.isnan(curve[epoch]) and all(curve[epoch] >= rival for rival in rivals):
                assert decide(spec, trial, curves, "max", MAX) is None

    @RELAXED
    @given(curves=studies)
    def test_min_and_max_mirror_each_other(self, spec: StopperSpec, curves: dict[int, dict[int, float]]) -> None:
        mirrored = {trial: {epoch: -value for epoch, value in curve.items()} for trial, curve in curves.items()}
        for trial in curves:
            assert decide(spec, trial, curves, "max", MAX) == decide(spec, trial, mirrored, "min", MAX)

    @RELAXED
    @given(curves=studies)
    def test_deterministic_and_leaves_its_input_alone(
        self, spec: StopperSpec, curves: dict[int, dict[int, float]]
    ) -> None:
        before = str(curves)
        once = [decide(spec, trial, curves, "max", MAX) for trial in curves]
        assert once == [decide(spec, trial, dict(reversed(curves.items())), "max", MAX) for trial in curves]
        assert str(curves) == before

    def test_what_is_not_a_number_is_worst(self, spec: StopperSpec) -> None:
        good = {t: dict.fromkeys(range(1, 4), 1.0 + t) for t in range(4)}
        curves = {**good, 9: {1: math.nan, 2: math.nan, 3: math.nan}}
        stopped = {decide(spec, 9, {**curves, 9: dict(list(curves[9].items())[:n])}, "max", MAX) for n in (2, 3)}
        assert (stopped == {None}) == isinstance(spec, NoStopper)


def test_rungs() -> None:
    assert rungs(Asha(grace=2, reduction=3), 20) == [2, 6, 18]
    assert rungs(Asha(grace=1, reduction=2), 8) == [1, 2, 4]
    assert rungs(Asha(grace=5), 5) == []


@RELAXED
@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12), st.integers(2, 4))
def test_asha_keeps_the_top_of_what_has_come_so_far(reached: list[float], reduction: int) -> None:
    spec = Asha(grace=2, reduction=reduction)
    curves = {t: {1: 0.0, 2: value} for t, value in enumerate(reached)}
    newest = len(reached) - 1
    places = sorted(reached, reverse=True)
    threshold = places[max(1, len(reached) // reduction) - 1]  # the worst value that still goes on
    assert decide(spec, newest, curves, "max", MAX) == (None if reached[newest] >= threshold else 2)


def test_asha_only_looks_at_rungs() -> None:
    curves = {0: {1: 1.0, 2: 1.0, 3: 1.0}, 1: {1: 0.0, 2: 1.0, 3: 0.0}}
    assert decide(Asha(grace=2, reduction=3), 1, curves, "max", MAX) is None


@RELAXED
@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=5), min_size=2, max_size=6), st.floats(0, 1))
def test_median_rule(others: list[list[float]], own: float) -> None:
    curves = {t: dict(enumerate(v, 1)) for t, v in enumerate(others)} | {99: {1: own, 2: own / 2, 3: own / 3}}
    median = statistics.median([sum(v[:3]) / 3 for v in others])
    expected = 3 if own < median - 1e-12 else None if own > median + 1e-12 else decide(Median(), 99, curves, "max", MAX)
    assert decide(Median(grace=1, trials=2), 99, curves, "max", MAX) == expected or abs(own - median) <= 1e-12


def test_median_waits_for_enough_trials() -> None:
    curves = {0: {1: 1.0}, 1: {1: 1.0}, 2: {1: 0.0}}
    assert decide(Median(trials=3), 2, curves, "max", MAX) is None
    assert decide(Median(trials=2), 2, curves, "max", MAX) == 1


def test_infinities_of_both_signs_have_no_mean_and_rank_last() -> None:
    curves = {0: {1: math.inf, 2: -math.inf}, 1: {1: 0.0, 2: 0.0}, 2: {1: 1.0, 2: 1.0}}
    assert decide(Median(trials=2), 1, curves, "max", MAX) is None, "the median of -inf and 1 is -inf"
    assert decide(Median(trials=2), 0, curves, "max", MAX) is None, "its best value is inf"
