"""Targets for each position, as an `.npz` may have them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dfkd_ray import datasets
from dfkd_ray.util.errors import ConfigError, DataError

PARTS, DEPTH = datasets.load("gliders_parts"), datasets.load("gliders_depth")


def saved(tmp_path: Path, targets: Any, side: int = 4) -> Path:
    path = tmp_path / "some.npz"
    np.savez(path, images=np.zeros((len(targets), side, side, 3), np.uint8), labels=targets)
    return path


def test_targets_are_read_and_enlarged_by_the_nearest(tmp_path: Path) -> None:
    targets = np.arange(2 * 16).reshape(2, 4, 4) % 5
    task = replace(PARTS, image=(3, 8, 8), hold_out=datasets.HoldOut(test=0))
    images, found = datasets.split(task, "test", saved(tmp_path, targets))
    assert images.shape == (2, 3, 8, 8)
    assert found.dtype == torch.uint8
    assert found.tolist() == targets.repeat(2, 1).repeat(2, 2).tolist()
    depth = replace(DEPTH, image=(3, 4, 4), hold_out=datasets.HoldOut(test=0))
    found = datasets.split(depth, "test", saved(tmp_path, targets + 0.5)).labels
    assert found.dtype == torch.float32
    assert found.tolist() == (targets + 0.5).tolist()


@pytest.mark.parametrize(
    ("task", "targets", "said"),
    [
        (
            PARTS,
            np.zeros(3, int),
            r"segmentation of gliders_parts must be whole numbers of shape \(3, 4, 4\), got int64",
        ),
        (PARTS, np.zeros((3, 4, 4)), "must be whole numbers"),
        (PARTS, np.full((3, 4, 4), 5), "targets 5..5 do not fit the 5 classes of gliders_parts"),
        (DEPTH, np.zeros((3, 4, 4)), "a depth of gliders_depth must be a finite number above 0, got 0.0..0.0"),
        (DEPTH, np.full((3, 4, 4), np.nan), "must be a finite number above 0"),
    ],
)
def test_targets_that_do_not_fit_are_refused(tmp_path: Path, task: datasets.Task, targets: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        datasets.split(replace(task, hold_out=datasets.HoldOut(test=0)), "test", saved(tmp_path, targets))


def test_files_and_borders_have_no_targets(tmp_path: Path) -> None:
    padded = replace(PARTS, fit="pad", hold_out=datasets.HoldOut(test=0))
    with pytest.raises(DataError, match="`fit: pad` has no targets for its border"):
        datasets.split(padded, "test", saved(tmp_path, np.zeros((1, 4, 4), int)))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"recipe": datasets.TeachRecipe(augment="flip")}, "recipe.augment flip moves images, not their segmentation"),
        ({"among": PARTS.classes}, "among and folders are for classes of images, and targets are segmentation"),
        ({"targets": "depth"}, "classes must be one name where targets are depth"),
    ],
)
def test_a_task_whose_parts_do_not_go_with_its_targets(changes: dict[str, Any], said: str) -> None:
    with pytest.raises((ValueError, ConfigError), match=said):
        replace(PARTS, **changes)


def test_a_picture_of_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gliders_parts: a picture has a row for each class of images"):
        datasets.write_grid(PARTS, tmp_path / "x.png")
