"""The bank of dead leaves."""

from __future__ import annotations

import pytest
import torch

from dfkd_ray.datasets.dead_leaves import LEAVES, SIDE, dead_leaves

MEAN, STD = (0.5, 0.4, 0.3), (0.25, 0.2, 0.1)


def pictures(count: int, side: int) -> torch.Tensor:
    middle, scale = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    return dead_leaves(count, (3, side, side), MEAN, STD) * scale + middle


def test_they_are_pictures_and_the_same_for_every_trial() -> None:
    state = torch.get_rng_state()
    first = pictures(8, 32)
    assert first.shape == (8, 3, 32, 32)
    assert 0 <= first.min() < 0.05
    assert 0.95 < first.max() <= 1
    dead_leaves.cache_clear()
    assert torch.equal(first, pictures(8, 32))
    assert torch.equal(torch.get_rng_state(), state), "a run's random numbers are not touched"


def test_areas_of_one_colour_lie_over_one_another() -> None:
    for picture in pictures(4, 32):
        colours = torch.unique((picture * 1e5).round().flatten(1), dim=1)
        assert 4 < colours.shape[1] <= LEAVES + 1
        assert (picture[:, :, 1:] == picture[:, :, :-1]).all(0).float().mean() > 0.5, "most neighbours are alike"


def test_radii_follow_the_inverse_cube(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single white leaf on black: its area says its radius, of which a share (1 - r^-2) / (1 - R^-2) is below r."""
    monkeypatch.setattr("dfkd_ray.datasets.dead_leaves.LEAVES", 1)
    dead_leaves.cache_clear()
    found = pictures(2000, 64)
    ground = found[:, :, :1, :1]
    area = (found != ground).any(1).flatten(1).float().sum(1)
    dead_leaves.cache_clear()
    below = (area < 3.14159 * 4**2).float().mean()
    assert below == pytest.approx((1 - 4**-2) / (1 - 32**-2), abs=0.05)


def test_large_ones_are_enlarged() -> None:
    large = pictures(2, 2 * SIDE)
    assert large.shape[2:] == (2 * SIDE, 2 * SIDE)
    assert torch.allclose(large.mean((2, 3)), pictures(2, SIDE).mean((2, 3)), atol=0.02)
