"""DFKD-FGVC as the paper sets it up (arXiv:2404.12037), and every switch that the paper leaves open."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from dfkd_ray import nets
from dfkd_ray.methods import config
from dfkd_ray.parts.optimizers import SGD, Adam, Cosine
from dfkd_ray.train.loop import distill
from dfkd_ray.train.run import Run
from dfkd_ray.train.runtime import Runtime
from dfkd_ray.util.errors import ConfigError
from tests.tiny import CPU, flat, opened, small, toy

METHOD = config.load("dfkd_fgvc")
ONE_STEP = {f"schedule.{name}": 1 for name in ("epochs", "rounds", "source_steps", "student_steps")}


def count(module: nn.Module, trained_only: bool = False) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trained_only)


def pair(teacher: str, student: str, side: int, changes: dict[str, Any] | None = None) -> Run:
    """A run of one step each for 100 classes at a batch of 2."""
    method = config.change(METHOD, {**ONE_STEP, "schedule.batch": 2, **(changes or {})})
    torch.manual_seed(0)
    networks = nets.build(teacher, 100), nets.build(student, 100)
    return Run(method, *networks, (3, side, side), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 0, Runtime(), CPU)


@pytest.fixture(scope="module")
def paper() -> tuple[Run, dict[str, float]]:
    """ResNet-34 to ResNet-18 at 224 pixels, as in Tables 1 and 3 to 5, and the losses of its first step."""
    run = pair("resnet34", "resnet18", 224)
    (epoch,) = distill(run)
    return run, epoch.losses


def test_what_the_paper_states_is_what_stands() -> None:
    assert (METHOD.source.width, METHOD.source.spectral_norm, METHOD.source.attention.mix) == (64, True, 0.05)
    weights = {name: part.weight for name, part in METHOD.source_loss.parts.items()}
    assert weights == {"batchnorm": 0.3, "adversarial": 1.0}  # eq. 10, alpha
    weights = {name: part.weight for name, part in METHOD.student_loss.parts.items()}
    assert weights == {"kd": 1.0, "high_order": 10.0, "semantic_contrast": 8.0}  # eq. 11, beta and gamma
    assert METHOD.student_loss.parts["high_order"].term.order == 3
    assert METHOD.student_loss.parts["kd"].term.temperature == 1.0
    plan = METHOD.schedule
    assert (plan.epochs, plan.source_steps, plan.student_steps, plan.batch) == (200, 20, 15, 64)
    assert METHOD.source.optimizer == Adam(lr=1e-3, betas=(0.5, 0.99))
    assert METHOD.student.optimizer == SGD(lr=0.01, momentum=0.9, weight_decay=5e-4)
    assert METHOD.student.lr_schedule == Cosine()
    assert METHOD.source.doublings == 4, "Table 6"
    assert not METHOD.source.block_norm, "Table 6 lists BatchNorm after the reshape only"


def test_the_first_step_of_the_papers_set_up(paper: tuple[Run, dict[str, float]]) -> None:
    run, losses = paper
    assert {name.rpartition("/")[2] for name in losses} >= {"batchnorm", "adversarial", "kd", "high_order"}
    assert all(abs(value) < float("inf") for value in losses.values())
    images = run.source.sample(2, torch.Generator().manual_seed(0), training=False).images
    assert images.shape == (2, 3, 224, 224)
    assert images.abs().max() <= 1


def test_the_stages_are_those_of_imagenet_resnets(paper: tuple[Run, dict[str, float]]) -> None:
    expected = ((64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7))
    for side in (paper[0].setting.teacher, paper[0].setting.student):
        assert (side.stages, side.embedding) == (expected, 512)


def test_the_parameters_are_as_many_as_the_paper_says(paper: tuple[Run, dict[str, float]]) -> None:
    run = paper[0]
    assert count(run.teacher) / 1e6 == pytest.approx(22, abs=1)  # Table 1
    assert count(run.student) / 1e6 == pytest.approx(11, abs=0.5)
    assert sum(isinstance(module, nn.BatchNorm2d) for module in run.teacher.modules()) == 36
    generator = run.source.net  # type: ignore[attr-defined]
    assert count(generator.project) == 25_790_464
    assert sum(count(block.deconv) for block in generator.blocks) == 1_585_152
    assert count(generator.to_image) == 1_731
    assert sum(count(block.attention) for block in generator.blocks) / 1e6 == pytest.approx(0.278, abs=5e-4)


@pytest.mark.parametrize(("reduction", "millions"), [(2, 4.15), (4, 1.06), (16, 0.076)])
def test_the_attention_of_the_generator_for_other_reductions(reduction: int, millions: float) -> None:
    total = sum(count(nets.SpatialAttention(channels, reduction)) for channels in (256, 128, 64, 64))
    assert total / 1e6 == pytest.approx(millions, rel=0.01)


def test_the_high_order_attention_has_the_weights_of_its_origin(paper: tuple[Run, dict[str, float]]) -> None:
    live: Any = paper[0].student_loss.calls["high_order"]
    assert [count(module) for module in live.attention] == [9_216, 36_864, 147_456, 589_824]
    assert count(live.attention) == count(live.target) == 783_360
    assert count(live.attention, trained_only=True) == 783_360, "the student's side learns"
    assert count(live.target, trained_only=True) == 0, "the teacher's side does not"
    assert count(live.pairs) == 0, "the same channels need no adapters"
    assert 0.3 < paper[1]["loss/student/high_order/attention_teacher"] < 0.7


def test_the_projection_is_shared_where_the_embeddings_have_one_length(paper: tuple[Run, dict[str, float]]) -> None:
    live: Any = paper[0].student_loss.calls["semantic_contrast"]
    assert count(live.pairs) == 0, "no MLP in front"
    assert [tuple(layer.weight.shape) for layer in live.project if isinstance(layer, nn.Linear)] == [
        (512, 512),
        (128, 512),
    ]


def test_what_teaches_is_not_part_of_the_student(paper: tuple[Run, dict[str, float]]) -> None:
    """Section 4.2: the attention is dropped at inference."""
    run = paper[0]
    assert set(run.student.state_dict()) == set(nets.build("resnet18", 100).state_dict())


@pytest.mark.parametrize(("student", "embedding"), [("wrn_40_2", 128), ("mobilenet_v2", 1280)])
def test_students_of_another_kind_learn_at_the_embedding(student: str, embedding: int) -> None:
    """Section 5.2: an MLP takes the student's length to the teacher's, and both losses stand there alone."""
    run = pair("resnet34", student, 64)
    (epoch,) = distill(run)
    assert epoch.losses["loss/student/high_order"] > 0
    assert run.setting.student.embedding == embedding
    live: Any = run.student_loss.calls["high_order"]
    (bridge,) = live.pairs.bridges
    shapes = [tuple(layer.weight.shape[:2]) for layer in bridge if isinstance(layer, nn.Conv2d)]
    assert shapes == [(512, embedding), (512, 512)]
    contrast: Any = run.student_loss.calls["semantic_contrast"]
    assert contrast.project[0].in_features == 512
    (bridge,) = contrast.pairs.bridges
    assert [tuple(layer.weight.shape[:2]) for layer in bridge if isinstance(layer, nn.Conv2d)] == shapes


def test_a_student_with_another_number_of_stages_is_told_what_to_do() -> None:
    counts = "the teacher has 4 stages, the student 3"
    with pytest.raises(ConfigError) as caught:
        pair("resnet34", "wrn_40_2", 64, {"student_loss.high_order.where": "stages"})
    assert str(caught.value) == f"student_loss.high_order.where: {counts}: compare them with where: embedding"


SWITCHES: list[tuple[str, Any]] = [
    # a. the softmax of the generator's attention, and the table of lambda (Table 4)
    ("source.attention.softmax", "channel"),
    ("source.attention.softmax", "spatial_rescaled"),
    *(("source.attention.mix", mix) for mix in (0, 0.01, 0.07, 0.09)),
    ("source.attention", None),
    # b. who trains the high-order attention, its order (Table 5) and its activation
    ("student_loss.high_order.trained", "shared_frozen"),
    ("student_loss.high_order.trained", "shared_joint"),
    ("student_loss.high_order.order", 1),
    ("student_loss.high_order.order", 2),
    ("student_loss.high_order.activation", "sigmoid_sum"),
    # c. the direction of the divergence, for either side
    ("student_loss.kd.direction", "student_teacher"),
    ("source_loss.adversarial.direction", "student_teacher"),
    # d. what is compared, and how stages add up
    ("student_loss.high_order.compare", "map"),
    ("student_loss.high_order.reduce", "mean"),
    ("student_loss.high_order.where", "embedding"),
    # e. tau
    ("student_loss.semantic_contrast.temperature", 0.1),
    ("student_loss.semantic_contrast.temperature", 0.5),
    ("student_loss.semantic_contrast.layers", 3),
    ("student_loss.semantic_contrast.dim", 64),
    # f. length of the noise, reduction
    ("source.latent", 100),
    ("source.attention.reduction", 4),
    ("source.attention.reduction", 16),
    # g. range of the generator's output
    ("source.output", "normalised"),
    ("source.output", "batchnorm"),
    # h. iterations an epoch, and who is in which mode
    ("schedule.rounds", 100),
    ("schedule.student_in_synthesis", "eval"),
    # i. first weights
    ("student.pretrained", True),
    # j. anchors
    ("student_loss.semantic_contrast.symmetric", False),
    # rates: the second beta of the earlier code, warm-up, the generator's schedule
    ("source.optimizer.betas", [0.5, 0.999]),
    ("student.lr_schedule.warmup", 0.05),
    ("source.lr_schedule", {"name": "step", "at": [0.25, 0.75]}),
    # rows of Table 3, and the control that the paper does not have: features without attention
    ("student_loss.high_order", None),
    ("student_loss.semantic_contrast", None),
    ("student_loss.feature_mse", {"weight": 10.0}),
    ("source_loss.adversarial", None),
    ("source_loss.batchnorm", None),
    # weights of Fig. 7
    ("source_loss.batchnorm.weight", 5),
    ("student_loss.high_order.weight", 100),
    ("student_loss.semantic_contrast.weight", 0),
]
PRINTS = {config.fingerprint(config.change(METHOD, {path: value})) for path, value in SWITCHES}


@pytest.mark.parametrize(("path", "value"), SWITCHES, ids=str)
def test_a_switch_is_one_path(path: str, value: Any) -> None:
    changed = config.change(METHOD, {path: value})
    where = list(config.diff(METHOD, changed))
    assert where
    assert [at for at in where if not f"{at}.".startswith(f"{path}.")] == []
    assert config.fingerprint(changed) != config.fingerprint(METHOD)
    if path not in ("student.pretrained", "schedule.rounds"):
        (epoch,) = distill(opened(small({**ONE_STEP, path: value}), student=toy(2, width=8)))
        assert all(abs(loss) < float("inf") for loss in epoch.losses.values())


def test_no_two_switches_are_the_same_method() -> None:
    assert len(PRINTS) == len(SWITCHES)


def test_the_table_of_components_can_be_run() -> None:
    """Table 3: the baseline, each loss alone, both."""
    for removed in (("high_order", "semantic_contrast"), ("high_order",), ("semantic_contrast",), ()):
        run = opened(small({**ONE_STEP, **{f"student_loss.{name}": None for name in removed}}))
        (epoch,) = distill(run)
        logged = {name for name in METHOD.student_loss.parts if f"loss/student/{name}" in epoch.losses}
        assert logged == set(METHOD.student_loss.parts) - set(removed)
        assert not {key for key in flat(run.student_loss.state_dict()) if any(name in key for name in removed)}
