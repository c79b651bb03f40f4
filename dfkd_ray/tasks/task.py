"""A task: a data set, its classes and image size, and the teacher that goes with it; one YAML file each.

>>> load("gliders").teacher
TeacherRef(arch='resnet8', weights='gliders_resnet8.safetensors', test_accuracy=...)

Evaluation and the training of teachers read images through a task; distillation gets the teacher and the shape of an
image alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from dfkd_ray import yamls
from dfkd_ray.errors import UnknownName
from dfkd_ray.registry import did_you_mean

HERE = Path(__file__).parent


@dataclass(frozen=True)
class TeacherRef:
    """Which net the teacher is. `weights`: a file beside the shipped tasks or an absolute path; None: the user brings
    one.

    `test_accuracy`: the measured fraction, None where nobody measured it.
    """

    arch: str
    weights: str | None = None
    test_accuracy: float | None = None


@dataclass(frozen=True)
class TeachRecipe:
    """How `teach` trains: SGD with Nesterov momentum, or AdamW; the learning rate falls to 0 along a half cosine."""

    epochs: int = 30
    batch: int = 128
    lr: float = 0.1
    optimiser: Literal["sgd", "adamw"] = "sgd"
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.0
    augment: Literal["none", "flip", "crop_flip", "dihedral"] = "none"

    def __post_init__(self) -> None:
        for name in ("epochs", "batch", "lr"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be > 0, got {getattr(self, name)}")
        for name in ("momentum", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must be in [0, 1), got {getattr(self, name)}")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay must be >= 0, got {self.weight_decay}")


@dataclass(frozen=True)
class HoldOut:
    """Where validation images come from when the data has none of its own.

    With a training split: its last `train` images. With a test split alone: its first `test` images, and the test split
    is the rest. Images in folders (and CIFAR-100's) come in an order whose every end holds the classes by their shares.
    """

    train: int = 5_000
    test: int = 2_000

    def __post_init__(self) -> None:
        if min(self.train, self.test) < 1:
            raise ValueError(f"a validation split needs at least one image, got train={self.train}, test={self.test}")


@dataclass(frozen=True)
class Task:
    """What a YAML file of this folder says. `image`: (channels, height, width) as the nets see it; `mean`, `std`: a
    number a channel.

    The teacher owns its normalisation: `weights.adopt` replaces `mean` and `std` by those of the card beside a file of
    weights, and `normalised_by` says so. `fit`: how a smaller image becomes `image` (black border, or bilinear).
    Of images in folders: `folders`, the folder of each class where it has another name than the class, and `crop`, the
    share of the shorter side that the centre crop keeps (0.875: 256 pixels are cut to 224).
    """

    name: str
    reader: str
    classes: tuple[str, ...]
    image: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    teacher: TeacherRef
    student: str
    fit: Literal["pad", "resize"] = "resize"
    folders: tuple[str, ...] = ()
    crop: float = 1.0
    hold_out: HoldOut = field(default_factory=HoldOut)
    recipe: TeachRecipe = field(default_factory=TeachRecipe)
    normalised_by: str = "the task"

    def __post_init__(self) -> None:
        if len(set(self.classes)) != len(self.classes) or len(self.classes) < 2:
            raise ValueError("classes must be at least two different names")
        if self.folders and len({*self.folders}) != len(self.classes):
            raise ValueError(f"folders must be a different name for each of the {len(self.classes)} classes, or none")
        if not 0 < self.crop <= 1:
            raise ValueError(f"crop must be above 0 and at most 1, got {self.crop}")
        if min(self.image) < 1:
            raise ValueError(f"image must be (channels, height, width), each >= 1, got {self.image}")
        for name in ("mean", "std"):
            if len(getattr(self, name)) != self.image[0]:
                raise ValueError(f"{name} must have one number for each of the {self.image[0]} channels")
        if min(self.std) <= 0:
            raise ValueError(f"std must be > 0, got {self.std}")


def names() -> list[str]:
    """The tasks that ship with the package."""
    return sorted(path.stem for path in HERE.glob("*.yaml"))


def load(name: str) -> Task:
    """The shipped task of that name, or the task in the YAML file at that path.

    Raises UnknownName with the nearest name, ConfigError with every mistake of the file. Weights stand beside the file
    that names them.
    """
    if Path(name).suffix in (".yaml", ".yml"):
        path = Path(name).resolve()
        task = parse(yamls.load(path))
        if task.teacher.weights is None:
            return task
        return replace(task, teacher=replace(task.teacher, weights=str(path.parent / task.teacher.weights)))
    if name not in names():
        raise UnknownName(
            f"unknown task {name!r}{did_you_mean(name, names())}; a task of your own is the path of its .yaml"
        )
    return parse(yamls.load(HERE / f"{name}.yaml"))


def parse(document: yamls.Document) -> Task:
    """A task from plain data; ConfigError with the line of each mistake."""
    problems = yamls.Problems()
    task: Task | None = problems.attempt("", yamls.typed, Task, document.data)
    if task is None:
        raise document.locate(problems.found)
    return task


def normalise(task: Task, images: Tensor) -> Tensor:
    """uint8 (N, C, H, W) in 0..255 to the teacher's input space: (x / 255 - mean) / std, float32, same device."""
    if images.dtype != torch.uint8:
        raise TypeError(f"normalise takes uint8 images, got {images.dtype}")
    mean, std = _statistics(task, images)
    return (images.float() / 255 - mean) / std


def denormalise(task: Task, images: Tensor) -> Tensor:
    """The teacher's input space (N, C, H, W) to [0, 1] for pictures: x std + mean, clipped."""
    mean, std = _statistics(task, images)
    return (images.float() * std + mean).clamp(0, 1)


def _statistics(task: Task, images: Tensor) -> tuple[Tensor, Tensor]:
    mean, std = (torch.tensor(v, device=images.device).view(1, -1, 1, 1) for v in (task.mean, task.std))
    return mean, std
