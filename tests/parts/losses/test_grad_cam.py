"""Grad-CAM against finite differences: adding e to a whole channel of a stage moves a logit by e times the sum of its
gradient there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.nets import Taps, attach_taps
from dfkd_ray.parts.losses.grad_cam import GradCam
from dfkd_ray.parts.signals import Signals, frozen
from dfkd_ray.util.errors import ConfigError

E = 1e-5
CLASSES = 3


class Tiny(nn.Module):
    """Two smooth stages in double precision."""

    def __init__(self, width: int, seed: int, stride: int = 2, stages: int = 2) -> None:
        torch.manual_seed(seed)
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, width, 3, padding=1), nn.Tanh())
        self.second = nn.Sequential(nn.Conv2d(width, width + 1, 3, stride, padding=1), nn.Tanh())
        self.head = nn.Linear(width + 1, CLASSES)
        self.passes = 0
        self.double()
        attach_taps(self, Taps(("first", "second")[-stages:], head="head"))

    def forward(self, x: Tensor) -> Tensor:
        self.passes += 1
        return self.rest(self.first(x), 0)

    def rest(self, stage: Tensor, number: int) -> Tensor:
        """The logits, from the output of a stage on."""
        last = self.second(stage) if number == 0 else stage
        return self.head((last**2).mean((2, 3)))


def images() -> Tensor:
    return torch.randn(2, 3, 4, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(9))


@torch.no_grad()
def weights(net: Tiny, x: Tensor, classes: list[int]) -> list[Tensor]:
    """w (B, C) of each stage: the mean over positions of the gradient of one logit an image."""
    out = []
    stage = x
    for number, block in enumerate((net.first, net.second)):
        stage = block(stage)
        w = torch.zeros(stage.shape[:2], dtype=torch.float64)
        for c in range(stage.shape[1]):
            more, less = stage.clone(), stage.clone()
            more[:, c] += E
            less[:, c] -= E
            moved = (net.rest(more, number) - net.rest(less, number)) / (2 * E)
            for b, k in enumerate(classes):
                w[b, c] = moved[b, k] / (stage.shape[2] * stage.shape[3])
        out.append(w)
    return out


@torch.no_grad()
def maps(net: Tiny, x: Tensor, w: list[Tensor]) -> list[Tensor]:
    """M (B, H, W) of each stage."""
    first = net.first(x)
    return [torch.einsum("bc,bchw->bhw", each, a) for each, a in zip(w, (first, net.second(first)))]


def oracle(teacher: Tiny, student: Tiny, x: Tensor, w: list[Tensor] | None = None) -> list[float]:
    """The error at each stage; `w`: weights of the student's maps, if they are to be constants."""
    classes = teacher(x).argmax(1).tolist()
    targets = maps(teacher, x, weights(teacher, x, classes))
    reached = maps(student, x, weights(student, x, classes) if w is None else w)
    return [float(((s - t) ** 2).mean()) for s, t in zip(reached, targets)]


def value(spec: GradCam, teacher: Tiny, student: Tiny, grad: bool = False) -> Tensor:
    with frozen(teacher):
        return spec(Signals(images().requires_grad_(grad), None, teacher, student))


@pytest.mark.parametrize("second_order", [False, True])
@pytest.mark.parametrize("grad", [False, True])
def test_it_is_the_sum_over_the_stages(second_order: bool, grad: bool) -> None:
    teacher, student = Tiny(4, 1), Tiny(5, 2)
    each = oracle(teacher, student, images())
    assert min(each) > 0
    for stages, expected in (("all", sum(each)), ("last", each[-1])):
        spec = GradCam(stages=stages, second_order=second_order)  # type: ignore[arg-type]
        assert value(spec, teacher, student, grad).item() == pytest.approx(expected, rel=1e-6)


def slope(parameter: nn.Parameter, loss: Callable[[], float]) -> float:
    """The derivative of a loss by the first entry of a parameter."""
    sides = []
    for e in (1e-4, -1e-4):
        with torch.no_grad():
            parameter.view(-1)[0] += e
            sides.append(loss())
            parameter.view(-1)[0] -= e
    return (sides[0] - sides[1]) / 2e-4


@pytest.mark.parametrize("second_order", [False, True])
def test_the_student_learns_through_its_weights_only_if_asked(second_order: bool) -> None:
    teacher, student = Tiny(4, 1), Tiny(5, 2)
    value(GradCam(second_order=second_order), teacher, student).backward()
    constants = weights(student, images(), teacher(images()).argmax(1).tolist())
    expected = slope(
        student.first[0].weight,  # type: ignore[arg-type]
        lambda: sum(oracle(teacher, student, images(), None if second_order else constants)),
    )
    gradient = student.first[0].weight.grad
    assert isinstance(gradient, Tensor)
    assert gradient.view(-1)[0].item() == pytest.approx(expected, rel=1e-3)
    assert (student.head.weight.grad is not None) is second_order
    assert all(p.grad is None for p in teacher.parameters())


def test_the_teacher_is_run_again_only_where_images_need_no_gradient() -> None:
    for grad, passes in ((False, 2), (True, 1)):
        teacher = Tiny(4, 1)
        value(GradCam(), teacher, Tiny(5, 2), grad)
        assert teacher.passes == passes


def test_the_teacher_as_the_student_is_zero() -> None:
    teacher = Tiny(4, 1)
    assert GradCam()(Signals(images(), None, teacher, teacher)).item() == 0


def test_maps_of_other_sizes_are_averaged_to_the_smaller() -> None:
    teacher, student = Tiny(4, 1, stride=1), Tiny(5, 2)
    classes = teacher(images()).argmax(1).tolist()
    large, small = (maps(net, images(), weights(net, images(), classes))[-1] for net in (teacher, student))
    expected = ((small - large.reshape(2, 2, 2, 3, 2).mean((2, 4))) ** 2).mean().item()
    assert value(GradCam(stages="last"), teacher, student).item() == pytest.approx(expected, rel=1e-6)


def test_other_numbers_of_stages_need_the_last() -> None:
    teacher, student = Tiny(4, 1), Tiny(5, 2, stages=1)
    with pytest.raises(ConfigError, match=r"stages: the teacher has 2 stages, the student 1: .* stages: last"):
        value(GradCam(), teacher, student)
    assert value(GradCam(stages="last"), teacher, student).isfinite()


def test_impossible_values() -> None:
    with pytest.raises(ValueError, match="stages must be one of all, last, got 'first'"):
        GradCam(stages="first")  # type: ignore[arg-type]
