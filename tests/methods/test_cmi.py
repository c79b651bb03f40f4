"""CMI as its authors' code sets it up for CIFAR-10 (arXiv:2105.08584)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from dfkd_ray.methods import config
from dfkd_ray.parts.losses.contrastive import Contrastive
from dfkd_ray.parts.optimizers import SGD, Adam, Cosine
from dfkd_ray.parts.sources.lifecycles import Renew
from dfkd_ray.parts.sources.upsampling import Upsampling
from dfkd_ray.parts.views.crop import Crop
from dfkd_ray.parts.views.flip import Flip
from tests.tiny import differing, flat, opened, shrunk, walked

METHOD = config.load("cmi")


def test_what_the_code_states_is_what_stands() -> None:
    source = METHOD.source
    assert isinstance(source, Upsampling)
    assert (source.latent, source.width, source.doublings, source.output) == (256, 64, 2, "sigmoid")
    assert (source.labels, source.gives, source.latent_lr) == ("uniform", "best", 1e-3)
    assert (source.start_widths, source.block_eps, source.init) == (2, 1e-5, "dcgan")
    assert (source.lifecycle, source.optimizer) == (Renew(every=1), Adam(lr=1e-3, betas=(0.5, 0.999)))
    terms = METHOD.source_loss.parts
    weights = {name: part.weight for name, part in terms.items()}
    assert weights == {"batchnorm": 1, "onehot": 0.5, "adversarial": 0.5, "contrastive": 0.8}
    assert terms["adversarial"].term.agreeing_only
    expected = Contrastive(where="norms", temperature=0.1, dim=256, bank=40960, negatives=4096)
    assert terms["contrastive"].term == expected
    assert METHOD.views.synthesis == METHOD.views.student == (Crop(padding=4), Flip())
    assert METHOD.student.optimizer == SGD(lr=0.1, momentum=0.9, weight_decay=1e-4)
    assert METHOD.student_loss.parts["kd"].term.temperature == 20
    assert METHOD.schedule.student_in_synthesis == "eval"


def test_forty_epochs_of_2000_steps_follow_some_50_000_images_to_which_each_adds_256() -> None:
    plan = METHOD.schedule
    assert plan.epochs - plan.warmup == 40
    assert (plan.rounds * plan.student_steps, plan.source_steps, plan.batch) == (2000, 200, 128)
    assert plan.rounds * plan.batch == 256
    assert 50_000 <= plan.warmup * 256 < 50_256
    assert METHOD.memory.capacity == plan.epochs * 256, "every image is kept"
    assert METHOD.source_loss.parts["adversarial"].start == plan.warmup
    assert METHOD.student.lr_schedule == Cosine(), "to 0 over the 40; the milestones of the script are read by nobody"


def test_the_warm_up_stands_for_the_pre_inverted_set() -> None:
    run = opened(shrunk("cmi", {"source_loss.adversarial.start": 1}))
    student = flat(run.student.state_dict())
    epochs = walked(run)
    first = next(epochs)
    memory: Any = run.memory
    assert not differing(run.student.state_dict(), student)
    assert {"loss/source/onehot", "loss/source/batchnorm", "loss/source/contrastive"} <= set(first.losses)
    assert not any("student" in name or "adversarial" in name for name in first.losses)
    assert memory.size == 2 * 8
    second = next(epochs)
    assert {"loss/source/adversarial", "loss/student/kd"} <= set(second.losses)
    assert memory.size == 24, "its capacity"


def test_each_round_has_a_generator_of_its_own_and_leaves_its_features_in_the_bank() -> None:
    run = opened(shrunk("cmi", {"schedule.rounds": 1}))
    source: Any = run.source
    bank: Any = run.source_loss.calls["contrastive"]
    head = flat(bank.project.state_dict())
    nets, lengths = [], []
    for _ in walked(run):
        nets.append(source.net)
        lengths.append(len(bank.bank))
        assert source.optimizer.state[bank.project[0].weight]["step"] == 2, "it learns with the generator of the round"
    assert len({id(net) for net in nets}) == 3
    assert lengths == [8, 16, 24]
    assert len(differing(bank.project.state_dict(), head)) == 4


def test_every_generator_begins_as_the_code_says() -> None:
    """Weights N(0, 0.02), those of BatchNorm N(1, 0.02), and no biases: of the first one and of those after it."""
    run = opened(config.change(shrunk("cmi", {"schedule.rounds": 1}), {"source.width": 16, "schedule.source_steps": 0}))
    source: Any = run.source
    for _ in range(2):
        weights = torch.cat([m.weight.flatten() for m in source.net.modules() if isinstance(m, nn.Linear | nn.Conv2d)])
        scales = torch.cat([m.weight for m in source.net.modules() if isinstance(m, nn.BatchNorm2d)])
        assert weights.std().item() == pytest.approx(0.02, rel=0.05)
        assert (scales.mean().item(), scales.std().item()) == pytest.approx((1, 0.02), rel=0.25)
        assert not any(p.any() for name, p in source.net.named_parameters() if name.endswith("bias"))
        source.renew(torch.Generator().manual_seed(3))


def test_the_pool_has_the_images_of_the_best_steps() -> None:
    run = opened(shrunk("cmi", {"schedule.rounds": 1}))
    memory: Any = run.memory
    source: Any = run.source
    for number, _ in enumerate(walked(run)):
        newest = memory.images[8 * number : 8 * number + 8].float()
        assert torch.allclose(newest, source.kept.images, atol=1e-2)
        assert torch.equal(memory.labels[8 * number : 8 * number + 8], source.kept.labels)


SCRATCH = {
    "schedule.warmup": 0,
    "schedule.epochs": 200,
    "schedule.rounds": 1,
    "schedule.student_steps": 400,
    "source_loss.adversarial.start": 0,
    "source_loss.onehot.weight": 1,
}


def test_the_changes_that_its_head_names_fit() -> None:
    assert set(config.diff(METHOD, config.change(METHOD, SCRATCH))) == set(SCRATCH)


@pytest.mark.parametrize("changes", [{"schedule.warmup": 0}, {"source_loss.contrastive.where": "stages"}], ids=str)
def test_its_variants_run(changes: dict[str, Any]) -> None:
    losses = [epoch.losses for epoch in walked(opened(shrunk("cmi", changes)))]
    assert all(abs(value) < float("inf") for each in losses for value in each.values())
