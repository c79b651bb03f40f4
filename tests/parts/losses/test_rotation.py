from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.parts.losses.rotation import LiveRotation, Rotation
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.util.errors import ConfigError

K, D = 3, 5
SETTING = Setting((2, 4, 4), K, (0.5,) * 2, (0.5,) * 2, Layout((), 6), Layout((), D))


class Looks:
    """A student's pass: its embedding is a matrix times the pixels."""

    def __init__(self, images: Tensor, weight: Tensor) -> None:
        self.images, self.weight = images, weight
        self.embedding = images.flatten(1) @ weight

    def on(self, images: Tensor) -> Looks:
        return Looks(images, self.weight)


def seen(grad: bool = True) -> Any:
    torch.manual_seed(3)
    images = torch.randn(4, 2, 4, 4).requires_grad_(grad)
    weight = torch.randn(32, D)
    return SimpleNamespace(images=images, labels=torch.tensor([0, 2, 1, 2]), student=Looks(images, weight))


def turned(image: list[Any]) -> list[Any]:
    """By a quarter against the clock: (i, j) becomes (n - 1 - j, i)."""
    n = len(image)
    return [[image[j][n - 1 - i] for j in range(n)] for i in range(n)]


def by_hand(live: LiveRotation, signals: Any) -> float:
    """Minus the mean cross-entropy of all images in all four rotations."""
    first, second = (m for m in live.head.modules() if isinstance(m, nn.Linear))
    losses = []
    for image, y in zip(signals.images.tolist(), signals.labels.tolist()):
        planes = image
        for r in range(4):
            x = torch.tensor(planes).flatten()
            out = second(first(x @ signals.student.weight).clamp(min=0))
            out = (out / out.norm()).tolist()
            losses.append(math.log(sum(map(math.exp, out))) - out[4 * y + r])
            planes = [turned(plane) for plane in planes]
    return -sum(losses) / len(losses)


def live() -> LiveRotation:
    torch.manual_seed(1)
    return Rotation().open(SETTING)


def test_it_is_minus_the_cross_entropy_of_four_rotations() -> None:
    term, signals = live(), seen()
    assert [tuple(p.shape) for p in term.parameters()] == [(D, D), (D,), (4 * K, D), (4 * K,)]
    assert term(signals).item() == pytest.approx(by_hand(term, signals), rel=1e-5)


def test_images_get_worse_for_the_head_and_the_head_gets_better() -> None:
    term, signals = live(), seen()
    before = term(signals)
    before.backward()
    assert signals.images.grad is not None
    with torch.no_grad():
        moved = seen(grad=False)
        moved.images -= 0.05 * signals.images.grad
        moved.student = Looks(moved.images, moved.student.weight)
        assert term(moved) < before, "a step of the images raises the cross-entropy"
        for p in term.parameters():
            assert p.grad is not None
            p -= 0.05 * p.grad
        assert term(seen()) > before, "a step of the head lowers it"


def test_images_that_are_no_squares_are_refused() -> None:
    with pytest.raises(ConfigError, match="an image of 4x6 turned by a quarter is another size: set it to null"):
        Rotation().open(Setting((2, 4, 6), K, (0.5,) * 2, (0.5,) * 2, Layout((), 6), Layout((), D)))
