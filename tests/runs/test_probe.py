from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dfkd_ray.methods import config
from dfkd_ray.methods.method import Schedule
from dfkd_ray.runs import distillation, preparing, probe
from dfkd_ray.train.run import Run
from dfkd_ray.tune.options import Options
from tests.cli.commands import few_images

SMALL = {"schedule": {"epochs": 50, "rounds": 4, "batch": 4}, "source.width": 4, "source.latent": 8}


@pytest.fixture(scope="module", autouse=True)
def _few_images() -> Iterator[None]:
    with few_images():
        yield


def work(name: str = "dfkd_fgvc", changes: dict[str, Any] | None = None) -> distillation.Distillation:
    fit = SMALL if name == "dfkd_fgvc" else {"schedule": {"source_steps": 0, "batch": 4}}
    method = config.change(config.load(name), {**fit, **(changes or {})})
    return preparing.prepare(method, "gliders", Options(device="cpu"))


def counted(monkeypatch: pytest.MonkeyPatch, name: str, fuse: int = 1) -> list[str]:
    """Which phases a probe of the method runs, in order."""
    seen: list[str] = []
    real = {"image_loss": Run.image_loss, "step": Run.step}
    monkeypatch.setattr(Run, "image_loss", lambda *args: seen.append("source") or real["image_loss"](*args))
    monkeypatch.setattr(Run, "step", lambda *args: seen.append("student") or real["step"](*args))
    monkeypatch.setattr(distillation.Distillation, "evaluate", lambda self, run: seen.append("evaluation"))
    monkeypatch.setattr("time.perf_counter", count().__next__)  # a clock that ticks once a look
    cost = probe.probe(work(name), threads=1, fuse=fuse)
    if name == "noise_kd":
        assert cost == probe.StepSeconds(0.0, 1 / probe.STEPS, 1 / probe.STEPS)
    else:
        assert cost == probe.StepSeconds(*[1 / probe.STEPS] * 3, by_turns=cost.by_turns)
        assert bool(cost.by_turns) is (fuse > 1)
    return seen


def test_each_phase_is_run_once_to_warm_up_and_then_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    times = 1 + probe.STEPS
    assert counted(monkeypatch, "dfkd_fgvc") == [w for w in ("source", "student", "evaluation") for _ in range(times)]


def test_a_source_that_learns_nothing_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert counted(monkeypatch, "noise_kd") == [w for w in ("student", "evaluation") for _ in range(1 + probe.STEPS)]


def test_fused_trials_are_measured_in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that ticks once a look, a step of all takes as long as one of one."""
    steps = [w for w in ("source", "student", "evaluation") for _ in range(1 + probe.STEPS) for _ in range(2)]
    assert counted(monkeypatch, "dfkd_fgvc", 2) == steps


def test_what_goes_wrong_in_one_of_several_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*args: Any) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr(distillation.Distillation, "evaluate", refuses)
    with pytest.raises(MemoryError, match="no room"):
        probe.probe(work("noise_kd"), threads=1, fuse=2)


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


@pytest.mark.parametrize(("computed", "busy"), [((1e6, 2e6), 0.75), ((5e6,), 1.0), ((), None)])
def test_of_a_gpu_it_tells_memory_and_work(
    computed: tuple[float, ...], busy: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch's own numbers replaced: 50 of 80 bytes free, 20 reserved of at most 25; us of kernels in 4 s."""

    class Profile:
        def __init__(self, activities: Any) -> None:
            pass

        def __enter__(self) -> Profile:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def key_averages(self) -> list[Any]:
            return [SimpleNamespace(self_device_time_total=time) for time in computed]

    told = {"mem_get_info": (50, 80), "memory_reserved": 20, "max_memory_reserved": 25}
    for name in (*told, "reset_peak_memory_stats", "synchronize", "empty_cache"):
        monkeypatch.setattr(torch.cuda, name, lambda *args, name=name: told.get(name))
    monkeypatch.setattr(probe.Runtime, "open", lambda self: torch.device("cuda"))
    monkeypatch.setattr(probe, "_stepping", lambda *args: nullcontext(lambda: None))
    monkeypatch.setattr(probe, "_measured", lambda step: probe.StepSeconds(1.0, 2.0, 3.0))
    monkeypatch.setattr("torch.profiler.profile", Profile)
    monkeypatch.setattr("time.perf_counter", iter([10.0, 14.0]).__next__)
    found = probe.probe(work("noise_kd"), threads=1)
    kept = 80 - 50 - 20
    assert found == probe.StepSeconds(1.0, 2.0, 3.0, memory=25 + kept, gpu_memory=80, busy=busy)
