"""A task: a data set, its classes and image size, and the teacher that goes with it; one YAML file each.

Evaluation and the training of teachers read images through a task; distillation gets the teacher and the shape of an
image alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from dfkd_ray.datasets.origin import Origin
from dfkd_ray.datasets.shares import SplitShares
from dfkd_ray.util import limits
from dfkd_ray.util.choices import Targets

HERE = Path(__file__).parent


@dataclass(frozen=True)
class TeacherRef:
    """Which net the teacher is. `weights`: a file beside the shipped tasks or an absolute path; None: the user brings
    one.

    `test_accuracy`: the measured fraction, None where nobody measured it; of dense targets the first measure of
    `datasets.quality` in its place.
    """

    arch: str
    weights: str | None = None
    test_accuracy: float | None = None

    @property
    def file(self) -> Path | None:
        """Where the weights are; None for those that the package ships, and where there are none."""
        return Path(self.weights) if self.weights is not None and Path(self.weights).is_absolute() else None


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
    augment: Literal["none", "flip", "crop_flip", "dihedral", "random_crop_flip", "resized_crop_flip"] = "none"

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
    is the rest; with 0, or where there are no more than those, there are none for validation. Below 1: that share of
    them. Images in folders (and CIFAR-100's) come in an order whose every end holds the classes by their shares.
    """

    train: int | float = 5_000
    test: int | float = 2_000

    def __post_init__(self) -> None:
        for name, count in {"train": self.train, "test": self.test}.items():
            if count < 0 or (count >= 1 and count != int(count)) or (name == "train" and count == 0):
                raise ValueError(f"{name} must be a number of images or a share of them below 1, got {count}")


@dataclass(frozen=True)
class Task:
    """What a YAML file of this folder says. `image`: (channels, height, width) as the nets see it; `mean`, `std`: a
    number a channel.

    The teacher owns its normalisation: `weights.adopt` replaces `mean` and `std` by those of the card beside a file of
    weights, and `normalised_by` says so. `fit`: how a smaller image becomes `image` (black border, or bilinear).
    Of images in folders: `folders`, the folder of each class where it has another name than the class, and `crop`, the
    share of the shorter side that the centre crop keeps (0.875: 256 pixels are cut to 224).
    `data`: where its images are, unless `--data` says otherwise; a path beside the YAML file, or an absolute one.
    `origin`: where its data comes from; None where it needs none, or the user brings it.
    `recipe` trains a teacher from scratch, `fine_tuning` one that starts from ImageNet's weights: see `recipe_from`.
    `among`: the classes of the data, where `classes` are some of them. `split`: see `SplitShares`, of a folder of one's
    own that has no splits. `skip_damaged`: how many files of each split may be damaged, and are left out.
    `targets`: what is to be told of an image: which of `classes` it is; at each position which of them is there
    ("segmentation"); or how far away that is ("depth"), and then `classes` has one name, that of the output.
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
    fine_tuning: TeachRecipe | None = None
    normalised_by: str = "the task"
    data: str | None = None
    origin: Origin | None = None
    among: tuple[str, ...] = ()
    split: str | None = None
    skip_damaged: int = 0
    targets: Targets = "classes"

    def __post_init__(self) -> None:
        if not self.name or Path(self.name).name != self.name:  # folders and files are called by it
            raise ValueError(f"name must be one that a file may have, got {self.name!r}")
        limits.check_fields(self)
        if prod(self.image) > limits.PIXELS:
            raise ValueError(f"image must have at most {limits.PIXELS:,} values, got {self.image}")
        if self.targets == "depth" and len(self.classes) != 1:
            raise ValueError("classes must be one name where targets are depth: that of the output")
        if self.targets != "depth" and (len(set(self.classes)) != len(self.classes) or len(self.classes) < 2):
            raise ValueError("classes must be at least two different names")
        if self.targets != "classes" and (self.among or self.folders):
            raise ValueError(f"among and folders are for classes of images, and targets are {self.targets}")
        if self.targets != "classes" and self.recipe.augment != "none":
            raise ValueError(f"recipe.augment {self.recipe.augment} moves images, not their {self.targets}: take none")
        if self.among and not {*self.classes} <= {*self.among}:
            raise ValueError("among must hold all classes, or none")
        of = len(self.among or self.classes)
        if self.folders and len({*self.folders}) != of:
            raise ValueError(f"folders must be a different name for each of the {of} classes, or none")
        if self.split is not None:
            SplitShares.parse(self.split)
        if self.skip_damaged < 0:
            raise ValueError(f"skip_damaged must be >= 0, got {self.skip_damaged}")
        if not 0 < self.crop <= 1:
            raise ValueError(f"crop must be above 0 and at most 1, got {self.crop}")
        if min(self.image) < 1:
            raise ValueError(f"image must be (channels, height, width), each >= 1, got {self.image}")
        for name in ("mean", "std"):
            if len(getattr(self, name)) != self.image[0]:
                raise ValueError(f"{name} must have a number for each channel, {self.image[0]} in all")
        if min(self.std) <= 0:
            raise ValueError(f"std must be > 0, got {self.std}")

    @property
    def slug(self) -> str:
        """How files and folders that are made of it are called: its name, and where its images lie in a place of their
        own four letters of a digest of that, because two such places may have one name."""
        if self.data is None:
            return self.name
        return f"{self.name}-{hashlib.sha256(str(Path(self.data).absolute()).encode()).hexdigest()[:4]}"

    def recipe_from(self, pretrained: bool) -> TeachRecipe:
        """How a teacher is trained from scratch, or from ImageNet's weights.

        A task without `fine_tuning` is fine-tuned by its recipe at a tenth of the learning rate, a reconstruction.
        """
        if not pretrained:
            return self.recipe
        return self.fine_tuning or replace(self.recipe, lr=self.recipe.lr / 10)


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
