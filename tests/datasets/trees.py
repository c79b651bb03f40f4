"""Small trees of images on disk. An image is flat, in a level of grey (or colour) that tells which one it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dfkd_ray import datasets
from dfkd_ray.datasets import Split, Task


def write_image(path: Path, level: Any = 100, size: tuple[int, int] = (24, 20), mode: str = "RGB") -> Path:
    """A flat image of that size (width, height); the ending says the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = level if isinstance(level, tuple) or mode in "LP" else (level,) * len(Image.new(mode, (1, 1)).getbands())
    Image.new(mode, size, colour).save(path)
    return path


def write_noise(path: Path, size: tuple[int, int], mode: str = "RGB", seed: int = 0) -> Path:
    """An image in which every pixel differs from its neighbours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    bands = len(Image.new(mode, (1, 1)).getbands())
    values = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], bands), dtype=np.uint8)
    Image.frombytes(mode, size, values.tobytes()).save(path)
    return path


def write_classes(root: Path, counts: Mapping[str, int], within: str = "", start: int = 0) -> Iterable[Path]:
    """`root/<class>/<within>/image_0001.jpg`, ..., each in the next level of grey from `start`, 2 apart."""
    paths, level = [], start
    for name, count in counts.items():
        (root / name / within).mkdir(parents=True, exist_ok=True)
        for number in range(1, count + 1):
            paths.append(write_image(root / name / within / f"image_{number:04d}.jpg", level))
            level += 2
    return paths


def truncate(path: Path) -> None:
    """The first half of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


def levels(part: Split) -> list[int]:
    """The grey levels, which tell which image is which: JPEG may shift one by 1, and they are 2 apart."""
    return [2 * round(level / 2) for level in part.images.float().mean((1, 2, 3)).tolist()]


def labelled(part: Split) -> dict[int, int]:
    """Labels by grey level."""
    found = dict(zip(levels(part), part.labels.tolist()))
    assert len(found) == len(part.labels)
    return found


def every(task: Task, data: Path | None = None) -> dict[str, dict[int, int]]:
    """The grey levels and labels of all three splits."""
    return {which: labelled(datasets.split(task, which, data)) for which in ("train", "val", "test")}  # type: ignore[arg-type]
