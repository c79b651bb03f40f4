"""The rows of a simulation: means over studies, pairs by repetition, and what is not known yet."""

from __future__ import annotations

import statistics
from typing import Any, cast

import pytest
from scipy.stats import t as student

from dfkd_ray.study.specs import Asha, NoStopper, Random
from dfkd_ray.tune import simulating
from dfkd_ray.tune.recorded import Surrogate
from dfkd_ray.tune.simulated import Case, Moment, replay
from tests.tune import toys
from tests.tune.test_simulated import Formula

CASES = [Case(Random(), NoStopper(), trials=6), Case(Random(), Asha(grace=1, reduction=2), trials=6)]
SURROGATE = cast(Surrogate, Formula(noise=0.1))
REPETITIONS = 5


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return list(simulating.rows(toys.study(), SURROGATE, CASES, REPETITIONS))


def test_a_row_is_the_mean_of_the_studies_and_its_interval(rows: list[dict[str, Any]]) -> None:
    own = [[replay(toys.study(), SURROGATE, case, r)[-1] for r in range(REPETITIONS)] for case in CASES]
    ends = [row for row in rows if row["at"] == "cost" and row["cost"] == 6]
    assert [row["case"] for row in ends] == [case.name for case in CASES]
    for row, studies in zip(ends, own):
        found = [moment.found or 0.0 for moment in studies]
        half = student.ppf(0.975, REPETITIONS - 1) * statistics.stdev(found) / REPETITIONS**0.5
        assert row["found"] == pytest.approx(statistics.fmean(found))
        assert row["high"] - row["low"] == pytest.approx(2 * half)
        assert row["ended"] == statistics.fmean(moment.ended for moment in studies)
        told = [moment.told or 0.0 for moment in studies]
        assert row["flattered"] == pytest.approx(statistics.fmean(told) - statistics.fmean(found))
        assert row["repetitions"] == REPETITIONS
    apart = [(b.found or 0.0) - (a.found or 0.0) for a, b in zip(*own)]
    assert [row["difference"] for row in ends] == pytest.approx([0.0, statistics.fmean(apart)])
    half = student.ppf(0.975, REPETITIONS - 1) * statistics.stdev(apart) / REPETITIONS**0.5
    assert ends[1]["difference_high"] - ends[1]["difference"] == pytest.approx(half), "of one case beside the first"


def test_what_not_every_study_has_is_left_open(rows: list[dict[str, Any]]) -> None:
    first = rows[0]
    assert first["cost"] == 6 / simulating.PLACES
    assert not first.keys() & {"found", "difference", "ended"}, "no trial has ended for so little"
    assert "difference_low" not in rows[-2], "of the first case itself"
    along = [row["found"] for row in rows if row["case"] == CASES[0].name and "found" in row and row["at"] == "cost"]
    assert len(along) == 21, "from the end of the first trial on, at a sixth"


def test_when_as_many_trials_have_ended_as_the_study_asks_for(rows: list[dict[str, Any]]) -> None:
    plain, stopped = (row for row in rows if row["at"] == "trials")
    assert (plain["ended"], plain["cost"]) == (6, 6)
    assert stopped["ended"] == 6
    assert stopped["cost"] < 5, "stopping has saved some"


def test_several_cases_pay_for_their_number() -> None:
    """The same difference twice has a wider interval than once."""
    one, other = Case(Random(), Asha(), trials=2), Case(Random(), Asha(grace=2), trials=2)
    base = [Moment(2.0, 1.0, 1, 0, found=0.1 * i, told=0.0) for i in range(5)]
    more = [Moment(2.0, 1.0, 1, 0, found=0.1 * i + 0.02 * (i % 2), told=0.0) for i in range(5)]

    def width(*cases: Case) -> float:
        then = {CASES[0]: base, **dict.fromkeys(cases, more)}
        *_, row = simulating._together("cost", dict.fromkeys(then, 2.0), then, base, 1.0)
        return float(row["difference_high"] - row["difference_low"])

    assert width(one, other) > 1.1 * width(one)


def test_lower_may_be_better() -> None:
    then = [Moment(1.0, 1.0, 1, 0, found=0.5, told=0.25), Moment(1.0, 1.0, 1, 0, found=0.25, told=0.125)]
    row = simulating._row(CASES[0], "cost", 1.0, then, -1.0)
    assert row["flattered"] == pytest.approx((0.25 + 0.125) / 2)
