from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any

import pytest
import torch

from dfkd_ray.datasets import gliders
from dfkd_ray.methods import config
from dfkd_ray.methods.method import Schedule
from dfkd_ray.runs import distillation, evaluator, measures, preparing, probe
from dfkd_ray.train.run import Run
from dfkd_ray.tune.options import Options

SMALL = {"schedule": {"epochs": 50, "rounds": 4, "batch": 4}, "source.width": 4, "source.latent": 8}


@pytest.fixture(scope="module", autouse=True)
def _few_images() -> Iterator[None]:
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gliders, "SPLITS", {"train": (24, 1), "val": (24, 2), "test": (24, 3)})
        patch.setattr(measures, "HELD_OUT", 24)
        evaluator.real.cache_clear()
        yield
    evaluator.real.cache_clear()
    torch.set_num_threads(threads)


def work(name: str = "dfkd_fgvc", changes: dict[str, Any] | None = None) -> distillation.Distillation:
    fit = SMALL if name == "dfkd_fgvc" else {"schedule": {"source_steps": 0, "batch": 4}}
    method = config.change(config.load(name), {**fit, **(changes or {})})
    return preparing.prepare(method, "gliders", Options(device="cpu"))


def counted(monkeypatch: pytest.MonkeyPatch, name: str) -> list[str]:
    """Which phases a probe of the method runs, in order."""
    seen: list[str] = []
    real = {"image_loss": Run.image_loss, "step": Run.step}
    monkeypatch.setattr(Run, "image_loss", lambda *args: seen.append("source") or real["image_loss"](*args))
    monkeypatch.setattr(Run, "step", lambda *args: seen.append("student") or real["step"](*args))
    monkeypatch.setattr(distillation.Distillation, "evaluate", lambda self, run: seen.append("evaluation"))
    monkeypatch.setattr("time.perf_counter", count().__next__)  # a clock that ticks once a look
    cost = probe.probe(work(name), threads=1)
    if name == "noise_kd":
        assert cost == probe.StepSeconds(0.0, 1 / probe.STEPS, 1 / probe.STEPS)
    else:
        assert cost == probe.StepSeconds(*[1 / probe.STEPS] * 3)
    return seen


def test_each_phase_is_run_once_to_warm_up_and_then_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    times = 1 + probe.STEPS
    assert counted(monkeypatch, "dfkd_fgvc") == [w for w in ("source", "student", "evaluation") for _ in range(times)]


def test_a_source_that_learns_nothing_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert counted(monkeypatch, "noise_kd") == [w for w in ("student", "evaluation") for _ in range(1 + probe.STEPS)]


@pytest.mark.parametrize("changes", [{}, {"memory": "pool"}, {"source_loss.adversarial": None}])
def test_what_it_measures_takes_time_whatever_the_method(changes: dict[str, Any]) -> None:
    cost = probe.probe(work(changes=changes), threads=1)
    assert min(cost.source_step, cost.student_step, cost.evaluation) > 0


def test_the_threads_of_a_trial_are_those_of_the_probe() -> None:
    made = replace(work("noise_kd"), options=Options(device="cpu", threads=3))
    probe.probe(made, threads=1)
    assert torch.get_num_threads() == 1


def test_a_trial_is_its_steps_and_its_evaluations() -> None:
    cost = probe.StepSeconds(source_step=2.0, student_step=3.0, evaluation=5.0)
    plan = Schedule(epochs=7, rounds=11, source_steps=13, student_steps=17, batch=2)
    assert cost.trial(plan) == 7 * (11 * (13 * 2 + 17 * 3) + 5)
