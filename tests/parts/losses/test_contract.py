"""What every registered loss term promises, in every variant that its Literal and bool fields offer."""

from __future__ import annotations

import dataclasses
import math
import pickle
import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
import torch
from torch import Tensor, nn

import dfkd_ray.parts.losses  # noqa: F401  fills the registry
from dfkd_ray.nets import Taps, attach_taps
from dfkd_ray.parts.signals import Setting, Signals, frozen, layout, mode
from dfkd_ray.parts.total_loss import Opens, TotalLoss, Weighted, terms

IMAGE, CLASSES = (3, 8, 8), 3


def variants(cls: type[Any]) -> Iterator[Any]:
    """The default, and one spec for each other value of each Literal or bool field."""
    yield cls()
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        hint = hints[field.name]
        options = get_args(hint) if get_origin(hint) is Literal else (False, True) if hint is bool else ()
        for value in options:
            if value != field.default:
                yield cls(**{field.name: value})


SPECS = [spec for name in terms for spec in variants(terms[name])]
every_term = pytest.mark.parametrize("name", list(terms))
every_spec = pytest.mark.parametrize("spec", SPECS, ids=repr)


class Pooled(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


def toy(widths: tuple[int, ...], seed: int) -> nn.Module:
    """A small convolutional net that predicts every class; its running statistics are not those of a fresh layer."""
    torch.manual_seed(seed)
    blocks, inputs = [], IMAGE[0]
    for number, width in enumerate(widths):
        conv = nn.Conv2d(inputs, width, 3, stride=1 + (number > 0), padding=1, bias=False)
        blocks.append(nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU()))
        inputs = width
    net = nn.Sequential(*blocks, Pooled(), nn.Linear(inputs, CLASSES))
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 2)  # type: ignore[union-attr]
    with torch.no_grad(), mode(net, training=False):
        net[-1].bias -= net(torch.randn(64, *IMAGE)).mean(0)  # type: ignore[operator, union-attr]
    stages = tuple(str(number) for number in range(len(widths)))
    return attach_taps(net, Taps(stages, head=str(len(widths) + 1)))


class World:
    """A frozen teacher in evaluation mode, a student in training mode, and what a term sees of them."""

    def __init__(self, student: tuple[int, ...] = (8, 16)) -> None:
        self.teacher, self.student = toy((8, 16), 1).eval(), toy(student, 2).train()
        shapes = (layout(net, IMAGE) for net in (self.teacher, self.student))
        self.setting = Setting(IMAGE, CLASSES, (0.5,) * 3, (0.5,) * 3, *shapes)
        torch.manual_seed(3)
        self.images, self.labels = torch.randn(12, *IMAGE), torch.randint(CLASSES, (12,))

    def live(self, spec: Any) -> Any:
        torch.manual_seed(4)
        return spec.open(self.setting) if isinstance(spec, Opens) else spec

    def signals(self, grad: bool = True, teacher: nn.Module | None = None, student: nn.Module | None = None) -> Signals:
        images = self.images.clone().requires_grad_(grad)
        torch.manual_seed(6)  # a term may draw torch's own numbers
        return Signals(images, self.labels, teacher or self.teacher, student or self.student)


same_and_narrower = pytest.mark.parametrize("student", [(8, 16), (4, 6)], ids=["same", "narrower"])


@every_spec
@same_and_narrower
def test_it_is_a_finite_scalar_with_and_without_a_gradient(spec: Any, student: tuple[int, ...]) -> None:
    world = World(student)
    live = world.live(spec)
    for grad in (True, False):
        value = live(world.signals(grad))
        assert value.shape == ()
        assert value.isfinite()
        assert value.dtype == torch.float32


@every_spec
@same_and_narrower
def test_the_gradient_reaches_images_and_student_and_spares_the_teacher(spec: Any, student: tuple[int, ...]) -> None:
    world = World(student)
    live, before = world.live(spec), {k: v.clone() for k, v in world.teacher.state_dict().items()}
    signals = world.signals()
    with frozen(world.teacher):
        live(signals).backward()
    assert signals.images.grad is not None
    assert signals.images.grad.isfinite().all()
    assert signals.images.grad.abs().max() > 0
    assert all(p.grad is None for p in world.teacher.parameters())
    assert all(torch.equal(v, before[k]) for k, v in world.teacher.state_dict().items())
    learnt = any(p.grad is not None and bool(p.grad.abs().max() > 0) for p in world.student.parameters())
    assert learnt is signals.student.ran


