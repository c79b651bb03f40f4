"""What is measured of a run between two epochs: the one place where real images meet a student."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import cached_property, lru_cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from dfkd_ray import datasets, metrics
from dfkd_ray.datasets.picture import contact_sheet
from dfkd_ray.datasets.readers import NoSplit
from dfkd_ray.metrics import Quality
from dfkd_ray.nets.digest import digest
from dfkd_ray.runs import measures
from dfkd_ray.runs.card import Which
from dfkd_ray.runs.checkpoint import Checkpoint
from dfkd_ray.runs.inverted import inverted
from dfkd_ray.train.run import Run
from dfkd_ray.util.choices import Cache
from dfkd_ray.util.errors import DataError

PICTURES = 5  # grids of synthetic images that a trial reports, evenly over its epochs
GRID = (4, 8)  # rows and columns of such a grid
_TEACHER: dict[tuple[Any, ...], tuple[datasets.Split, dict[str, float]]] = {}  # the last one that was evaluated


class Evaluator:
    """Evaluates a run between epochs; the one place where real images meet a student, and they teach it nothing.

    images: those of "val" or "test", None where there are none. invert: also on images inverted from the teacher.
    """

    def __init__(
        self, task: datasets.Task, images: Callable[[Any], datasets.Split | None], run: Run, invert: bool = False
    ) -> None:
        self.task, self.images, self.run, self.invert = task, images, run, invert

    def metrics(self) -> dict[str, float]:
        run = self.run
        out = measures.data_free(run.teacher, run.student, run.source, run.setting, self._inverted)
        images = self.images("val")
        if images is not None:
            found = self._quality(run.student, images)
            out = {**{metrics.measure(key).val: value for key, value in found.items()}, **out}
        return out

    @cached_property
    def _inverted(self) -> Tensor | None:
        if not self.invert:
            return None
        at_once = measures.at_a_time(*self.run.setting.image[1:])
        return inverted(self.run.teacher, self.run.setting, at_once)

    def final(self, checkpoint: Checkpoint) -> dict[str, float]:
        """Taken once, at the end, for the report alone: the test split never chose anything."""
        out = {metrics.BEST_EPOCH: float(checkpoint.best_epoch), **self.run.spent()}
        if checkpoint.curve and not math.isnan(checkpoint.curve[-1]):
            out[self._first.median] = measures.median_of_last(checkpoint.curve)
        images = self.images("test")
        if images is None:
            return out
        student, teacher = self.run.student, self._of_teacher(images)[self._first.key]
        found: dict[Which, dict[str, float]] = {"last": self._quality(student, images)}
        if checkpoint.best_epoch == self.run.epoch:
            found["best"] = found["last"]
        else:
            last = {key: value.clone() for key, value in student.state_dict().items()}
            student.load_state_dict(checkpoint.best)
            found["best"] = self._quality(student, images)
            student.load_state_dict(last)
        for which, own in found.items():
            out |= {metrics.measure(key).test(which): value for key, value in own.items()}
            if teacher:
                # CGDD's metric (arXiv:2112.15358) is most plausibly acc(S)/acc(T): the abstract gives the purpose, not
                # the formula
                out[self._first.relative(which)] = own[self._first.key] / teacher
        return out

    @property
    def _first(self) -> Quality:
        return metrics.QUALITY[self.task.targets]

    def _of_teacher(self, images: datasets.Split) -> dict[str, float]:
        """How right the teacher is, computed once for the trials of a process that have the same one."""
        asked = (type(self.run.teacher), digest(self.run.teacher.state_dict()), self.task.mean, self.task.std)
        known = _TEACHER.get(asked)
        if known is None or not all(map(operator.is_, known[0], images)):
            _TEACHER.clear()
            known = _TEACHER[asked] = images, self._quality(self.run.teacher, images)
        return known[1]

    def _quality(self, net: nn.Module, images: datasets.Split) -> dict[str, float]:
        return measures.quality(net, *images, self.task.targets, partial(datasets.normalise, self.task))

    def picture(self) -> bytes:
        """A grid of the source's images, as they are now, as a WebP file."""
        rng = torch.Generator(self.run.device).manual_seed(3)
        images = self.run.source.sample(GRID[0] * GRID[1], rng, training=False).images
        return contact_sheet(datasets.denormalise(self.task, images).cpu(), *GRID)


@lru_cache(maxsize=4)
def real(task: datasets.Task, which: Any, data: str | None, cache: Cache = "memmap") -> datasets.Split | None:
    """Real images and labels; None where the user has none. Kept between the trials of one process."""
    try:
        return datasets.split(task, which, datasets.local(data), cache=cache)
    except NoSplit:
        return None
    except DataError:
        if data is not None or task.data is not None:
            raise
        return None


def pictured(epoch: int, epochs: int) -> bool:
    return epoch in {1, *(round(epochs * k / (PICTURES - 1)) for k in range(1, PICTURES))}
