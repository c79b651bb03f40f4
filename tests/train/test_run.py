"""The state of one distillation: what is opened, with which numbers, and what a checkpoint carries."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from dfkd_ray.train.runtime import Runtime
from dfkd_ray.util.errors import ConfigError
from tests.tiny import (
    CLASSES,
    IMAGE,
    Toy,
    differing,
    flat,
    opened,
    overflowing,
    shrunk,
    small,
    through_a_file,
    toy,
    walked,
)


def fresh(run: Any) -> dict[str, Any]:
    """Everything that starts at random, by the names under which a checkpoint has it."""
    state = run.state_dict()
    return flat({part: state[part] for part in ("source", "source_loss", "student_loss")})


def test_a_run_knows_its_setting_and_stands_at_the_start() -> None:
    run = opened(small(), student=toy(2, width=4))
    assert (run.setting.image, run.setting.classes) == (IMAGE, CLASSES)
    assert run.setting.teacher.stages == ((8, 8, 8), (16, 4, 4))
    assert run.setting.student.stages == ((4, 8, 8), (8, 4, 4))
    assert (run.epoch, run.rounds, run.progress) == (0, 0, 0.0)
    assert run.lr == 0.01


def test_the_teacher_is_frozen_and_the_student_is_not() -> None:
    run = opened(small(), teacher=toy(1).train())
    assert not any(p.requires_grad for p in run.teacher.parameters())
    assert not any(module.training for module in run.teacher.modules())
    assert all(p.requires_grad for p in run.student.parameters())


def test_one_seed_one_start() -> None:
    for left, right in ((0, 0), (0, 1)):
        alike = not differing(fresh(opened(small(), seed=left)), fresh(opened(small(), seed=right)))
        assert alike is (left == right)


def test_the_start_does_not_depend_on_the_numbers_drawn_before() -> None:
    first = fresh(opened(small()))
    nets = {"teacher": toy(1), "student": toy(2)}
    torch.manual_seed(123)
    before = torch.get_rng_state()
    assert not differing(fresh(opened(small(), **nets)), first)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "path",
    [
        "source_loss",
        "source_loss.batchnorm",
        "source_loss.adversarial",
        "student_loss",
        "student_loss.kd",
        "student_loss.high_order",
        "student_loss.semantic_contrast",
    ],
)
def test_arms_are_paired(path: str) -> None:
    """Taking a term out leaves the first weights of all the rest as they were."""
    full, arm = fresh(opened(small())), fresh(opened(small({path: None})))
    assert set(arm) <= set(full)
    assert not differing(arm, {key: full[key] for key in arm})
    other = opened(small({"source": "noise"}))
    assert not differing(flat(other.student_loss.state_dict()), flat(opened(small()).student_loss.state_dict()))


def test_terms_of_the_same_kind_start_apart() -> None:
    run = opened(small({"student_loss.again": {"name": "semantic_contrast", "dim": 8}}))
    first, second = (run.student_loss.calls[name] for name in ("semantic_contrast", "again"))
    assert isinstance(first, nn.Module)
    assert isinstance(second, nn.Module)
    assert not torch.equal(next(first.parameters()), next(second.parameters()))


def test_what_a_loss_term_learns_joins_the_optimizer_of_its_phase() -> None:
    run = opened(small())
    held = {id(p) for group in run.optimizer.param_groups for p in group["params"]}
    wanted = [*run.student.parameters(), *(p for p in run.student_loss.parameters() if p.requires_grad)]
    assert held == {id(p) for p in wanted}
    frozen = [p for p in run.student_loss.parameters() if not p.requires_grad]
    assert frozen, "the teacher's side of the attention"
    assert not held & {id(p) for p in frozen}
    source = {id(p) for group in run.source.optimizer.param_groups for p in group["params"]}  # type: ignore[attr-defined]
    assert not held & source


def test_every_epoch_has_its_own_numbers_and_those_of_torch_are_others() -> None:
    run = opened(small())
    drawn = []
    for epoch in (1, 2, 1):
        rng = run.begin(epoch)
        drawn.append((torch.rand(8, generator=rng), torch.rand(8)))
    assert torch.equal(drawn[0][0], drawn[2][0])
    assert torch.equal(drawn[0][1], drawn[2][1])
    assert not torch.equal(drawn[0][0], drawn[1][0])
    assert not torch.equal(drawn[0][0], drawn[0][1]), "else the noise would decide what dropout drops"


def test_a_checkpoint_is_the_whole_state_and_plain() -> None:
    run = opened(small({"memory": {"name": "pool", "capacity": 16}}))
    list(walked(run, 1))
    state = through_a_file(run.state_dict())
    other = opened(small({"memory": {"name": "pool", "capacity": 16}}), seed=9, student=toy(7, dropout=0.3))
    assert differing(other.state_dict(), state)
    other.load_state_dict(state)
    assert not differing(other.state_dict(), run.state_dict())
    assert (other.epoch, other.rounds, other.progress) == (1, 2, pytest.approx(1 / 3))
    assert not any("teacher" in key for key in state), "the teacher is an input"


def test_a_term_that_does_not_fit_is_named_with_its_slot() -> None:
    foreign = nn.Sequential(nn.Flatten(), nn.Linear(768, CLASSES))
    with pytest.raises(ConfigError) as caught:
        opened(small({"student_loss.high_order.where": "stages"}), student=foreign)
    counts = "the teacher has 2 stages, the student 0"
    assert str(caught.value) == f"student_loss.high_order.where: {counts}: compare them with where: embedding"


@pytest.mark.parametrize("slot", ["source_loss", "student_loss"])
def test_a_term_that_needs_what_the_source_does_not_give_is_named(slot: str) -> None:
    run = opened(small({f"{slot}.cross_entropy": {}}))
    with pytest.raises(ConfigError, match=r"^cross_entropy: this term needs labels"):
        list(walked(run, 1))


def test_an_image_that_the_source_cannot_make_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="source: the sides of an image must be multiples of 16, got 20"):
        opened(small(), image=(3, 20, 20))


def test_the_student_is_the_module_that_was_given() -> None:
    student = toy(2)
    run = opened(small(), student=student, runtime=Runtime("cpu"))
    list(walked(run, 1))
    assert run.student is student
    assert isinstance(student, Toy)


def test_a_step_that_overflows_float16_moves_nothing_of_the_student_and_is_told() -> None:
    run = opened(small(), runtime=Runtime(precision="float16"))
    before = flat({part: run.state_dict()[part] for part in ("student", "student_loss", "optimizer")})
    run.step(sum((overflowing(p) for p in run.student.parameters()), torch.zeros(())))
    assert not differing({part: run.state_dict()[part] for part in ("student", "student_loss", "optimizer")}, before)
    assert run.skipped() == {"skipped/student": 1.0, "skipped/source": 0.0}
    second = opened(small(), runtime=Runtime(precision="float16"))
    second.load_state_dict(through_a_file(run.state_dict()))
    assert second.skipped() == run.skipped()
    assert second.scaler.get_scale() == 2.0**15


def without_scales(state: Any) -> Any:
    """A checkpoint as it was when there was no loss scale."""
    if not isinstance(state, dict):
        return state
    return {key: without_scales(item) for key, item in state.items() if key not in ("scaler", "scalers", "skipped")}


@pytest.mark.parametrize("name", ["dfkd_fgvc", "deepinversion", "pre_dfkd", "diff_dfkd"])
def test_a_checkpoint_without_loss_scales_goes_on_in_the_same_bits(name: str) -> None:
    undisturbed, first, second = (opened(shrunk(name)) for _ in range(3))
    assert undisturbed.skipped() == {}
    list(walked(undisturbed))
    list(walked(first, 1))
    second.load_state_dict(through_a_file(without_scales(first.state_dict())))
    list(walked(second))
    assert not differing(second.state_dict(), undisturbed.state_dict())
