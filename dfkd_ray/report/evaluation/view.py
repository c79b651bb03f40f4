"""What the tables of an evaluation say, in the shape that its page and its charts ask for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dfkd_ray.report import loading
from dfkd_ray.report.blocks import FORMATS
from dfkd_ray.report.notes import sound
from dfkd_ray.report.settings import is_number
from dfkd_ray.report.view import part
from dfkd_ray.util import tables

NETWORKS = ("student", "teacher")


@dataclass(frozen=True)
class ImageRow:
    """One image: its place in the split, its class, and what each network names it, by number and by confidence."""

    index: int
    label: int
    named: Mapping[str, int]
    confidence: Mapping[str, float]

    @property
    def right(self) -> bool:
        return self.named["student"] == self.label


@dataclass(frozen=True)
class EvaluationTables:
    """The tables of an evaluation and what follows from them; the only input of its page."""

    evaluation: pa.Table
    examples: pa.Table

    @classmethod
    def read(cls, folder: Path) -> EvaluationTables:
        """The tables in a folder; StudyError names the one that is missing or damaged."""
        return cls(**{kind: loading.whole(kind, folder / f"{kind}.arrow") for kind in tables.EVALUATED})

    @cached_property
    def note(self) -> dict[str, Any]:
        return sound(tables.metadata(self.evaluation))

    @cached_property
    def task(self) -> dict[str, Any]:
        return part(self.note, "task")

    @cached_property
    def split(self) -> str:
        return str(self.note.get("split") or "")

    @cached_property
    def networks(self) -> tuple[str, ...]:
        """The student, and its teacher where there is one."""
        return tuple(name for name in NETWORKS if name == "student" or self.evaluation[name].null_count == 0)

    def network(self, name: str) -> dict[str, Any]:
        """What is known of a network: its architecture, its file, its parameters."""
        return part(part(self.note, "networks"), name)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The name of each class; its number where the tables have no name."""
        told = self.task.get("classes")
        names = list(map(str, told)) if isinstance(told, list) else []
        most = max((int(self.numbers(n).max(initial=-1)) for n in ("label", *self.networks)), default=-1)
        return (*names, *map(str, range(len(names), most + 1)))

    def numbers(self, column: str) -> NDArray[np.int64]:
        """A column of whole numbers, one an image."""
        found: NDArray[np.int64] = np.asarray(self.evaluation[column].to_pylist(), dtype=np.int64)
        return found

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """(classes,): how many images each has."""
        return np.bincount(self.numbers("label"), minlength=len(self.classes))

    def by_class(self, network: str) -> list[float | None]:
        """The share of each class's images that a network names right; None where it has no image."""
        labels = self.numbers("label")
        right = np.bincount(labels[self.numbers(network) == labels], minlength=len(self.classes))
        return [float(r / n) if n else None for r, n in zip(right, self.counts)]

    @cached_property
    def confusions(self) -> dict[tuple[int, int], int]:
        """How often the student names an image of one class (first) another or the same (second)."""
        return dict(Counter(zip(self.numbers("label").tolist(), self.numbers("student").tolist())))

    def share(self, *path: str) -> float | None:
        """A measure by its place in the metadata: `share("student", "top1")`."""
        found: Any = part(self.note, "measures")
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return float(found) if is_number(found) else None

    def bins(self, network: str) -> list[dict[str, Any]]:
        """The bins of a reliability diagram."""
        found = part(part(self.note, "measures"), network).get("reliability")
        return [b for b in found if isinstance(b, dict)] if isinstance(found, list) else []

    @cached_property
    def confused(self) -> list[dict[str, int]]:
        """The pairs of classes that are confused most: label, named, images, of, teacher."""
        found = part(self.note, "measures").get("confused")
        pairs = [p for p in found if isinstance(p, dict)] if isinstance(found, list) else []
        known = range(len(self.classes))
        return [p for p in pairs if p.get("label") in known and p.get("named") in known]

    @cached_property
    def rows(self) -> dict[int, ImageRow]:
        """The images of which there is a picture, by index."""
        wanted = {index for index, _ in self.pictures}
        data = self.evaluation.filter(pa.compute.is_in(self.evaluation["index"], pa.array(sorted(wanted), pa.int32())))
        return {
            row["index"]: ImageRow(
                row["index"],
                row["label"],
                {name: row[name] for name in self.networks},
                {name: row[f"{name}_confidence"] for name in self.networks},
            )
            for row in data.to_pylist()
        }

    @cached_property
    def pictures(self) -> dict[tuple[int, str], tuple[str, bytes]]:
        """Format and bytes of each picture, by image and by what it shows: image, student, teacher."""
        rows = self.examples.to_pylist()
        usable = (row for row in rows if row["picture"] and row["format"] in FORMATS)
        return {(row["index"], row["what"]): (row["format"], row["picture"]) for row in usable}
