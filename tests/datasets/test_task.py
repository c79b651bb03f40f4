from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dfkd_ray import datasets
from dfkd_ray.datasets import HoldOut, Task


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("a",)}, "at least two different names"),
        ({"classes": ("a", "a")}, "at least two different names"),
        ({"mean": (0.5,)}, "mean must have a number for each channel, 3 in all"),
        ({"std": (0.1, 0.0, 0.1)}, "std must be > 0"),
        ({"image": (3, 0, 8)}, "each >= 1"),
        ({"folders": ("a",)}, "a different name for each of the 2 classes"),
        ({"folders": ("a", "a")}, "a different name for each of the 2 classes"),
        ({"crop": 0.0}, "crop must be above 0 and at most 1"),
        ({"crop": 1.1}, "crop must be above 0 and at most 1"),
    ],
)
def test_a_task_that_cannot_be(small: Task, change: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        replace(small, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"train": 0}, {"train": 1.5}, {"test": -1}, {"test": -0.5}])
def test_what_cannot_be_held_out(change: dict[str, float]):
    with pytest.raises(
        ValueError, match=rf"{next(iter(change))} must be a number of images or a share of them below 1"
    ):
        HoldOut(**change)


@pytest.mark.parametrize(
    "change", [{"epochs": 0}, {"lr": 0.0}, {"batch": -1}, {"momentum": 1.0}, {"weight_decay": -1.0}]
)
def test_a_recipe_that_cannot_be(change: dict[str, float]):
    with pytest.raises(ValueError, match=next(iter(change))):
        datasets.TeachRecipe(**change)  # type: ignore[arg-type]


def test_normalise_by_hand(small: Task):
    images = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    images[0, 1, 2, 3] = 51  # 0.2
    x = datasets.normalise(small, images)
    assert x.dtype == torch.float32
    assert x[0, 1, 2, 3].item() == pytest.approx((0.2 - 0.4) / 0.25)
    assert x[0, 2, 0, 0].item() == pytest.approx(-0.3 / 0.3)


def test_denormalise_undoes_normalise_and_clips(small: Task):
    images = torch.arange(192).view(1, 3, 8, 8).to(torch.uint8)
    torch.testing.assert_close(datasets.denormalise(small, datasets.normalise(small, images)), images / 255)
    assert datasets.denormalise(small, torch.full((1, 3, 8, 8), 9.0)).max() == 1
    assert datasets.denormalise(small, torch.full((1, 3, 8, 8), -9.0)).min() == 0


def test_normalise_refuses_floats(small: Task):
    with pytest.raises(TypeError, match="uint8"):
        datasets.normalise(small, torch.zeros(1, 3, 8, 8))


def test_tasks_with_images_of_their_own_are_called_by_where_these_lie(small: Task, tmp_path: Path) -> None:
    assert small.slug == "small"
    slugs = [replace(small, data=str(tmp_path / site / "photos")).slug for site in ("siteA", "siteB", "siteA")]
    assert slugs[0] == slugs[2] != slugs[1]
    expected = hashlib.sha256(str(tmp_path / "siteA" / "photos").encode()).hexdigest()[:4]
    assert slugs[0] == f"small-{expected}"
