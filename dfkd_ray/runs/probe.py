"""What a trial will cost, measured: a few steps of each phase and one evaluation, before anything is launched."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial

import torch

from dfkd_ray.methods.method import Schedule
from dfkd_ray.nets.fusing import asking
from dfkd_ray.parts.signals import Signals, frozen
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.runs.packed import by_turns
from dfkd_ray.train.lockstep import Lockstep, batches_on
from dfkd_ray.train.runtime import Runtime

STEPS = 2  # of each phase, after one that is not counted


@dataclass(frozen=True)
class StepSeconds:
    """Seconds of one source step, of one student step, and of the evaluation after an epoch, where trials are fused of
    the clock, while all take theirs. Of a GPU also the bytes that the trial, or all that are fused, held at most (with
    what CUDA keeps for itself), the bytes that it has, and the share of the steps that it computed: None where its
    profiler does not tell."""

    source_step: float
    student_step: float
    evaluation: float
    memory: int = 0
    gpu_memory: int = 0
    busy: float | None = None
    by_turns: str = ""  # of trials that are fused, see `packed.by_turns`

    def trial(self, schedule: Schedule) -> float:
        """Seconds of a trial that runs to its last epoch."""
        source = schedule.source_rounds * schedule.source_steps * self.source_step
        student = schedule.student_rounds * schedule.student_steps * self.student_step
        return source + student + schedule.epochs * self.evaluation


def probe(work: Distillation, threads: int, seed: int = 0, fuse: int = 1) -> StepSeconds:
    """Measure one trial of `work`, or so many that are fused, with the given CPU threads, on the device that its
    runtime names."""
    runtime = replace(work.runtime, threads=threads)
    device = runtime.open()
    if fuse > 1:
        return replace(_probed(work, runtime, device, seed, fuse), by_turns=by_turns(work))
    return _probed(work, runtime, device, seed, fuse)


def _probed(work: Distillation, runtime: Runtime, device: torch.device, seed: int, fuse: int) -> StepSeconds:
    if device.type != "cuda":
        with _stepping(work, runtime, device, seed, fuse) as step:
            return _measured(step)
    torch.cuda.reset_peak_memory_stats(device)
    with _stepping(work, runtime, device, seed, fuse) as step:
        cost = _measured(step)
        free, there = torch.cuda.mem_get_info(device)
        kept = there - free - torch.cuda.memory_reserved(device)  # by CUDA, in each process
        memory = torch.cuda.max_memory_reserved(device) + kept
        cost = replace(cost, memory=memory, gpu_memory=there, busy=_busy(step, device))
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


@contextmanager
def _stepping(
    work: Distillation, runtime: Runtime, device: torch.device, seed: int, fuse: int
) -> Iterator[Callable[[], bool]]:
    """What takes the next of `_steps`, of all that are fused."""
    work = replace(work, teachers={})
    trials = {number: partial(_steps, work, runtime, device, seed + number) for number in range(fuse)}
    if fuse == 1:
        with closing(trials[0]()) as steps:
            yield partial(next, steps)
    else:
        with closing(Lockstep(trials, batches_on(device))) as pack:
            yield partial(_together, pack)


def _together(pack: Lockstep[bool]) -> bool:
    """A step of each; the error of one is raised."""
    told = list(pack.step().values())
    for each in told:
        if isinstance(each, Exception):
            raise each
    return all(told)


def _steps(work: Distillation, runtime: Runtime, device: torch.device, seed: int) -> Generator[bool]:
    """A trial is opened, and tells whether its source learns; then so many steps of each phase as are timed, then the
    student's without end."""
    method = work.method
    run = work.open(method, seed, runtime, device)
    rng = run.begin(1)
    batch = method.schedule.batch

    def source() -> None:
        with asking(not run.apart), run.precision(), frozen(run.student):
            for _ in run.source.improve(batch, 1, run.image_loss, rng, 0.0):
                pass

    def student() -> None:
        run.student.train()
        with asking(not run.apart):
            with run.precision():
                images, labels = run.memory.draw(run.source, batch, rng)
                loss, _ = run.student_loss(Signals(images, labels, run.teacher, run.student))
            run.step(loss)
        loss.detach().item()  # waits for the device

    def evaluation() -> None:
        work.evaluate(run)

    run.memory.refill(run.source, batch, rng)
    learns = run.source_steps > 0
    yield learns
    for phase in (*([source] if learns else []), student, evaluation):
        for _ in range(1 + STEPS):
            phase()
            yield learns
    while True:
        student()
        yield learns


def _measured(step: Callable[[], bool]) -> StepSeconds:
    learns = step()
    return StepSeconds(_time(step) if learns else 0.0, _time(step), _time(step))


def _time(step: Callable[[], object]) -> float:
    """Seconds a call, the mean of STEPS calls after a first that pays for warming up."""
    step()
    began = time.perf_counter()
    for _ in range(STEPS):
        step()
    return (time.perf_counter() - began) / STEPS
