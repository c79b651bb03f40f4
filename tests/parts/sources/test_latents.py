from __future__ import annotations

import pickle

import pytest
import torch

from dfkd_ray.parts.mixing import beta, cutmix, mixup
from dfkd_ray.parts.sources.latents import LatentClassical, LatentCutMix, LatentMixUp, augmentations
from dfkd_ray.parts.views.classical import transformed

Z = torch.randn(4, 4, 16, 16, generator=torch.Generator().manual_seed(0))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", list(augmentations))
def test_an_augmentation_keeps_the_shape_and_its_input_and_draws_from_its_own_numbers(name: str) -> None:
    augment = augmentations[name]()
    assert pickle.loads(pickle.dumps(augment)) == augment
    before = Z.clone()
    out = augment(Z, rng(1))
    assert out.shape == Z.shape
    assert torch.equal(Z, before)
    assert torch.equal(out, augment(Z, rng(1)))
    assert any(not torch.equal(out, augment(Z, rng(seed))) for seed in range(2, 8))


@pytest.mark.parametrize("name", ["cutmix", "mixup"])
def test_one_latent_alone_stays_as_it_is(name: str) -> None:
    for seed in range(5):
        assert torch.allclose(augmentations[name]()(Z[:1], rng(seed)), Z[:1])


def test_the_share_is_a_beta_of_a_beta() -> None:
    for seed in range(5):
        numbers = rng(seed)
        share = beta(max(beta(1.0, numbers), 1e-3), numbers)
        assert torch.equal(LatentCutMix()(Z, rng(seed)), cutmix(Z, share, numbers))
        numbers = rng(seed)
        share = beta(max(beta(0.5, numbers), 1e-3), numbers)
        assert torch.equal(LatentMixUp(0.5)(Z, rng(seed)), mixup(Z, share, numbers))


def test_classical_transforms_fill_latents_in_with_0() -> None:
    for seed in range(20):
        assert torch.equal(LatentClassical()(Z, rng(seed)), transformed(Z, rng(seed)))
    assert all(LatentClassical()(torch.zeros(2, 4, 16, 16), rng(seed)).abs().max() < 0.06 for seed in range(20)), (
        "noise alone"
    )


@pytest.mark.parametrize("kind", [LatentCutMix, LatentMixUp])
def test_a_parameter_that_is_none(kind: type[LatentCutMix]) -> None:
    with pytest.raises(ValueError, match=r"^alpha must be > 0, got 0$"):
        kind(alpha=0)
