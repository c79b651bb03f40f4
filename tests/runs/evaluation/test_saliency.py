"""Grad-CAM: where a mean pool and a linear layer follow, it is the class activation map (section 3.1 of the paper)."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dfkd_ray.parts.catching import catch
from dfkd_ray.runs.evaluation.saliency import saliency
from dfkd_ray.util.errors import ConfigError
from tests.tiny import CLASSES, toy


def images(side: int, count: int = 6) -> torch.Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(4))


def test_it_is_the_class_activation_map_of_the_last_stage_without_what_speaks_against_the_class() -> None:
    net, x = toy(1).eval(), images(16)
    classes = torch.arange(len(x)) % CLASSES
    with torch.no_grad():
        last = catch(net, x, norms=False).stages[-1]
        cam = torch.einsum("nk,nkhw->nhw", net.head.weight[classes], last).clamp_min(0)
    found = saliency(net, x, classes)
    assert found.shape == (6, 4, 4)
    shares = torch.nan_to_num(cam / cam.amax((1, 2), keepdim=True))  # 0 / 0 where all speaks against the class
    assert shares.amax((1, 2)).sum() >= 2
    torch.testing.assert_close(found, shares, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(found, saliency(net, x, (classes + 1) % CLASSES), atol=1e-2)


def test_on_small_images_a_finer_stage_is_looked_at() -> None:
    net, x = toy(1).eval(), images(8)  # stages of 4 x 4 and 2 x 2
    assert saliency(net, x, torch.zeros(6, dtype=torch.long)).shape == (6, 4, 4)
    assert saliency(net, images(4), torch.zeros(6, dtype=torch.long)).shape == (6, 2, 2), (
        "none is fine enough: the first"
    )


def test_evidence_against_the_class_everywhere_is_a_map_of_zeros() -> None:
    net, x = toy(1).eval(), images(16)
    with torch.no_grad():
        net.head.weight.fill_(-1.0)
    assert saliency(net, x, torch.zeros(6, dtype=torch.long)).abs().max() == 0


def test_without_known_stages_it_cannot_be_told() -> None:
    foreign = nn.Sequential(nn.Flatten(), nn.Linear(48, 3))
    with pytest.raises(ConfigError, match="has no known stages"):
        saliency(foreign, images(4), torch.zeros(6, dtype=torch.long))
