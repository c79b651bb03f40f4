"""What a trial will cost, measured: a few steps of each phase and one evaluation, before anything is launched."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from dfkd_ray.methods.method import Schedule
from dfkd_ray.parts.signals import Signals, frozen
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.train.runtime import Runtime

STEPS = 2  # of each phase, after one that is not counted


@dataclass(frozen=True)
class StepSeconds:
    """Seconds of one source step, of one student step, and of the evaluation after an epoch; and of a GPU the bytes
    that the trial held at most (with what CUDA keeps for itself), the bytes that it has, and the share of the steps
    that it computed: None where its profiler does not tell."""

    source_step: float
    student_step: float
    evaluation: float
    memory: int = 0
    gpu_memory: int = 0
    busy: float | None = None

    def trial(self, schedule: Schedule) -> float:
        """Seconds of a trial that runs to its last epoch."""
        source = schedule.source_rounds * schedule.source_steps * self.source_step
        student = schedule.student_rounds * schedule.student_steps * self.student_step
        return source + student + schedule.epochs * self.evaluation


def probe(work: Distillation, threads: int, seed: int = 0) -> StepSeconds:
    """Measure one trial of `work` with the given CPU threads, on the device that its runtime names."""
    runtime = replace(work.runtime, threads=threads)
    device = runtime.open()
    if device.type != "cuda":
        return _measure(work, runtime, device, seed)[0]
    torch.cuda.reset_peak_memory_stats(device)
    cost, step = _measure(work, runtime, device, seed)
    free, there = torch.cuda.mem_get_info(device)
    kept = there - free - torch.cuda.memory_reserved(device)  # by CUDA, in each process
    cost = replace(
        cost,
        memory=torch.cuda.max_memory_reserved(device) + kept,
        gpu_memory=there,
        busy=_busy(step, device),
    )
    torch.cuda.empty_cache()  # whoever runs the trials next, in processes of their own, finds the memory free
    return cost


def _busy(step: Callable[[], object], device: torch.device) -> float | None:
    """The share of a step's time that the GPU computes."""
    from torch.profiler import ProfilerActivity, profile

    torch.cuda.synchronize(device)
    began = time.perf_counter()
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        for _ in range(STEPS):
            step()
        torch.cuda.synchronize(device)
        seconds = time.perf_counter() - began
    computed = sum(event.self_device_time_total for event in seen.key_averages()) / 1e6
    return min(1.0, computed / seconds) if computed else None


def _measure(
    work: Distillation, runtime: Runtime, device: torch.device, seed: int
) -> tuple[StepSeconds, Callable[[], object]]:
    """What a trial takes, and a step of the student, to be looked at again."""
    method = work.method
    run = work.open(method, seed, runtime, device)
    rng = run.begin(1)
    batch = method.schedule.batch

    def source() -> None:
        with run.precision(), frozen(run.student):
            for _ in run.source.improve(batch, 1, run.image_loss, rng, 0.0):
                pass

    def student() -> None:
        run.student.train()
        with run.precision():
            images, labels = run.memory.draw(run.source, batch, rng)
            loss, _ = run.student_loss(Signals(images, labels, run.teacher, run.student))
        run.step(loss)
        loss.detach().item()  # waits for the device

    run.memory.refill(run.source, batch, rng)
    seconds = {"source": _time(source) if run.source_steps else 0.0, "student": _time(student)}
    return StepSeconds(seconds["source"], seconds["student"], _time(lambda: work.evaluate(run))), student


def _time(step: Callable[[], object]) -> float:
    """Seconds a call, the mean of STEPS calls after a first that pays for warming up."""
    step()
    began = time.perf_counter()
    for _ in range(STEPS):
        step()
    return (time.perf_counter() - began) / STEPS
