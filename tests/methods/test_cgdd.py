"""R-CGDD on CIFAR's schedule: a reconstruction from two abstracts, its values borrowed."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dfkd_ray.methods import config
from dfkd_ray.parts.memories.fresh import Fresh
from dfkd_ray.parts.optimizers import SGD, Adam, Cosine
from dfkd_ray.parts.sources.conditions import Concat
from dfkd_ray.parts.sources.lifecycles import Keep
from dfkd_ray.parts.sources.upsampling import Upsampling
from tests.tiny import flat, opened, shrunk, walked

METHOD = config.load("cgdd")
CONDITIONS = ("concat_emb", "label_map", "cbn", "sum_emb")
WEIGHTS = {
    "onehot": 0.7,
    "batchnorm": 1.0,
    "entropy": 0.0,
    "activation": 0.0,
    "adversarial": 1.0,
    "adversarial_mse": 5.0,
}


def test_the_values_are_those_of_its_nearest_relative() -> None:
    source: Upsampling = METHOD.source
    assert (source.latent, source.labels, source.condition, source.ema) == (256, "uniform", Concat(50), None)
    assert (source.optimizer, source.lifecycle) == (Adam(lr=1e-3, betas=(0.5, 0.999)), Keep())
    assert {name: part.weight for name, part in METHOD.source_loss.parts.items()} == WEIGHTS
    kl, mse = (METHOD.source_loss.parts[name].term for name in ("adversarial", "adversarial_mse"))
    assert (kl.divergence, kl.through_teacher, mse.divergence, mse.through_teacher) == ("kl", True, "mse", False)
    student = {name: part.weight for name, part in METHOD.student_loss.parts.items()}
    assert student == {"kd": 1.0, "cross_entropy": 0.7, "attention_transfer": 250.0}
    assert METHOD.student_loss.parts["kd"].term.temperature == 1.0
    assert METHOD.student.optimizer == SGD(lr=0.1, momentum=0.9, weight_decay=5e-4)
    plan = METHOD.schedule
    assert (plan.epochs, plan.rounds, plan.source_steps, plan.student_steps, plan.batch) == (600, 50, 6, 5, 512)
    assert METHOD.memory == Fresh()


def test_the_warm_up_lasts_ten_epochs_and_a_cosine_follows() -> None:
    schedule = METHOD.student.lr_schedule
    assert isinstance(schedule, Cosine)
    assert [schedule(epoch / 600) for epoch in (0, 5, 10, 305, 600)] == pytest.approx([0, 0.5, 1, 0.5, 0], abs=1e-4)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_image_depends_on_the_class_that_is_asked_for(condition: str) -> None:
    run = opened(shrunk("cgdd", {"source.condition": condition}))
    (epoch,) = walked(run, 1)
    assert all(abs(value) < float("inf") for value in epoch.losses.values())
    net: Any = run.source.net.eval()  # type: ignore[attr-defined]
    z = torch.randn(1, 8).expand(5, 8)
    with torch.no_grad():
        images = net(z, torch.arange(5))
    assert (images[1:] != images[:1]).flatten(1).any(1).all()


def test_terms_without_a_weight_cost_nothing_and_can_be_given_one() -> None:
    (epoch,) = walked(opened(shrunk("cgdd")), 1)
    assert not {"loss/source/entropy", "loss/source/activation"} & set(epoch.losses)
    changes = {"source_loss.entropy.weight": 5.0, "source_loss.activation.weight": 0.1}
    (epoch,) = walked(opened(shrunk("cgdd", changes)), 1)
    assert {f"loss/source/{name}" for name in WEIGHTS} <= set(epoch.losses)


def test_features_in_the_place_of_attention_are_the_other_reading() -> None:
    changes = {"student_loss.attention_transfer": None, "student_loss.feature_mse": {"weight": 1.0}}
    (epoch,) = walked(opened(shrunk("cgdd", changes)), 1)
    assert epoch.losses["loss/student/feature_mse"] > 0


def test_the_ladder_of_its_ablation_runs() -> None:
    """From an unconditional generator to the whole method, a part at a time."""
    parts = ["source_loss.onehot", "student_loss.cross_entropy", "student_loss.attention_transfer"]
    parts += ["source_loss.adversarial", "source_loss.adversarial_mse"]
    for kept in range(len(parts) + 1):
        off: dict[str, Any] = dict.fromkeys(parts[kept:])
        if not kept:
            off["source.condition"] = None
        run = opened(shrunk("cgdd", {"schedule.epochs": 1, **off}))
        (epoch,) = walked(run)
        assert all(abs(value) < float("inf") for value in epoch.losses.values())
        assert any("condition." in key for key in flat(run.source.state_dict())) is bool(kept)
