"""DFAD's recipe for segmentation as its authors' code has it."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dfkd_ray import datasets
from dfkd_ray.methods import config
from dfkd_ray.methods.fitting import fits
from dfkd_ray.nets.heads import head
from dfkd_ray.parts.optimizers import SGD, Adam
from tests.methods.bodies import MEAN, STD, built

METHOD = config.load("dfad_segmentation")


def test_what_the_code_states_is_what_stands() -> None:
    source = METHOD.source
    assert (source.latent, source.width, source.doublings, source.output) == (256, 64, 4, "normalised")
    assert (source.spectral_norm, source.block_norm, source.attention) == (False, True, None)
    assert source.optimizer == Adam(lr=1e-3, betas=(0.9, 0.999))
    assert METHOD.student.optimizer == SGD(lr=0.1, momentum=0.9, weight_decay=5e-4)
    assert {name: part.weight for name, part in METHOD.student_loss.parts.items()} == {"logit_l1": 1.0}
    plan = METHOD.schedule
    assert (plan.epochs, plan.rounds, plan.source_steps, plan.student_steps, plan.batch) == (300, 50, 1, 5, 64)
    for targets in ("segmentation", "depth", "classes"):
        fits(METHOD, targets)


@pytest.mark.parametrize("schedule", [METHOD.source.lr_schedule, METHOD.student.lr_schedule])
def test_both_rates_fall_after_100_and_200_epochs(schedule: Any) -> None:
    rounds = [99 * 50 + 49, 100 * 50, 200 * 50 - 1, 200 * 50]
    assert [schedule(done / 15_000) for done in rounds] == pytest.approx([1, 0.1, 0.1, 0.01])


def test_the_generators_maps_are_the_codes() -> None:
    """8 w -> 4 w -> 2 w -> w -> w, from a sixteenth of the side, with BatchNorm before and in every block."""
    net = built(METHOD)
    deconvs = [block.get_submodule("deconv") for block in net.blocks]
    assert [(each.in_channels, each.out_channels) for each in deconvs] == [(512, 256), (256, 128), (128, 64), (64, 64)]
    assert all("norm" in dict(block.named_children()) for block in net.blocks)
    assert net.project.weight.shape == (512 * 2 * 2, 256)
    mean, std = (torch.tensor(each)[:, None, None] for each in (MEAN, STD))
    pictures = net(torch.randn(2, 256)) * std + mean
    assert -1e-6 < pictures.min() < pictures.max() < 1 + 1e-6


def test_its_range_is_the_codes_where_images_are_normalised_as_there_and_all_pictures_elsewhere() -> None:
    maps = torch.linspace(-9, 9, 48).view(1, 3, 4, 4)
    half = (0.5,) * 3
    assert torch.allclose(head(METHOD.source.output, 3, half, half)(maps), maps.tanh(), atol=1e-6)
    task = datasets.load("gliders_parts")
    white = head(METHOD.source.output, 3, task.mean, task.std)(torch.full((1, 3, 1, 1), 9.0)).flatten()
    assert white.tolist() == pytest.approx([(1 - m) / s for m, s in zip(task.mean, task.std)])
    assert white.min() > 2


def test_the_generator_descends_minus_the_logarithm() -> None:
    t, s = torch.randn(2, 6, 10, generator=torch.Generator().manual_seed(0))
    signals: Any = SimpleNamespace(teacher=SimpleNamespace(logits=t), student=SimpleNamespace(logits=s))
    mean = sum(abs(float(x) - float(y)) for x, y in zip(t.flatten(), s.flatten())) / 60
    found = METHOD.source_loss.parts["adversarial"].term(signals)
    assert found.item() == pytest.approx(-math.log(mean + 1), rel=1e-5)
