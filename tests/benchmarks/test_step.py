"""The benchmark of a step: the same mathematics written the published way, and the floors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binom
from torch import nn

from tests.apart import passes
from tests.benchmarks.small import STEPS, small

HERE = Path(__file__).parent
CLOSE = 1e-9


@pytest.fixture
def step(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, with a size for tests."""
    return small(monkeypatch)


@pytest.mark.parametrize("method", STEPS)
def test_the_published_way_loses_the_same_over_five_steps_and_more(method: str, step: Any) -> None:
    import step_measure

    assert step_measure.difference(step.Case(method, "small")) <= CLOSE


def test_another_loss_is_told(step: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import naive_terms
    import step_measure

    plain = naive_terms.Terms.kd
    monkeypatch.setattr(naive_terms.Terms, "kd", lambda *given: (1 + 1e-7) * plain(*given))
    assert step_measure.difference(step.Case("dafl", "small")) > CLOSE


def test_a_floor_has_the_convolutions_of_its_nets_and_no_other(step: Any) -> None:
    import step_variants

    run = step.Case("dfad", "small").run()
    floor = step_variants.Floor(run)
    parts = (run.source.net, run.teacher, run.student)
    made, teacher, student = (sum(isinstance(m, nn.Conv2d) for m in net.modules()) for net in parts)
    both = step_variants.Convolutions(floor)
    forward = made + teacher + student
    source_steps, student_steps = STEPS["dfad"]
    assert len(both.source) == source_steps * 2 * forward  # each forward and backward
    assert len(both.student) == student_steps * (forward + student)
    assert min(*floor.round(), *both.round()) >= 0


def test_a_case_is_measured_in_both_phases(step: Any) -> None:
    import step_measure

    case = step.Case("dafl", "small", repeats=2, seconds=0.0, levers=True)
    found = step_measure.measure(case)
    names = {"ours", "again", "naive", "F1", "F2", "bfloat16"}
    assert names <= found["seconds"].keys()
    assert {len(times) for times in found["seconds"].values()} == {2}
    assert found["failed"] == {}
    assert found["flops"] > 0


def test_its_rows_say_what_is_void_and_what_failed(step: Any) -> None:
    seconds = {name: [(4.0 * by, 2.0 * by)] * 9 for name, by in [("ours", 1), ("again", 1), ("naive", 1.5)]}
    seconds |= {"F1": [(3.2, 1.0)] * 9, "F2": [(2.0, 0.5)] * 9, "bfloat16": [(2.0, 1.5)] * 9}
    found = {"case": {"method": "dfad", "size": "small"}, "seconds": seconds, "difference": 1e-12, "flops": 7e9}
    found |= {
        "rates": {"float32": 1e9, "half": 4e9},
        "failed": {"generator compiled": "no compiler"},
        "memory_ours": 1,
        "memory_naive": 1.25,
    }
    assert [*step.lines(found)] == [
        "| dfad, source | 4000.0 ms | 2 | 1.50 [1.50, 1.50] | 1.25 [1.25, 1.25] | 2.00 [2.00, 2.00] "
        "| 1.00 [1.00, 1.00] | 1.00, 1.25 |",
        "| dfad, student | 2000.0 ms | 4 | 1.50 [1.50, 1.50] | 2.00 [2.00, 2.00] | 4.00 [4.00, 4.00] "
        "| 1.00 [1.00, 1.00] | 1.00, 1.25 |",
    ]
    assert [*step.beside(found)] == [
        "- dfad, float32: 50% of the rate of a matrix product",
        "- dfad, bfloat16: 18% of the rate of a matrix product",
        "- dfad, bfloat16 / ours: source 0.50 [0.50, 0.50], student 0.75 [0.75, 0.75]",
        "- dfad, generator compiled: failed, no compiler",
    ]
    assert "| void: losses differ by 2.0e-09 |" in next(step.lines(found | {"difference": 2e-9}))
    assert "| void: losses differ by nan |" in next(step.lines(found | {"difference": float("nan")}))
    assert [*step.lines({"case": found["case"]})] == ["| dfad | failed | | | | | | |"]


@pytest.mark.parametrize("count", [1, 5, 6, 9, 20, 51])
def test_an_interval_misses_the_true_median_in_five_of_a_hundred_at_most(count: int, step: Any) -> None:
    import machine

    found = machine.told([float(each) for each in reversed(range(count))])
    below = int(found.low)
    assert found.high == count - 1 - below
    if count > 5:
        assert 2 * binom.cdf(below, count, 0.5) <= 0.05 < 2 * binom.cdf(below + 1, count, 0.5)
    else:
        assert below == 0


@pytest.mark.slow
def test_all_of_it_runs_on_a_device_that_is_not_the_cpu() -> None:
    passes(HERE / "on_a_device.py")
