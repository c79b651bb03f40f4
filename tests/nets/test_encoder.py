from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dfkd_ray.nets.encoder import Encoder


@pytest.mark.parametrize("image", [(3, 32, 32), (1, 8, 24), (3, 64, 64)])
def test_an_image_becomes_two_vectors(image: tuple[int, int, int]) -> None:
    mean, log_var = Encoder(7, image, width=4)(torch.randn(2, *image))
    assert mean.shape == log_var.shape == (2, 7)


def test_the_widths_of_the_code() -> None:
    encoder = Encoder(1000, (3, 32, 32))
    assert [tuple(p.shape) for name, p in encoder.named_parameters() if name.endswith("weight") and p.dim() > 1] == [
        (64, 3, 3, 3),
        (128, 64, 3, 3),
        (128, 128, 3, 3),
        (1000, 2048),
        (1000, 2048),
    ]


def test_the_forward_pass() -> None:
    encoder = Encoder(5, (3, 16, 24), width=4).double()
    p, images = dict(encoder.named_parameters()), torch.randn(4, 3, 16, 24, dtype=torch.float64)

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), keepdim=True, correction=0)
        scale, shift = (p[f"{name}.{part}"].view(1, -1, 1, 1) for part in ("weight", "bias"))
        return (x - mean) / (var + (1e-5 if name == "reduce.1" else 0.8)).sqrt() * scale + shift

    y = images / images.square().sum(2, keepdim=True).sqrt()
    for number in (0, 1):
        y = F.conv2d(y, p[f"blocks.{number}.0.weight"], p[f"blocks.{number}.0.bias"], padding=1)
        y = norm(y, f"blocks.{number}.1")
        y = torch.where(y > 0, y, 0.2 * y)
    y = F.conv2d(y[:, :, ::2, ::2], p["reduce.0.weight"], p["reduce.0.bias"], stride=2, padding=1)
    y = norm(y, "reduce.1")[:, :, ::2, ::2].reshape(4, -1)
    for out, name in zip(encoder(images), ("mean", "log_var")):
        torch.testing.assert_close(out, y @ p[f"{name}.weight"].T + p[f"{name}.bias"])


def test_weights_begin_in_a_small_interval_and_biases_at_0() -> None:
    for name, parameter in Encoder(64, (3, 32, 32)).named_parameters():
        if name.split(".")[-2] == "1":  # BatchNorm
            assert torch.equal(parameter, torch.full_like(parameter, float(name.endswith("weight")))), name
        elif name.endswith("bias"):
            assert not parameter.any(), name
        else:
            assert parameter.abs().max() <= 0.08, name
            assert parameter.std().item() == pytest.approx(0.08 / 3**0.5, rel=0.1), name


@pytest.mark.parametrize(("side", "near"), [(28, "24 or 32"), (4, "8")])
def test_a_side_that_is_no_multiple_of_8_is_refused_with_the_nearest(side: int, near: str) -> None:
    with pytest.raises(ValueError, match=rf"multiples of 8, got {side}; nearest: {near}$"):
        Encoder(5, (3, 32, side))
