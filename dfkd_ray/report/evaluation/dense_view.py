"""What the tables of an evaluation of dense targets say, in the shape that its page and its charts ask for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfkd_ray import metrics
from dfkd_ray.metrics import Quality
from dfkd_ray.report import loading
from dfkd_ray.report.evaluation.view import EvaluationTables
from dfkd_ray.report.settings import is_number
from dfkd_ray.report.view import part
from dfkd_ray.util import tables

KNOWN = {each.key: each for each in (metrics.MIOU, metrics.DELTA1, metrics.RMSE, metrics.REL)}


@dataclass(frozen=True)
class DenseTables(EvaluationTables):
    """The same of a network that tells something at each position; `evaluation` is the table `dense`."""

    @classmethod
    def read(cls, folder: Path) -> DenseTables:
        return cls(*(loading.whole(kind, folder / f"{kind}.arrow") for kind in tables.OF_DENSE))

    @cached_property
    def qualities(self) -> list[Quality]:
        """What was measured of the student, the one by which networks are compared first."""
        return [KNOWN[key] for key in part(part(self.note, "measures"), "student") if key in KNOWN]

    @cached_property
    def of_image(self) -> Quality:
        """What an image is measured by."""
        return KNOWN.get(str(self.note.get("of_image")), metrics.MIOU)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Of a segmentation the classes; else none."""
        return tuple(part(self.note, "positions"))

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(classes,): how many positions each has."""
        held = part(self.note, "positions").values()
        return np.array([int(n) if is_number(n) else 0 for n in held], dtype=np.int64)

    def by_class(self, network: str) -> list[float | None]:
        """The IoU of each class; None where it is nowhere."""
        found = part(part(part(self.note, "measures"), network), "classes")
        return [float(own) if is_number(own := found.get(name)) else None for name in self.classes]

    def by_image(self, network: str) -> list[float]:
        """The measure of each image by itself, in their order."""
        return [float(value) for value in self.evaluation[network].to_pylist() if value is not None]

    @cached_property
    def shown(self) -> list[int]:
        """The images of which there is a picture, from the student's worst to its best."""
        by_row = dict(zip(self.evaluation["index"].to_pylist(), self.evaluation["student"].to_pylist()))
        held = [index for index, what in self.pictures if what == "image" and by_row.get(index) is not None]
        return sorted(held, key=lambda index: (by_row[index], index), reverse=self.of_image.better == "min")
