"""Evaluations of dense targets as their tables would hold them, made from formulas."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dfkd_ray.report.evaluation.dense_view import DenseTables
from dfkd_ray.util import tables
from tests.report.evaluations import noted, square

NAMES = ("ground", "wing", "tail")


def segmentation(images: int = 20, teacher: bool = True, names: Sequence[str] = NAMES) -> DenseTables:
    """Image i has a mean IoU of i / 40, the teacher twice that; the last class is nowhere."""
    shares = [0.9 - 0.1 * k for k in range(len(names))]
    student = {"miou": 0.25, "classes": dict(zip(names, [*shares[:-1], None]))}
    better = {"miou": 0.5, "classes": dict(zip(names, [1.0] * len(names)))}
    measures = {"student": student, **({"teacher": better} if teacher else {})}
    told = {"positions": dict(zip(names, [60, 40] + [0] * len(names))), "of_image": "miou", "depths": [0.0, 0.0]}
    swatches = [{"index": k, "what": "class", "format": "png", "picture": square(k)} for k in range(len(names))]
    return _made(images, teacher, measures, told, swatches)


def depth(images: int = 20, teacher: bool = True) -> DenseTables:
    own = {"delta1": 0.5, "rmse": 0.4, "rel": 0.125}
    measures = {"student": own, **({"teacher": {**own, "delta1": 0.75}} if teacher else {})}
    return _made(images, teacher, measures, {"positions": {}, "of_image": "rmse", "depths": [1.5, 4.0]}, [])


def _made(images: int, teacher: bool, measures: Any, told: dict[str, Any], swatches: list[Any]) -> DenseTables:
    note = {**noted(tuple(told["positions"]), measures, teacher), **told}
    rows = [{"index": i, "student": i / 40, **({"teacher": i / 20} if teacher else {})} for i in range(images)]
    whats = ("image", "target", "student", *(["teacher"] if teacher else []))
    some = range(0, images, 4)
    shown = [{"index": i, "what": what, "format": "png", "picture": square(i)} for what in whats for i in some]
    return DenseTables(tables.table("dense", rows, note), tables.table("examples", [*swatches, *shown], note))


def write(folder: Path, given: DenseTables) -> Path:
    tables.write(given.evaluation, folder / "dense.arrow")
    tables.write(given.examples, folder / "examples.arrow")
    return folder
