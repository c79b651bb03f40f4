"""The seam between the search and the science: the only file that knows trials and tensors.

`Distillation` is the Work that a sweep runs: one job is one run of the loop, evaluated after each epoch, saved so that
a killed trial goes on in the same bits.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dfkd_ray import datasets, metrics, nets, teachers
from dfkd_ray.methods import config
from dfkd_ray.methods.method import Method
from dfkd_ray.nets.digest import digest
from dfkd_ray.runs.checkpoint import Checkpoint
from dfkd_ray.runs.evaluator import Evaluator, pictured, real
from dfkd_ray.study.study import Study
from dfkd_ray.teachers.weights import fill
from dfkd_ray.train.loop import distill
from dfkd_ray.train.run import Run
from dfkd_ray.train.runtime import Meter, Runtime, parse_runtime
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util.errors import ConfigError, MissingExtra, UnknownName
from dfkd_ray.util.seeding import stream


@dataclass(frozen=True)
class Distillation:
    """A method on a task, ready to travel: plain data and the teacher's weights, no file that a worker would miss.

    method: resolved, as `config.plain` writes it. weights: the teacher's state by name. data: where real images for
    evaluation are; the loop never sees them. keep: leave `student.safetensors` (last epoch) and
    `student_best.safetensors` in the job's folder. fixed: what a study fixed in `method`, and fixes in the `methods` by
    name that its arms take instead, which are plain data too.
    """

    method: Mapping[str, Any]
    task: datasets.Task
    weights: Mapping[str, Tensor] = field(repr=False)
    runtime: Runtime = field(default_factory=Runtime)
    data: str | None = None
    metric: str = metrics.VAL_ACCURACY
    sign: float = 1.0  # metric * sign is better when higher
    keep: bool = True
    fixed: Mapping[str, Any] = field(default_factory=dict)
    methods: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def max_epochs(self) -> int:
        return config.parse(self.method).schedule.epochs

    def resolve(self, changes: Mapping[str, Any]) -> Method:
        """The method with these changes."""
        if "method" in changes:
            changes = {**self.fixed, **changes, "method": self.methods[changes["method"]]}
        return config.change(config.parse(self.method), changes)

    def fingerprint(self, changes: Mapping[str, Any]) -> str:
        """Of the method with these changes."""
        return config.fingerprint(self.resolve(changes))

    def examine(self, run: Run) -> dict[str, float]:
        """The metrics of a run between two epochs; changes nothing of it."""
        return Evaluator(self.task, self.data, run).metrics()

    def teacher_digest(self) -> str:
        """Of the teacher's weights: see `digest`."""
        return digest(self.weights)

    def epochs(self, job: Job) -> Iterator[Row]:
        """Run one job to its end, or from where its checkpoint stands; yields a Row an epoch."""
        method = self.resolve(job.changes)
        runtime = replace(self.runtime, threads=job.threads or self.runtime.threads)
        device = runtime.open()
        meter = Meter(device)
        run = self.open(method, job.seed, runtime, device)
        checkpoint = Checkpoint(run, None if job.folder is None else Path(job.folder))
        yield from list(checkpoint.restore(device))
        evaluator = Evaluator(self.task, self.data, run)
        facts: dict[str, Any] = {"host": platform.node(), "device": _device_name(device)}
        facts |= {"fingerprint": config.fingerprint(method), "method": config.plain(method)}
        started = time.perf_counter() - checkpoint.seconds
        for epoch in distill(run):
            found = evaluator.metrics() | epoch.losses | {metrics.LR: run.lr}
            checkpoint.note(epoch.number, found, self.metric, self.sign)
            last = epoch.number == method.schedule.epochs
            row = Row(
                epoch=epoch.number,
                seconds=time.perf_counter() - started,
                metrics=found,
                picture=evaluator.picture() if pictured(epoch.number, method.schedule.epochs) else None,
                last=last,
                final=evaluator.final(checkpoint) if last else {},
                peak_memory=meter.peak(),
                **facts,
            )
            if last and self.keep:
                checkpoint.export()  # first, so that whoever finds the last checkpoint finds the students too
            checkpoint.save(row)
            yield row

    def open(self, method: Method, seed: int, runtime: Runtime, device: torch.device) -> Run:
        task, channels, classes = self.task, self.task.image[0], len(self.task.classes)
        teacher = nets.build(method.teacher.arch or task.teacher.arch, classes, channels)
        fill(teacher, self.weights, f"the teacher of {task.name}")
        with stream(seed, "student"):
            student = nets.build(method.student.arch or task.student, classes, channels, method.student.pretrained)
        seen = (task.image, task.mean, task.std)
        return Run(method, teacher, student, *seen, seed, runtime, device, task.classes)


