"""Every view of the registry."""

from __future__ import annotations

import pickle

import pytest
import torch

from dfkd_ray.parts import views as package
from dfkd_ray.parts.slots import views

IMAGES = torch.randn(6, 3, 8, 10, generator=torch.Generator().manual_seed(0))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", list(views))
@pytest.mark.parametrize("channels", [1, 3])
def test_a_view_keeps_the_shape_lets_gradients_through_and_draws_from_its_own_numbers(name: str, channels: int) -> None:
    view = views[name]()
    assert pickle.loads(pickle.dumps(view)) == view
    images = IMAGES[:, :channels].clone().requires_grad_()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    seen = view(images, rng())
    assert torch.equal(torch.get_rng_state(), before)
    assert seen.shape == images.shape
    seen.sum().backward()
    assert images.grad is not None
    assert bool((images.grad >= 0).all())
    assert images.grad.sum() > 0
    assert torch.equal(view(images, rng()), seen)
    assert any(not torch.equal(view(images, rng(seed)), seen) for seed in range(1, 9))


@pytest.mark.parametrize("name", list(views))
def test_a_view_leaves_its_input_alone(name: str) -> None:
    images = IMAGES.clone()
    views[name]()(images, rng())
    assert torch.equal(images, IMAGES)


@pytest.mark.parametrize("name", list(views))
def test_a_view_stands_in_the_file_of_its_name(name: str) -> None:
    assert views[name].__module__ == f"{package.__name__}.{name}"
