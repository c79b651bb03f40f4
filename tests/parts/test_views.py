from __future__ import annotations

import pickle

import pytest
import torch
from torch import Tensor

from dfkd_ray.nets.heads import ToData
from dfkd_ray.parts.slots import views
from dfkd_ray.parts.views import Crop, CutMix, Flip, Jitter, MixCut, MixUp, ResizedCrop, augment

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


def test_flip() -> None:
    assert torch.equal(Flip(p=0)(IMAGES, rng()), IMAGES)
    assert torch.equal(Flip(p=1)(IMAGES, rng()), IMAGES.flip(-1))
    many = torch.arange(2.0).expand(4000, 1, 1, 2)
    share = (Flip(p=0.25)(many, rng())[:, 0, 0, 0] == 1).float().mean().item()
    assert share == pytest.approx(0.25, abs=0.04)


def crops(image: Tensor, padding: int) -> list[Tensor]:
    """Every image that a crop may show."""
    c, h, w = image.shape
    wide = torch.zeros(c, h + 2 * padding, w + 2 * padding)
    wide[:, padding : padding + h, padding : padding + w] = image
    return [wide[:, y : y + h, x : x + w] for y in range(2 * padding + 1) for x in range(2 * padding + 1)]


def test_crop_cuts_each_image_at_a_place_of_its_own() -> None:
    image = IMAGES[0]
    seen = Crop(padding=2)(image.expand(200, -1, -1, -1), rng())
    places = [next(i for i, each in enumerate(crops(image, 2)) if torch.equal(each, shown)) for shown in seen]
    assert set(places) == set(range(25))


def test_jitter_rolls_all_images_alike() -> None:
    shifts = set()
    for seed in range(60):
        seen = Jitter(pixels=1)(IMAGES, rng(seed))
        shifts.add(
            next((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if torch.equal(seen, IMAGES.roll((y, x), (2, 3))))
        )
    assert len(shifts) == 9


def test_a_chain_of_views_is_one_after_the_other() -> None:
    chain = (Flip(p=1), Crop(padding=1))
    as_they_are = ToData((0.0,) * 3, (1.0,) * 3)
    seen = augment(chain, IMAGES, rng(), as_they_are)
    assert torch.equal(seen, Crop(padding=1)(IMAGES.flip(3), skipped(rng(), 6)))
    assert augment((), IMAGES, rng(), as_they_are) is IMAGES


def test_a_crop_shows_the_black_border_that_the_teacher_learned_with() -> None:
    """Codes pad a picture in [0, 1] and normalise it then: (0 - mean) / std around (x - mean) / std."""
    mean, std = (0.5, 0.25, 0.1), (0.2, 0.3, 0.4)
    pictures = torch.rand(50, 3, 8, 10, generator=rng(3))
    as_data = torch.stack([(pictures[:, c] - mean[c]) / std[c] for c in range(3)], 1)
    seen = augment((Crop(padding=2),), as_data, rng(), ToData(mean, std))
    cut = Crop(padding=2)(pictures, rng())
    for c in range(3):
        assert torch.allclose(seen[:, c], (cut[:, c] - mean[c]) / std[c], atol=1e-6)
        assert torch.isclose(seen[:, c].amin((0, 1, 2)), torch.tensor(-mean[c] / std[c]), atol=1e-6)


def skipped(numbers: torch.Generator, count: int) -> torch.Generator:
    """The numbers after those that a flip of `count` images has drawn."""
    torch.rand(count, generator=numbers)
    return numbers


def test_ranges() -> None:
    with pytest.raises(ValueError, match=r"p is a probability, got 1\.5"):
        Flip(p=1.5)
    with pytest.raises(ValueError, match="padding must be at least 1 pixel, got 0"):
        Crop(padding=0)
    with pytest.raises(ValueError, match="pixels must be at least 1, got 0"):
        Jitter(pixels=0)


def test_a_resized_crop_of_everything_is_the_image_and_another_a_part_of_it() -> None:
    ramp = torch.arange(10.0).expand(1, 1, 8, 10).contiguous()
    parts = [ResizedCrop(least=0.2)(ramp, rng(seed)) for seed in range(40)]
    for part in parts:
        steps = part[0, 0, 0].diff()[1:-1]
        assert torch.allclose(part[0, 0], part[0, 0, :1].expand(8, 10), atol=1e-4), "rows are alike"
        assert ((steps > 0) & (steps <= 1 + 1e-4)).all(), "enlarged, never reduced"
        assert part.min() >= 0
        assert part.max() <= 9
    widths = [float(part[0, 0, 0, 4] - part[0, 0, 0, 3]) for part in parts]
    assert min(widths) < 0.6 < 0.8 < max(widths)
    whole = [ResizedCrop(least=1.0)(ramp, rng(seed)) for seed in range(40)]
    assert max(float(part[0, 0, 0, 4] - part[0, 0, 0, 3]) for part in whole) == pytest.approx(1.0, abs=1e-4)
    with pytest.raises(ValueError, match=r"^least is a share of the area in \(0, 1\], got 0$"):
        ResizedCrop(least=0)


def test_mixed_images_come_from_the_batch() -> None:
    mixed, cut = MixUp()(IMAGES, rng()), CutMix()(IMAGES, rng(3))
    assert torch.allclose(mixed.mean(0), IMAGES.mean(0), atol=1e-5), "each is once itself and once a partner"
    assert (cut[:, None] == IMAGES[None]).any(1).all(), "each pixel is one of theirs"
    assert torch.equal(MixCut()(IMAGES, rng(1)), MixCut()(IMAGES, rng(1)))
    for view in (MixUp, CutMix):
        with pytest.raises(ValueError, match=r"^alpha must be > 0, got 0$"):
            view(alpha=0)
    with pytest.raises(ValueError, match=r"^alpha must be > 0, got 0$"):
        MixCut(cutmix=0)


def test_a_coin_decides_between_the_two_mixtures() -> None:
    def heads(seed: int) -> bool:
        return bool(torch.rand((), generator=rng(seed)) < 0.5)

    seen = {heads(seed) for seed in range(12)}
    assert seen == {True, False}
    for seed in range(12):
        numbers = rng(seed)
        torch.rand((), generator=numbers)
        expected = (MixUp() if heads(seed) else CutMix())(IMAGES, numbers)
        assert torch.equal(MixCut()(IMAGES, rng(seed)), expected)
