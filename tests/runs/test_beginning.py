"""What a run says before it starts; that `distill` says it is tested with that command."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dfkd_ray.methods import config
from dfkd_ray.runs.beginning import warning
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.runs.preparing import prepare
from dfkd_ray.runs.probe import StepSeconds
from dfkd_ray.tune.options import Options


@pytest.fixture
def work() -> Distillation:
    return prepare(config.load("dfkd_fgvc"), "gliders", Options(device="cpu"))


def test_the_papers_length_is_told_where_it_takes_over_an_hour(
    work: Distillation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 epochs of 50 rounds: 200,000 steps of the source and 150,000 of the student."""
    asked: list[int] = []

    def probe(work: Distillation, threads: int) -> StepSeconds:
        asked.append(threads)
        return StepSeconds(0.1, 0.2, 1.0)

    monkeypatch.setattr("dfkd_ray.runs.probe.probe", probe)
    said = warning(work)
    assert said is not None
    assert said.startswith(
        "about 13 h 57 min on this machine, as published; --preset takes less: gpu-hour (One hour of"
    )
    assert "laptop (Minutes of two cores" in said
    assert len(asked) == 1
    short = replace(work, method=config.change(work.method, {"schedule.epochs": 14, "schedule.rounds": 50}))
    assert warning(short) is None, "58 min"
    tiny = replace(work, method=config.change(work.method, {"schedule.epochs": 1}))
    assert warning(tiny) is None
    assert len(asked) == 2, "where there are few steps nothing is measured"
