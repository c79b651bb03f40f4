"""The seam between the search and the science: the only file that knows trials and tensors.

`Distillation` is the Work that a study runs: one job is one run of the loop, evaluated after each epoch, saved so that
a killed trial goes on in the same bits.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dfkd_ray import datasets, metrics, nets
from dfkd_ray.datasets.identity import of_task
from dfkd_ray.methods import config
from dfkd_ray.methods.method import Method
from dfkd_ray.nets.digest import digest
from dfkd_ray.nets.fusing import in_step
from dfkd_ray.nets.initialisation import initialise
from dfkd_ray.nets.sharing import ALONE, Ranks
from dfkd_ray.runs.card import RunCard, versions
from dfkd_ray.runs.checkpoint import EACH_EPOCH, Checkpoint
from dfkd_ray.runs.depot import Depot, opened
from dfkd_ray.runs.evaluator import Evaluator, pictured, real
from dfkd_ray.runs.shipping import NONE_OWN, OwnCode, TravelsWithCode
from dfkd_ray.teachers.weights import fill
from dfkd_ray.train.lockstep import Lockstep, batches_on
from dfkd_ray.train.loop import Epoch, distill
from dfkd_ray.train.processes import check_shares, together
from dfkd_ray.train.run import Run
from dfkd_ray.train.runtime import Meter, Runtime, device_name, parse_runtime
from dfkd_ray.tune.accidents import Accident
from dfkd_ray.tune.options import NOTHING_SAID, Options
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util import leaving
from dfkd_ray.util.errors import DataError, TrialFailed
from dfkd_ray.util.every import Every
from dfkd_ray.util.host import cores
from dfkd_ray.util.progress import progress
from dfkd_ray.util.seeding import stream


@dataclass(frozen=True)
class Distillation(TravelsWithCode):
    """A method on a task, ready to travel: frozen data and the teacher's weights, no file that a worker would miss.

    weights: the teacher's state by name. options: how it is computed, and where real images for evaluation are; the
    loop never sees them. metric, sign: what the best epoch is chosen by; metric * sign is better when higher. invert:
    also images inverted from the teacher are measured on. fixed: what a study fixes in `method`, and in each of the
    `methods` that its arms take instead, by name. images: digests of the real images of each split, as far as somebody
    has looked; a checkpoint is of these, unless other inputs were `accepted`. ranks: the processes that share its jobs,
    where this is the work of one. teachers: of a pack, by architecture, as they are opened. sent, code: real images by
    split and own code, which travel along.
    """

    method: Method
    task: datasets.Task
    weights: Mapping[str, Tensor] = field(repr=False)
    options: Options = NOTHING_SAID
    metric: str = metrics.VAL_ACCURACY
    sign: float = 1.0
    fixed: Mapping[str, Any] = field(default_factory=dict)
    methods: Mapping[str, Method] = field(default_factory=dict)
    images: Mapping[str, str | None] = field(default_factory=dict)
    accepted: bool = False
    ranks: Ranks = ALONE
    sent: Mapping[str, datasets.Split] = field(default_factory=dict, repr=False)
    code: OwnCode = NONE_OWN
    invert: bool = False
    teachers: dict[str, torch.nn.Module] | None = field(default=None, repr=False, compare=False)

    @property
    def max_epochs(self) -> int:
        return self.method.schedule.epochs

    @property
    def runtime(self) -> Runtime:
        """How it is computed."""
        own = {each.name for each in fields(Runtime)}
        return parse_runtime({name: value for name, value in self.options.runtime({}).items() if name in own})

    def resolve(self, changes: Mapping[str, Any]) -> Method:
        """The method with these changes."""
        if "method" not in changes:
            return config.change(self.method, changes)
        rest = {path: value for path, value in {**self.fixed, **changes}.items() if path != "method"}
        return config.change(self.methods[changes["method"]], rest)

    def fingerprint(self, changes: Mapping[str, Any]) -> str:
        """Of the method with these changes."""
        return config.fingerprint(self.resolve(changes))

    def evaluate(self, run: Run) -> dict[str, float]:
        """The metrics of a run between two epochs; changes nothing of it."""
        return Evaluator(self.task, self.real, run, self.invert).metrics()

    def real(self, which: Any) -> datasets.Split | None:
        """The real images to validate ("val") or to test on ("test"), None where there are none; DataError where this
        machine has not those that were there when the study began."""
        if which in self.sent:
            return self.sent[which]
        found = real(self.task, which, self.options.data, self.runtime.cache)
        if found is None and self.images.get(which) is not None:
            here = f"{platform.node()} has no images of {self.task.name} ({which}), which the study began with"
            raise DataError(f"{here}: --data says a path that each machine has")
        return found

    @cached_property
    def teacher_digest(self) -> str:
        """Of the teacher's weights: see `digest`."""
        return digest(self.weights)

    @property
    def inputs(self) -> dict[str, str | None]:
        """What decides a run besides method and seed, by digests."""
        images = {f"images to {which}": self.images.get(which) for which in ("val", "test")}
        return {"teacher": self.teacher_digest, "task": of_task(self.task), **images}

    def card(self, job: Job, method: Method) -> RunCard:
        """What a job's folder says of its run."""
        own = (job.study, job.trial, job.arm, job.seed, dict(job.changes))
        return RunCard(*own, method, self.task, self.teacher_digest, self.metric, self.options.data, versions())

    def epochs(self, job: Job) -> Iterator[Row]:
        """Run one job to its end, or from where its checkpoint stands: a Row an epoch. MemoryError says what takes
        less."""
        method = self.resolve(job.changes)
        if job.ranks > 1:
            check_shares(method.schedule.batch, job.ranks)
            yield from together(job.ranks, partial(self._of_rank, job), self.runtime.device)
            return
        try:
            with opened(job.folder) as (folder, depot):
                yield from self._epochs(job, method, folder, depot)
        except (MemoryError, torch.OutOfMemoryError) as error:
            raise MemoryError(self._less(method, str(error))) from error

    def fused(self, jobs: Sequence[Job]) -> Lockstep[Row]:
        """Run several jobs in step with each other."""
        opens = replace(self, teachers={}).epochs
        return Lockstep({job.trial: partial(opens, job) for job in jobs}, batches_on(self.runtime.open()))

    def _of_rank(self, job: Job, ranks: Ranks, device: str) -> Iterator[Row]:
        """The same on one of the processes that share the job: rows come from the first of them."""
        threads = max(1, (job.threads or cores()) // ranks.count)
        own = replace(self, options=replace(self.options, device=device), ranks=ranks)
        yield from own.epochs(replace(job, threads=threads, ranks=1))

    def _less(self, method: Method, told: str) -> str:
        """What is said where memory is not enough."""
        batch, (channels, height, width) = method.schedule.batch, self.task.image
        images = f"batches of {batch} images of {channels} x {height} x {width}"
        way = f"--set schedule.batch={max(1, batch // 2)} takes less, as do --precision mixed and smaller nets"
        way += "" if self.teachers is None else ", and a smaller --fuse"
        return f"not enough memory for {images}: {way} ({told.partition(chr(10))[0] or 'of the host'})"

    def _epochs(self, job: Job, method: Method, folder: Path | None, depot: Depot | None) -> Iterator[Row]:
        runtime = replace(self.runtime, threads=job.threads or self.runtime.threads)
        device = runtime.open()
        meter = Meter(device)
        run = self.open(method, job.seed, runtime, device)
        every = EACH_EPOCH if self.options.checkpoint is None else Every.parse(self.options.checkpoint)
        checkpoint = Checkpoint(run, folder, self.inputs, self.accepted, every, depot)
        if self.ranks.own:
            return self._beside(run, checkpoint)
        card = self.card(job, method)
        if checkpoint.folder is not None:
            card.write(checkpoint.folder)
        rows = list(checkpoint.restore(device))
        self.ranks.wait()
        yield from rows
        evaluator, started = Evaluator(self.task, self.real, run, self.invert), time.perf_counter() - checkpoint.seconds
        facts: dict[str, Any] = {"host": platform.node(), "device": device_name(device, self.ranks.count)}
        facts |= {"fingerprint": config.fingerprint(method), "method": config.plain(method)}
        facts["parameters"] = sum(each.numel() for each in run.student.parameters())
        for epoch in self._together(run):
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
            if last:
                checkpoint.export(card, row.final)  # before the last checkpoint: whoever finds that finds these too
            checkpoint.save(row)
            yield row
        if run.epoch < method.schedule.epochs:
            checkpoint.write()
            raise Accident(f"{leaving.SAVED}{leaving.told()}")

    def _beside(self, run: Run, checkpoint: Checkpoint) -> None:
        """What the other ranks do: nothing is measured, kept or told by them."""
        self.ranks.wait()  # the first has looked which checkpoint is sound
        checkpoint.restore(run.device)
        for _ in self._together(run):
            pass

    def _together(self, run: Run) -> Iterator[Epoch]:
        """The epochs that are left, of all ranks together; TrialFailed where these have come to differ."""
        plan = run.method.schedule
        with progress("rounds", plan.epochs * plan.rounds, "rounds") as tell:

            def leaves() -> bool:
                tell(run.rounds)
                return self._leaves()

            for epoch in self.ranks.each(in_step(distill(run, leaves), not run.apart)):
                if not self.ranks.agree(run.student.state_dict().values()):
                    raise TrialFailed(
                        "the student is not the same on all GPUs of the trial: take gpu: 1, and tell us of it"
                    )
                yield epoch

    def _leaves(self) -> bool:
        """Whether the work has to end: all who share it leave after the same round, when the first knows why."""
        return self.ranks.any(self.ranks.own == 0 and leaving.told() is not None)

    def open(self, method: Method, seed: int, runtime: Runtime, device: torch.device) -> Run:
        """What is live of a distillation has the name that all call it by: a run."""
        task, channels, classes = self.task, self.task.image[0], len(self.task.classes)
        teacher = self._teacher(method.teacher.arch or task.teacher.arch)
        with stream(seed, "student"):
            student = nets.build(method.student.arch or task.student, classes, channels, method.student.pretrained)
            if method.student.init is not None:
                initialise(student, method.student.init)
        seen = (task.image, task.mean, task.std)
        return Run(method, teacher, student, *seen, seed, runtime, device, task.classes)

    def _teacher(self, arch: str) -> torch.nn.Module:
        """With its weights; of a pack the same for all trials."""
        kept = {} if self.teachers is None else self.teachers
        if arch not in kept:
            kept[arch] = nets.build(arch, len(self.task.classes), self.task.image[0])
            fill(kept[arch], self.weights, f"the teacher of {self.task.name}")
        return kept[arch]
