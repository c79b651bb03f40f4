"""PRE-DFKD as its authors' code has it."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from dfkd_ray.methods import config
from dfkd_ray.parts.memories.vae_replay import VaeReplay
from dfkd_ray.parts.optimizers import SGD, Adam, Cosine
from tests.methods.bodies import SETTING, agree, built, stated
from tests.tiny import differing, flat, opened, shrunk, toy, walked

METHOD = config.load("pre_dfkd")


def test_what_the_code_states_is_what_stands() -> None:
    source = METHOD.source
    assert (source.latent, source.spectral_norm, source.output, source.gives) == (1000, True, "batchnorm", "new")
    assert source.optimizer == Adam(lr=0.02)
    weights = {name: part.weight for name, part in METHOD.source_loss.parts.items()}
    assert weights == {
        "onehot": 1.0,
        "entropy": pytest.approx(5 / math.log(10)),
        "activation": 0.1,
        "adversarial": 0.1,
    }
    assert METHOD.source_loss.parts["onehot"].term.target == "teacher"
    js = METHOD.source_loss.parts["adversarial"].term
    assert (js.divergence, js.temperature, js.through_teacher) == ("js", 3.0, False)
    assert config.plain(METHOD)["memory"] == {
        "name": "vae_replay",
        **{"share": 1 / 8, "steps": 4, "lr": 0.02 / 40, "latent": 1000, "width": 64, "kl": 1e-5, "latent_lr": 0.02},
        "balance": pytest.approx(5 / math.log(10)),
    }
    assert VaeReplay().balance == pytest.approx(METHOD.memory.balance)
    assert set(METHOD.student_loss.parts) == {"logit_l1"}
    assert METHOD.student.optimizer == SGD(lr=0.1, momentum=0.9, weight_decay=5e-4)
    assert METHOD.student.lr_schedule == Cosine()
    plan = METHOD.schedule
    assert (plan.epochs, plan.rounds, plan.source_steps, plan.student_steps, plan.batch) == (400, 36, 1, 10, 1024)


def test_the_generator_is_the_codes_with_its_weights() -> None:
    net = built(METHOD)
    ends = (nn.Tanh(), nn.BatchNorm2d(3, affine=False))
    agree(net, stated(1000, *ends, eps=0.8, wrapped=spectral_norm))
    for name, parameter in net.named_parameters():
        if parameter.ndim > 1:
            assert 0.079 < parameter.abs().max() <= 0.08, name
        elif name.endswith("bias"):
            assert not parameter.any(), name


def test_the_memorys_generator_is_the_same_without_spectral_norm() -> None:
    live: Any = METHOD.memory.open(SETTING, nn.Identity(), torch.device("cpu"))
    decoder = live.nets["decoder"]
    agree(decoder, stated(1000, nn.Tanh(), nn.BatchNorm2d(3, affine=False), eps=0.8))
    assert all(p.abs().max() <= 0.08 for p in decoder.parameters() if p.ndim > 1)


def test_the_disagreement_is_a_mean_over_images_and_ten_classes() -> None:
    part = METHOD.source_loss.parts["adversarial"]
    t, s = torch.randn(2, 6, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    p, q = (t / 3).softmax(1), (s / 3).softmax(1)
    m = (p + q) / 2
    expected = ((p * (p / m).log() + q * (q / m).log()) / 2).mean()
    signals: Any = SimpleNamespace(teacher=SimpleNamespace(logits=t), student=SimpleNamespace(logits=s))
    assert (part.weight * part.term(signals)).item() == pytest.approx(-expected.item())


def test_the_student_learns_from_new_and_replayed_images_and_the_memory_learns_beside_it() -> None:
    student = toy(2, dropout=0.3)
    sizes: list[int] = []
    student.register_forward_hook(lambda module, args, out: sizes.append(len(args[0])))
    run = opened(
        shrunk("pre_dfkd", {"schedule.epochs": 1, "schedule.rounds": 2, "schedule.student_steps": 6}), 0, None, student
    )
    memory: Any = run.memory
    before = flat(memory.nets.state_dict())
    sizes.clear()
    list(walked(run))
    plan = run.method.schedule
    assert sizes == ([plan.batch] * plan.source_steps + [plan.batch + plan.batch // 8] * plan.student_steps) * 2
    assert memory.lessons == 2 * 4
    learned = set(differing(memory.nets.state_dict(), before))
    assert {name for name, _ in memory.nets.named_parameters()} <= learned


def test_the_convolutions_of_the_new_images_alone_have_spectral_norm() -> None:
    run = opened(shrunk("pre_dfkd"))
    source, memory = run.source, run.memory

    def normed(net: Any) -> list[bool]:
        return [hasattr(module, "parametrizations") for module in net.modules() if isinstance(module, nn.Conv2d)]

    assert normed(source.net) == [True] * 3  # type: ignore[attr-defined]
    assert normed(memory.nets["decoder"]) == [False] * 3  # type: ignore[attr-defined]


def test_what_the_memory_holds_does_not_grow_with_the_run() -> None:
    def held(epochs: int) -> int:
        run = opened(shrunk("pre_dfkd", {"schedule.epochs": epochs}))
        list(walked(run))
        return sum(leaf.numel() for leaf in flat(run.memory.state_dict()).values() if isinstance(leaf, Tensor))

    assert held(1) == held(3)
