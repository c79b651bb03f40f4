"""What stands beside ours in the benchmark of a step, on a device that is not the CPU, as `--device cuda` will have it.

Run by test_step, in a process of its own: torch counts its devices when it first goes backward.
"""

from __future__ import annotations

import pytest

from tests.benchmarks.small import STEPS, small
from tests.pretended import pretended


@pytest.mark.parametrize("method", STEPS)
def test_nothing_of_it_stands_on_the_cpu(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    step = small(monkeypatch)
    import step_cases
    import step_variants

    monkeypatch.setattr(step_cases, "STEPS", dict.fromkeys(STEPS, (1, 1)))
    with pretended(monkeypatch) as device:
        case = step.Case(method, "small", device=str(device), threads=0, batch=3)
        floor = step_variants.Floor(case.run())
        for variant in (step_variants.Twin(case.run()), floor, step_variants.Convolutions(floor)):
            assert min(variant.round()) > 0
