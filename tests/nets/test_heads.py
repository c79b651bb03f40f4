"""The end of a generator: in which range its images are, and which sides can be made."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dfkd_ray.nets.heads import Output, ToData, check_sides, head, sized

MEAN, STD = (0.5, 0.25), (0.2, 0.4)


def features() -> torch.Tensor:
    return 3 * torch.randn(4, 2, 3, 5, generator=torch.Generator().manual_seed(0)).double()


@pytest.mark.parametrize("output", ["tanh", "normalised", "sigmoid"])
def test_each_head_is_its_formula(output: Output) -> None:
    x = features()
    mean, std = (torch.tensor(each).view(1, 2, 1, 1) for each in (MEAN, STD))
    share = 1 / (1 + torch.exp(-x))
    tanh = (torch.exp(x) - torch.exp(-x)) / (torch.exp(x) + torch.exp(-x))
    wanted = {"tanh": tanh, "normalised": ((tanh + 1) / 2 - mean) / std, "sigmoid": (share - mean) / std}
    torch.testing.assert_close(head(output, 2, MEAN, STD)(x), wanted[output], rtol=1e-6, atol=1e-7)


def test_batchnorm_has_no_mean_no_scale_and_nothing_to_learn() -> None:
    made = head("batchnorm", 2, None, None).double()
    out = made(features())
    assert out.mean((0, 2, 3)).abs().max() < 1e-12
    assert out.var((0, 2, 3), unbiased=False) == pytest.approx([1, 1], abs=1e-4)
    assert list(made.parameters()) == []


def test_affine_batchnorm_has_no_tanh_and_learns_mean_and_scale() -> None:
    made, x = head("affine_batchnorm", 2, None, None).double(), features()
    scale, shift = torch.tensor([2.0, 0.5]).double(), torch.tensor([-1.0, 3.0]).double()
    assert [tuple(p.shape) for p in made.parameters()] == [(2,), (2,)]
    for parameter, value in zip(made.parameters(), (scale, shift)):
        parameter.data.copy_(value)
    mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, correction=0)
    expected = (x - mean) / (var + 1e-5).sqrt() * scale.view(1, 2, 1, 1) + shift.view(1, 2, 1, 1)
    torch.testing.assert_close(made(x), expected)


def test_what_the_task_decides_is_no_part_of_the_state() -> None:
    assert head("sigmoid", 2, MEAN, STD).state_dict() == {}
    assert ToData(MEAN, STD).to(torch.float64).mean.dtype == torch.float64, "but it moves with the net"
    assert isinstance(head("tanh", 2, None, None), nn.Tanh)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("relu", 2, MEAN, STD),
            "output must be one of tanh, normalised, sigmoid, batchnorm, affine_batchnorm, got 'relu'",
        ),
        (("sigmoid", 3, MEAN, STD), r"output 'sigmoid' needs mean and std of 3 channels, got \(0.5, 0.25\) and \(0.2"),
        (("normalised", 2, None, STD), "output 'normalised' needs mean and std of 2 channels, got None and "),
        (("normalised", 2, MEAN, (0.2, 0.0)), r"std must be > 0 in every channel, got \(0\.2, 0\.0\)"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: tuple[Output, int, None, None], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        head(*arguments)


@pytest.mark.parametrize(
    ("doublings", "sides", "message"),
    [
        (2, (30, 32), "the sides of an image must be multiples of 4, got 30; nearest: 28 or 32"),
        (3, (32, 7), "the sides of an image must be multiples of 8, got 7; nearest: 8"),
        (3, (0,), "the sides of an image must be multiples of 8, got 0; nearest: 8"),
        (0, (32,), "doublings must be 1 to 5, got 0"),
        (6, (64,), "doublings must be 1 to 5, got 6"),
    ],
)
def test_sides_that_cannot_be_made_name_the_nearest_that_can(
    doublings: int, sides: tuple[int, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        check_sides(doublings, 5, *sides)


def test_multiples_can_be_made() -> None:
    check_sides(1, 5, 2, 32)
    check_sides(5, 5, 32, 64)


def test_pictures_come_at_the_teachers_size_and_grey_ones_are_the_mean_of_the_colours() -> None:
    pictures = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert sized(pictures, (3, 16, 16)) is pictures
    assert sized(pictures, (3, 4, 4)).shape == (2, 3, 4, 4)
    assert torch.allclose(sized(torch.full((1, 3, 16, 16), 0.3), (3, 5, 7)), torch.full((1, 3, 5, 7), 0.3), atol=1e-6)
    assert torch.allclose(sized(pictures, (1, 16, 16)), pictures.mean(1, keepdim=True))
