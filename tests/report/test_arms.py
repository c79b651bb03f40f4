from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dfkd_ray.report.arms import Spread, name_with_twins
from tests.report import ablations
from tests.report.studies import demo, trial


@settings(deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=2, max_size=12))
def test_mean_deviation_and_interval_are_the_textbook_ones(values: list[float]) -> None:
    found = Spread.of("a metric without bounds", values)
    assert found.n == len(values)
    assert found.mean == pytest.approx(statistics.fmean(values), abs=1e-12)
    assert found.deviation == pytest.approx(statistics.stdev(values), abs=1e-9)
    error = statistics.stdev(values) / math.sqrt(len(values))
    half = stats.t.ppf(0.975, len(values) - 1) * error
    assert (found.low, found.high) == (
        pytest.approx(statistics.fmean(values) - half, abs=1e-9),
        pytest.approx(statistics.fmean(values) + half, abs=1e-9),
    )


def test_of_one_value_there_is_no_spread_and_of_none_no_mean() -> None:
    assert Spread.of("val_accuracy", [0.5]) == Spread(1, 0.5)
    assert Spread.of("val_accuracy", []) == Spread(0)


@pytest.mark.parametrize(
    ("metric", "values", "low", "high", "cut"),
    [  # the quantile 0.975 at 2 degrees of freedom is 4.302653; of 0.9, 1, 1 the half width is 4.302653 / 30
        ("val_accuracy", [0.9, 1.0, 1.0], 29 / 30 - 4.302653 / 30, 1.0, True),
        ("test_accuracy/last", [0.0, 0.1, 0.0], 0.0, 1 / 30 + 4.302653 / 30, True),
        ("agreement/noise", [0.0, 1.0], 0.0, 1.0, True),
        ("val_accuracy", [0.4, 0.5, 0.5], 14 / 30 - 4.302653 / 30, 14 / 30 + 4.302653 / 30, False),
        ("val_accuracy", [1.0, 1.0, 1.0], 1.0, 1.0, False),
        ("relative_accuracy/last", [0.9, 1.0, 1.0], 29 / 30 - 4.302653 / 30, 29 / 30 + 4.302653 / 30, False),
        ("kl/noise", [0.0, 0.1, 0.0], 0.0, 1 / 30 + 4.302653 / 30, True),
        ("batchnorm/source", [-0.1, 0.0, 0.0], -1 / 30 - 4.302653 / 30, -1 / 30 + 4.302653 / 30, False),
    ],
)
def test_an_interval_of_a_mean_ends_where_its_metric_does(
    metric: str, values: list[float], low: float, high: float, cut: bool
) -> None:
    found = Spread.of(metric, values)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-7), pytest.approx(high, abs=1e-7))
    assert found.cut is cut


def test_an_arm_has_its_trials_and_says_which_failed() -> None:
    tables = ablations.leave_one_out()
    by_name = {arm.name: arm for arm in tables.arms}
    assert list(by_name) == ["full", "without mhad", "without sfcl", "without bn_prior"]
    assert {name: (len(arm.complete), len(arm.failed)) for name, arm in by_name.items()} == {
        "full": (5, 0),
        "without mhad": (5, 0),
        "without sfcl": (4, 1),
        "without bn_prior": (5, 0),
    }
    assert by_name["without sfcl"].failed[0].pair == (1, 0)


def test_a_twin_has_the_trials_of_the_arm_that_runs_for_it() -> None:
    tables = ablations.by_hand()
    both, twin = tables.arms[0], tables.arms[3]
    assert (twin.name, twin.runs_as) == ("order 3", "both")
    assert twin.trials == both.trials
    assert name_with_twins(both, tables.arms) == "both = order 3"
    assert [t.reused for t in both.trials[:2]] == ["reports/first, trial 0", "reports/first, trial 1"]
    assert both.trials[2].reused is None


def test_tuning_trials_and_values_that_are_not_finite_do_not_count() -> None:
    one = ablations.leave_one_out()
    rows = one.trials.to_pylist()[:1]
    more = [
        trial(90, arm="full", seed=0, draw=0, tuning=3, objectives=[0.9]),
        trial(91, arm="full", seed=1, draw=0, objectives=[math.nan]),
        trial(92, arm="full", seed=2, draw=0, state="running", objectives=None),
    ]
    full = ablations.with_trials([*rows, *more]).arms[0]
    assert [t.number for t in full.complete] == [0]
    assert [t.number for t in full.failed] == [91]
    assert [t.number for t in full.tuning] == [90]


def test_a_sweep_has_no_arms_and_metadata_without_a_list_takes_those_of_the_trials() -> None:
    assert demo().arms == ()
    told = ablations.changed(ablations.leave_one_out(), ablation={"arms": "?", "design": []})
    assert [arm.name for arm in told.arms] == ["full", "without mhad", "without sfcl", "without bn_prior"]
