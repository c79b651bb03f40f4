from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from dfkd_ray.parts.losses.l2 import L2


def test_it_is_the_mean_norm_of_an_image(see: Any) -> None:
    x = torch.randn(4, 3, 5, 5, dtype=torch.float64)
    norms = [math.sqrt(sum(v * v for v in image.flatten().tolist())) for image in x]
    assert L2()(see(images=x)).item() == pytest.approx(sum(norms) / 4)


def test_it_may_be_the_norm_of_the_batch(see: Any) -> None:
    x = torch.randn(4, 3, 5, 5, dtype=torch.float64)
    whole = math.sqrt(sum(v * v for v in x.flatten().tolist()))
    assert L2(of="batch")(see(images=x)).item() == pytest.approx(whole)
    with pytest.raises(ValueError, match="of must be one of image, batch, got 'both'"):
        L2(of="both")  # type: ignore[arg-type]


def test_black_images_make_no_nan(see: Any) -> None:
    x = torch.zeros(2, 1, 3, 3, requires_grad=True)
    L2()(see(images=x)).backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