def work(study: Study, data: str | None = None, weights: Path | None = None) -> Distillation:
    """What a study's trials do. Raises ConfigError or DataError before anything is launched."""
    method = config.change(config.load(study.method), study.fixed)
    first = study.objective[0]
    made = prepare(method, study.task, data, weights, parse_runtime(study.runtime))
    for objective in study.objective:
        _check_reported(objective.metric, made, method)
    hand = {} if study.ablation is None else study.ablation.hand
    named = {changes["method"] for changes in hand.values() if "method" in changes}
    methods = {name: config.plain(config.load(name)) for name in named}
    return replace(made, metric=first.metric, sign=first.sign, fixed=study.fixed, methods=methods)


def _check_reported(name: str, made: Distillation, method: Method) -> None:
    """ConfigError where a trial lacks what a metric needs."""
    needs = metrics.find(name).needs
    if needs == metrics.REAL and not evaluable(made):
        others = ", ".join(row.name for row in metrics.ROWS if row.data_free)
        hint = f"give --data, or select by a data-free metric: {others}"
        raise ConfigError.at("objective", f"{name} needs real images of {made.task.name}: {hint}")
    normed = any(weight.endswith("running_mean") for weight in made.weights)
    if (needs == metrics.NORM and not normed) or (needs == metrics.LABELS and not _asks(method)):
        raise ConfigError.at("objective", f"{name} needs {needs}")


def prepare(
    method: Method, task: str | datasets.Task, data: str | None, weights: Path | None, runtime: Runtime
) -> Distillation:
    """A method on a task, by name or made, with its teacher from `weights`, from what the task ships, or found."""
    task = datasets.load(task) if isinstance(task, str) else task
    task = teachers.with_teacher(task, weights, method.teacher.arch)
    state = teachers.teacher(task, method.teacher.arch).state_dict()
    made = Distillation(config.plain(method), task, state, runtime, data)
    if data is not None or task.data is not None:  # what is damaged is an error now, not after the last epoch
        for which in ("val", "test"):
            real(task, which, data, runtime.cache)
    return made


def evaluable(made: Distillation, which: datasets.Which = "val") -> bool:
    """Whether there are real images to evaluate on; DataError where `data` is named and cannot be read."""
    return real(made.task, which, made.data, made.runtime.cache) is not None


def task_info(made: Distillation) -> dict[str, Any]:
    """What a report says of the task."""
    task = made.task
    return {
        "name": task.name,
        "classes": len(task.classes),
        "chance": 1 / len(task.classes),
        "teacher": {
            "arch": task.teacher.arch,
            "test_accuracy": task.teacher.test_accuracy,
            "digest": made.teacher_digest(),
        },
        "student": {"arch": config.parse(made.method).student.arch or task.student},
        "normalised_by": task.normalised_by,
    }


def accepts(method: Method, changes: Mapping[str, Any]) -> None:
    """ConfigError if the method does not take these changes; opens no net and runs nothing."""
    changed = config.change(method, changes)
    for slot, arch in {"teacher": changed.teacher.arch, "student": changed.student.arch}.items():
        try:
            if arch is not None:
                nets.check(arch)
        except (UnknownName, MissingExtra) as error:
            raise ConfigError.at(f"{slot}.arch", str(error)) from None


def reported(method: Method) -> list[str]:
    """The metrics that a trial of the method reports after each epoch, where task and teacher have what they need."""
    slots = {"source": method.source_loss, "student": method.student_loss}
    losses = [metrics.loss(slot, name) for slot, loss in slots.items() for name in (*loss.parts, "total")]
    told = [row for row in metrics.ROWS if row.when == "epoch" and row.better is not None and row.fair]
    return [*(row.name for row in told if row.needs != metrics.LABELS or _asks(method)), *losses]


def _asks(method: Method) -> bool:
    """Whether the source asks for classes."""
    return getattr(method.source, "labels", "none") != "none"


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return device.type


__all__ = ["Distillation", "prepare", "task_info", "work"]
