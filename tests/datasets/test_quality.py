"""Measures of real images, against loops and numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.datasets.quality import Areas, measured


def halves(outputs: torch.Tensor, targets: torch.Tensor) -> Any:
    return zip(outputs.split(2), targets.split(2))


def test_accuracy_is_the_share_of_images_named_right() -> None:
    outputs = torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 2.0]])
    assert measured("classes", halves(outputs, torch.tensor([0, 1, 1]))) == {"accuracy": pytest.approx(2 / 3)}


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=12, max_size=12))
def test_mean_iou_is_that_of_sets_of_positions(pairs: list[tuple[int, int]]) -> None:
    true, told = zip(*pairs)
    ious = []
    for k in range(4):
        a, b = ({i for i, name in enumerate(each) if name == k} for each in (true, told))
        if a | b:
            ious.append(len(a & b) / len(a | b))
    outputs = torch.nn.functional.one_hot(torch.tensor(told), 4).float().view(3, 2, 2, 4).permute(0, 3, 1, 2)
    targets = torch.tensor(true, dtype=torch.uint8).view(3, 2, 2)
    assert measured("segmentation", halves(outputs, targets))["miou"] == pytest.approx(sum(ious) / len(ious))


def test_a_class_that_is_nowhere_has_no_area() -> None:
    areas = Areas()
    areas.add(torch.tensor([[[[2.0, 0.0]], [[0.0, 2.0]], [[1.0, 1.0]]]]), torch.tensor([[[0, 0]]]))
    assert areas.by_class()[:2].tolist() == [0.5, 0.0]
    assert math.isnan(areas.by_class()[2])
    assert areas.measures() == {"miou": 0.25}


def test_depths_against_numpy() -> None:
    rng = np.random.default_rng(0)
    true, told = rng.uniform(1, 3, (5, 4, 4)), rng.uniform(-0.2, 4, (5, 4, 4))
    above = np.maximum(told, 1e-3)
    expected = {
        "delta1": (np.maximum(above / true, true / above) < 1.25).mean(),
        "rmse": np.sqrt(((told - true) ** 2).mean()),
        "rel": (np.abs(told - true) / true).mean(),
    }
    found = measured("depth", halves(torch.tensor(told)[:, None], torch.tensor(true)))
    assert found == pytest.approx(expected, rel=1e-5)
    assert list(found) == ["delta1", "rmse", "rel"], "the first is what networks are compared by"
