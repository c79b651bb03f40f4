"""What a run says before it starts; that `distill` says it is tested with that command."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dfkd_ray.methods import config
from dfkd_ray.methods.method import Schedule
from dfkd_ray.runs.beginning import warning
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.runs.preparing import prepare
from dfkd_ray.runs.probe import StepSeconds
from dfkd_ray.tune.options import Options
from dfkd_ray.util.words import roughly


@pytest.fixture
def work() -> Distillation:
    own = config.load("dfkd_fgvc")
    return replace(prepare(own, "gliders", Options(device="cpu")), methods={"dfkd_fgvc": own})


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> list[Schedule]:
    """The schedules that were asked for; a step takes as long as on a slow machine."""
    asked: list[Schedule] = []

    def probe(work: Distillation, threads: int) -> StepSeconds:
        asked.append(work.method.schedule)
        return StepSeconds(0.1, 0.2, 1.0)

    monkeypatch.setattr("dfkd_ray.runs.probe.probe", probe)
    return asked


def test_the_papers_length_is_told_where_it_takes_over_an_hour(work: Distillation, probed: list[Schedule]) -> None:
    """200 epochs of 50 rounds: 200,000 steps of the source and 150,000 of the student, and 200 evaluations."""
    said = warning(work)
    laptop = StepSeconds(0.1, 0.2, 1.0).trial(probed[1])
    assert 60 < laptop < 3600
    assert said == f"about 14 h on this machine; --preset laptop takes {roughly(laptop)}, see `ls presets`"
    assert probed[0] == work.method.schedule
    short = replace(work, method=config.change(work.method, {"schedule.epochs": 14, "schedule.rounds": 50}))
    assert warning(short) is None, "58 min"
    tiny = replace(work, method=config.change(work.method, {"schedule.epochs": 1}))
    assert warning(tiny) is None
    assert len(probed) == 3, "where there are few steps nothing is measured"


def test_what_the_preset_does_not_shorten_is_not_advised(work: Distillation, probed: list[Schedule]) -> None:
    """What is asked for beside a preset holds over it."""
    plan = {f"schedule.{name}": getattr(work.method.schedule, name) for name in vars(work.method.schedule)}
    assert warning(replace(work, fixed=plan)) == "about 14 h on this machine"
    assert warning(replace(work, fixed={"schedule.epoch": 3})) == "about 14 h on this machine"