@every_spec
def test_learnable_parameters_learn_and_frozen_ones_do_not(spec: Any) -> None:
    world = World((4, 6))
    live = world.live(spec)
    if not isinstance(live, nn.Module):
        return
    while getattr(live, "collecting", False):  # what waits for enough images learns from then on
        live(world.signals(grad=False))
        live.settle()
    live(world.signals(grad=False)).backward()
    for name, parameter in live.named_parameters():
        assert (parameter.grad is not None and bool(parameter.grad.abs().max() > 0)) is parameter.requires_grad, name


@every_spec
def test_it_runs_only_the_networks_on_which_it_depends(spec: Any) -> None:
    world = World()
    live, signals = world.live(spec), world.signals()
    value = live(signals)
    other_teacher = live(world.signals(teacher=toy((8, 16), 5).eval()))
    other_student = live(world.signals(student=toy((8, 16), 6).train()))
    assert signals.teacher.ran is not torch.equal(value, other_teacher)
    assert signals.student.ran is not torch.equal(value, other_student)


@every_spec
def test_a_term_without_state_repeats_itself(spec: Any) -> None:
    world = World()
    if isinstance(spec, Opens):
        return
    assert torch.equal(spec(world.signals()), spec(world.signals()))


@every_spec
def test_the_spec_survives_pickling_and_the_live_one_a_state_dict(spec: Any) -> None:
    assert pickle.loads(pickle.dumps(spec)) == spec
    world = World((4, 6))
    first = TotalLoss({"it": Weighted(1.0, spec)}).open(world.setting)
    first(world.signals())
    torch.manual_seed(99)
    second = TotalLoss({"it": Weighted(1.0, spec)}).open(world.setting)
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    assert torch.equal(second(world.signals())[0], first(world.signals())[0])
    pointers = [v.data_ptr() for v in first.state_dict().values()]
    assert len(set(pointers)) == len(pointers), "a tensor stands twice in the checkpoint"


@every_term
def test_a_spec_is_a_frozen_dataclass_that_knows_its_name(name: str) -> None:
    spec = terms[name]()
    assert spec.registered_as == name
    for field in dataclasses.fields(spec):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(spec, field.name, None)
    assert not {"weight", "alpha", "beta"} & {field.name for field in dataclasses.fields(spec)}


@every_term
def test_the_docstring_has_a_formula_a_source_and_every_field(name: str) -> None:
    text = terms[name].__doc__ or ""
    assert text.startswith("L = ")
    assert re.search(r"arXiv\s+\d{4}\.\d{4,5}", text)
    for field in dataclasses.fields(terms[name]):
        assert re.search(rf"^    .*\b{field.name}\b.*: ", text, re.MULTILINE), f"{field.name} is not explained"


SAME_IS_ZERO = [
    *(spec for spec in SPECS if spec.registered_as in {"kd", "adversarial", "logit_l1", "attention_transfer"}),
    *(spec for spec in SPECS if spec.registered_as == "feature_mse"),
    *(spec for spec in SPECS if getattr(spec, "trained", "").startswith("shared")),
]


@pytest.mark.parametrize("spec", SAME_IS_ZERO, ids=repr)
def test_the_teacher_passed_as_the_student_shows_as_an_exact_zero(spec: Any) -> None:
    """A fault of published code: generators that were trained against the teacher itself have no adversary."""
    world = World()
    world.student = world.teacher
    signals = world.signals()
    value = world.live(spec)(signals)
    value.backward()
    assert value.item() == 0
    assert signals.images.grad is not None
    assert signals.images.grad.abs().max() < 1e-6


def test_there_is_something_to_test() -> None:
    assert len(SAME_IS_ZERO) > 10
    assert {"kd", "adversarial", "batchnorm", "high_order", "semantic_contrast"} <= set(terms)
    assert any(math.isclose(getattr(spec, "temperature", 0), 0.07) for spec in SPECS)
