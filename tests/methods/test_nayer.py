"""NAYER as its authors' code sets it up for CIFAR-100 (arXiv:2310.00258)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from dfkd_ray.methods import config
from dfkd_ray.parts.optimizers import SGD, Adam
from dfkd_ray.parts.sources.lifecycles import Renew
from dfkd_ray.parts.sources.noisy_layer import NoisyLayer
from dfkd_ray.parts.views.crop import Crop
from dfkd_ray.parts.views.flip import Flip
from dfkd_ray.util.errors import ConfigError
from tests.tiny import CLASSES, opened, shrunk, walked

METHOD = config.load("nayer")


def test_what_the_code_states_is_what_stands() -> None:
    source = METHOD.source
    assert isinstance(source, NoisyLayer)
    assert (source.latent, source.dim, source.width, source.doublings) == (1000, 512, 64, 2)
    assert (source.labels, source.gives, source.output) == ("balanced", "best", "sigmoid")
    assert source.optimizer == Adam(lr=4e-3, betas=(0.5, 0.999))
    assert source.latent_lr == source.optimizer.lr
    terms = METHOD.source_loss.parts
    weights = {name: part.weight for name, part in terms.items()}
    assert weights == {"batchnorm": 10, "onehot": 0.5, "adversarial": 1.33}
    assert terms["batchnorm"].term.momentum == 0.9
    assert (terms["adversarial"].start, terms["adversarial"].term.agreeing_only) == (METHOD.schedule.warmup, True)
    assert METHOD.views.synthesis == METHOD.views.student == (Crop(padding=4), Flip())
    assert METHOD.student.optimizer == SGD(lr=0.2, momentum=0.9, weight_decay=1e-4)
    assert METHOD.student.lr_schedule.final * METHOD.student.optimizer.lr == pytest.approx(2e-4)  # type: ignore[attr-defined]
    assert METHOD.student_loss.parts["kd"].term.temperature == 20


def test_its_budget_is_that_of_100_epochs() -> None:
    plan = METHOD.schedule
    assert plan.warmup * plan.rounds == 20 * 10, "batches before the student's first step"
    assert (plan.epochs - plan.warmup, plan.rounds, plan.rounds * plan.student_steps) == (100, 2, 400)
    assert (plan.source_steps, plan.batch, plan.student_in_synthesis) == (40, 400, "eval")
    assert METHOD.source.lifecycle == Renew(every=10 * plan.rounds)
    assert METHOD.memory.capacity == plan.epochs * plan.rounds * plan.batch, "every image is kept"


def test_generators_come_and_go_and_the_embedding_stays() -> None:
    run = opened(shrunk("nayer", {"source.lifecycle.every": 4, "schedule.epochs": 4}))
    source: Any = run.source
    embedding, nets = source.embedding.clone(), []
    for _ in walked(run):
        assert torch.equal(source.net.embedding, embedding)
        nets.append(source.net)
    assert [net is nets[0] for net in nets] == [True, True, False, False], "two rounds an epoch"
    assert nets[2] is nets[3]
    assert embedding.shape == (CLASSES, 8)


def test_every_batch_has_all_classes_and_the_labels_stand_beside_its_images() -> None:
    run = opened(shrunk("nayer", {"schedule.batch": 2 * CLASSES}))
    for _ in walked(run, 1):
        labels = run.source.kept.labels  # type: ignore[attr-defined]
        assert labels.bincount().tolist() == [2] * CLASSES
    assert run.memory.labels[: 2 * CLASSES].bincount().tolist() == [2] * CLASSES  # type: ignore[attr-defined]


def test_a_text_embedding_is_one_path_and_a_missing_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "names.safetensors"
    changed = {"source.embedding": str(path)}
    assert config.diff(METHOD, config.change(METHOD, changed)) == {"source.embedding": (None, str(path))}
    with pytest.raises(ConfigError, match=r"^source\.embedding: there is no file .*names\.safetensors on this machine"):
        opened(shrunk("nayer", changed))
    save_file({"text": torch.randn(CLASSES, 6)}, path)
    (epoch,) = walked(opened(shrunk("nayer", changed)), 1)
    assert all(abs(value) < float("inf") for value in epoch.losses.values())
