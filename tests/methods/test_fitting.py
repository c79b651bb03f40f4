"""What parts say that they are for, held against dense networks; kd over positions, against loops."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from dfkd_ray.methods import config
from dfkd_ray.methods.fitting import fits, made_for, present
from dfkd_ray.nets import build
from dfkd_ray.parts.losses.kd import KD
from dfkd_ray.parts.memories.fresh import Fresh
from dfkd_ray.parts.memories.pool import PoolMemory
from dfkd_ray.parts.plain_functions import as_term
from dfkd_ray.parts.signals import Setting, Signals, layout
from dfkd_ray.parts.slots import memories, sources
from dfkd_ray.parts.total_loss import Opens, terms
from dfkd_ray.parts.varied import Varied
from dfkd_ray.util.errors import ConfigError
from tests.parts.losses.test_contract import SPECS

IMAGE = (3, 8, 8)


def nets(outputs: int) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    return build("unet4", outputs).eval().requires_grad_(False), build("fcn4", outputs).train()


def signals(teacher: nn.Module, student: nn.Module) -> Signals:
    torch.manual_seed(1)
    return Signals(torch.randn(4, *IMAGE, requires_grad=True), None, teacher, student)


@pytest.mark.parametrize(("kind", "outputs"), [("segmentation", 5), ("depth", 1)])
@pytest.mark.parametrize("spec", SPECS, ids=repr)
def test_a_term_that_says_it_is_for_dense_targets_takes_them(spec: Any, kind: Any, outputs: int) -> None:
    assert "classes" in made_for(spec)
    if kind not in made_for(spec) or getattr(spec, "stages", "") == "all" or getattr(spec, "where", "") == "stages":
        return  # stages are counted: those of a U-Net and of a FCN differ in number
    teacher, student = nets(outputs)
    setting = Setting(IMAGE, outputs, (0.5,) * 3, (0.5,) * 3, layout(teacher, IMAGE), layout(student, IMAGE))
    live = spec.open(setting) if isinstance(spec, Opens) else spec
    seen = signals(teacher, student)
    value = live(seen)
    assert value.shape == ()
    assert value.isfinite()
    value.backward()
    assert seen.images.grad is not None
    assert seen.images.grad.isfinite().all()


def test_what_says_nothing_and_what_asks_for_a_class_is_for_classes() -> None:
    for name in ("cam", "grad_cam", "contrastive", "semantic_contrast", "supervised_contrast", "kdci", "high_order"):
        assert made_for(terms[name]()) == ("classes",)
    assert made_for(terms["onehot"]()) == ("classes",)
    assert "segmentation" in made_for(terms["onehot"](target="teacher"))
    assert made_for(memories["vae_replay"]()) == ("classes",)
    assert "depth" in made_for(PoolMemory())
    assert "depth" in made_for(Fresh())
    for filtered in (Fresh(clean=0.5), PoolMemory(clean=0.5), PoolMemory(varied=Varied())):
        assert made_for(filtered) == ("classes",)
    assert made_for(sources["pixels"](labels="balanced")) == ("classes",)
    assert "depth" in made_for(sources["pixels"](labels="none"))


def test_a_plain_function_is_for_what_it_reads() -> None:
    def unlike(teacher_logits: Any, student_logits: Any) -> Any:
        return (teacher_logits - student_logits).abs().mean()

    def asked(labels: Any, student_logits: Any) -> Any:
        return student_logits[labels].mean()

    made = [as_term(each, "x", lambda name, values: None)() for each in (unlike, asked)]
    assert [made_for(each) for each in made] == [("classes", "segmentation", "depth"), ("classes",)]


def test_every_part_that_is_for_other_targets_is_named() -> None:
    with pytest.raises(ConfigError) as caught:
        fits(config.load("spaceshipnet"), "segmentation")
    said = str(caught.value)
    assert "source: upsampling, as it is set, is for classes, and the task's targets are segmentation" in said
    assert "student_loss.cam: cam is for classes, and the task's targets are segmentation: null removes it" in said
    assert "student_loss.kd" not in said
    fits(config.load("spaceshipnet"), "classes")
    with pytest.raises(ConfigError) as caught:
        fits(config.change(config.load("dfad_segmentation"), {"memory.clean": 0.5}), "segmentation")
    assert str(caught.value) == ("memory: fresh, as it is set, is for classes, and the task's targets are segmentation")
    fits(config.change(config.load("dfad_segmentation"), {"source_loss.batchnorm": {"weight": 1.0}}), "depth")
    fits(config.change(config.load("dfad_segmentation"), {"student_loss.cam": {"weight": 0}}), "segmentation")
    with pytest.raises(ConfigError, match=r"student_loss\.kd: kd is for classes and segmentation, and"):
        fits(config.load("noise_kd"), "depth")


def test_kd_over_positions_is_the_mean_of_every_positions_divergence() -> None:
    teacher, student = nets(3)
    seen = signals(teacher, student)
    with torch.no_grad():
        t, s = teacher(seen.images), student(seen.images)
    total = 0.0
    for b in range(4):
        for i in range(8):
            for j in range(8):
                p, q = (softened(each[b, :, i, j].tolist()) for each in (t, s))
                total += 4 * sum(x * math.log(x / y) for x, y in zip(p, q))
    student.train()
    torch.manual_seed(0)
    assert KD(temperature=2.0)(seen).item() == pytest.approx(total / (4 * 64), rel=1e-4)


def softened(logits: list[float]) -> list[float]:
    powers = [math.exp(each / 2) for each in logits]
    return [each / sum(powers) for each in powers]


def test_a_part_that_needs_what_is_not_there_is_told_before_it_is_opened() -> None:
    painted = config.change(config.load("diff_dfkd"), {"source.model": "./none"})
    with pytest.raises(ConfigError, match=r"^source\.model: there is no folder \./none; `dfkd-ray teach-diffusion"):
        present(painted)
    stored = config.change(painted, {"source": {"name": "stored", "folder": "./none"}})
    with pytest.raises(ConfigError, match=r"^source: .*none: there is no pool"):
        present(stored)
    present(config.load("dfkd_fgvc"))
