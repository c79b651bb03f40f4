"""The algorithm box of every data-free distillation paper, once. It is given no data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from dfkd_ray.parts.augmenting import augment
from dfkd_ray.parts.signals import Signals, frozen, mode
from dfkd_ray.train.run import Run


class Epoch(NamedTuple):
    """What one epoch leaves: its number (from 1), the mean of every loss term over its steps, and in float16 the number
    of steps that were skipped so far; of a memory that varies images, the share of variations that it keeps."""

    number: int
    losses: dict[str, float]


def distill(run: Run, leave: Callable[[], object] = lambda: False) -> Iterator[Epoch]:
    """Teach `run.student` from `run.teacher` alone, from where the run stands to its last epoch.

    Yields after each epoch, when the run may be evaluated, saved, or left: whoever iterates decides. leave: asked
    before each round; where it says so the loop ends there, and the run may be saved in the middle of its epoch.
    """
    plan = run.method.schedule
    for epoch in range(run.epoch + 1, plan.epochs + 1):
        rng, means = run.begin(epoch), run.means
        while run.rounds < epoch * plan.rounds:
            if leave():
                return
            # 1. the source looks for images that the teacher finds typical and the student finds hard
            if plan.source_moves(epoch):
                with run.precision(), frozen(run.student), mode(run.student, plan.student_in_synthesis == "train"):
                    for losses in run.source.improve(plan.batch, run.source_steps, run.image_loss, rng, run.progress):
                        means.add("source", losses)
                    run.source_loss.settle()
                run.memory.refill(run.source, plan.batch, rng)
            # 2. the student learns from the teacher on images of the source
            for losses in learn(run, run.student_steps(epoch), rng):
                means.add("student", losses)
            run.rounds += 1
        run.epoch = epoch
        yield Epoch(epoch, means.close() | run.skipped() | run.kept())


def learn(run: Run, steps: int, rng: torch.Generator) -> Iterator[dict[str, Tensor]]:
    """So many steps of the student on images of its memory; yields the losses of each."""
    run.student.train()
    for _ in range(steps):
        with run.precision():
            images, labels = run.memory.draw(run.source, run.method.schedule.batch, rng)
            images = augment(run.method.views.student, images, rng, run.to_data)
            loss, losses = run.student_loss(Signals(images, labels, run.teacher, run.student))
        run.step(loss)
        yield losses
    run.student_loss.settle()
