"""The ten transforms against torchvision, whose transforms the released code of DiffDFKD takes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as V

from dfkd_ray.parts.views import classical
from dfkd_ray.parts.views.classical import TRANSFORMS, Classical, transformed

X = torch.randn(4, 3, 32, 24, generator=torch.Generator().manual_seed(0))
GAPS = range(2, 9)
every_gap = pytest.mark.parametrize("gap", GAPS)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def drawing(*numbers: float) -> Any:
    return iter(numbers).__next__


def test_a_view_fills_in_mid_grey_which_is_the_0_of_normalised_images() -> None:
    pictures = torch.rand(4, 3, 16, 16, generator=rng(2))
    for seed in range(20):
        expected = transformed((pictures - 0.5) / 0.5, rng(seed)) * 0.5 + 0.5
        assert torch.allclose(Classical()(pictures, rng(seed)), expected, atol=1e-6)
    grey = torch.full((2, 3, 16, 16), 0.5)
    assert all((Classical()(grey, rng(seed)) - 0.5).abs().max() < 0.03 for seed in range(20)), "noise alone is seen"


@every_gap
def test_zoom(gap: int) -> None:
    large = V.resize(X, [32 + gap, 24 + gap], antialias=True)
    seen = classical.zoomed(X, gap, drawing(), rng())
    assert torch.allclose(seen, V.center_crop(large, [32, 24]), atol=1e-5)


def test_flip() -> None:
    assert torch.equal(classical.flipped(X, 2, drawing(), rng()), V.hflip(X))


@every_gap
@pytest.mark.parametrize("number", [0.0, 0.3, 0.5, 0.9])
def test_rotation(gap: int, number: float) -> None:
    square = X[..., :24, :]
    seen = classical.rotated(square, gap, drawing(number), rng())
    angle = gap * (2 * number - 1)
    turned = V.rotate(square, angle, InterpolationMode.NEAREST, fill=0)
    assert (seen == turned).float().mean() > 0.99, "but where two pixels are as near"
    affine = V.affine(square, -angle, [0, 0], 1.0, [0.0, 0.0], InterpolationMode.NEAREST, fill=0)
    assert (seen == affine).float().mean() > 0.99, "the affine one is the same the other way round"


def test_rotation_of_an_oblong_is_by_the_same_angle() -> None:
    seen = classical.rotated(X, 8, drawing(0.99), rng())
    turned = V.rotate(X, 8 * 0.98, InterpolationMode.NEAREST, fill=0)
    assert (seen == turned).float().mean() > 0.99


@every_gap
def test_roll(gap: int) -> None:
    left = torch.cat([X[..., gap:], X[..., :gap]], 3)
    up = torch.cat([X[..., gap:, :], X[..., :gap, :]], 2)
    both = torch.cat([left[..., gap:, :], left[..., :gap, :]], 2)
    for number, expected in ((0.1, left), (0.5, up), (0.9, both)):
        assert torch.equal(classical.rolled(X, gap, drawing(number), rng()), expected)


@every_gap
def test_padding(gap: int) -> None:
    expected = V.resize(V.pad(X, [int(gap / 2)] * 4, fill=0), [32, 24], antialias=True)
    assert torch.allclose(classical.padded(X, gap, drawing(), rng()), expected, atol=1e-5)


@pytest.mark.parametrize("number", [0.0, 0.2, 0.99])
def test_blur(number: float) -> None:
    sigma = 0.1 + 0.9 * number
    expected = V.gaussian_blur(X, [3, 3], [sigma, sigma])
    assert torch.allclose(classical.blurred(X, 2, drawing(number), rng()), expected, atol=1e-5)


def test_noise_is_faint_and_alike_in_all_channels() -> None:
    large = torch.zeros(8, 3, 64, 64)
    seen = classical.noised(large, 2, drawing(), rng())
    assert torch.equal(seen[:, :1].expand(-1, 3, -1, -1), seen)
    assert seen.std().item() == pytest.approx(0.01, rel=0.02)
    assert not torch.equal(seen[0], seen[1])


def test_salt_and_pepper_are_half_of_the_extremes() -> None:
    x = torch.rand(16, 3, 64, 64, generator=rng(5)) * 3 - 1
    seen = classical.peppered(x, 2, drawing(), rng())
    changed = (seen != x).all(1)
    assert torch.equal(changed, (seen != x).any(1)), "all channels of a pixel"
    low, high = (seen == x.min() / 2).all(1), (seen == x.max() / 2).all(1)
    assert torch.equal(changed, low | high)
    for kind in (low, high):
        assert kind.float().mean().item() == pytest.approx(0.005, rel=0.15)


def boxes(x: Tensor) -> Iterator[tuple[int, int]]:
    """The sides of what is erased, over many draws."""
    for seed in range(300):
        numbers = torch.rand(40, generator=rng(seed)).tolist()
        out = classical.erased(x, 2, drawing(0.0, *numbers), rng())
        gone = (out == 0).all(1)
        assert torch.equal(gone, gone[:1].expand_as(gone)), "one box for the batch"
        rows, columns = gone[0].any(1), gone[0].any(0)
        assert torch.equal(gone[0], rows[:, None] & columns[None]), "a box"
        yield int(rows.sum()), int(columns.sum())


def test_a_box_is_erased() -> None:
    x = torch.ones(2, 3, 64, 64)
    sides = list(boxes(x))
    areas = [h * w / 64**2 for h, w in sides]
    assert 0.015 < min(areas) < 0.03
    assert 0.2 < max(areas) < 0.235
    assert sum(areas) / len(areas) == pytest.approx(0.12, abs=0.01)
    logs = [math.log(h / w) for h, w in sides]
    assert min(logs) > math.log(0.3) - 0.1
    assert max(logs) < math.log(3.3) + 0.1
    assert classical.erased(x, 2, drawing(0.5), rng()) is x, "a second coin"
    tiny = torch.ones(1, 1, 1, 1)
    assert classical.erased(tiny, 2, drawing(0.0, *[0.99] * 40), rng()) is tiny, "no box is smaller than that"


def test_ten_in_random_order_by_a_coin_each_with_one_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    """The transforms are exchanged for marks: which were asked, in which order, with which gap."""
    asked: list[tuple[int, int]] = []

    def mark(number: int) -> Any:
        def marked(x: Tensor, gap: int, draw: Any, numbers: torch.Generator) -> Tensor:
            asked.append((number, gap))
            return x

        return marked

    assert len(TRANSFORMS) == 10
    monkeypatch.setattr(classical, "TRANSFORMS", tuple(mark(number) for number in range(10)))
    counts, firsts, gaps, calls = [0] * 10, [0] * 10, [0] * 9, 2000
    for seed in range(calls):
        asked.clear()
        transformed(X, rng(seed))
        numbers = [number for number, _ in asked]
        assert len(set(numbers)) == len(numbers)
        assert len({gap for _, gap in asked}) <= 1
        for number in numbers:
            counts[number] += 1
        if asked:
            firsts[numbers[0]] += 1
            gaps[asked[0][1]] += 1
    assert all(count / calls == pytest.approx(0.5, abs=0.05) for count in counts)
    assert all(first / calls == pytest.approx(0.1, abs=0.03) for first in firsts)
    assert gaps[:2] == [0, 0]
    assert all(count / sum(gaps) == pytest.approx(1 / 7, abs=0.03) for count in gaps[2:])


def test_there_are_numbers_enough_even_where_no_box_fits() -> None:
    for seed in range(300):
        transformed(torch.ones(1, 1, 2, 2), rng(seed))
