from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.parts.losses.semantic_contrast import SemanticContrast, contrast, mlp
from dfkd_ray.parts.signals import Layout, Setting


def setting(teacher: int, student: int) -> Setting:
    return Setting((3, 8, 8), 10, (0.5,) * 3, (0.5,) * 3, Layout((), teacher), Layout((), student))


def oracle(teacher: Tensor, student: Tensor, temperature: float, symmetric: bool) -> float:
    """Eq. 9, anchor by anchor, with cosines from sums."""
    views = teacher.tolist() + student.tolist()
    count = len(teacher)

    def similar(i: int, j: int) -> float:
        dot = sum(a * b for a, b in zip(views[i], views[j]))
        return dot / math.sqrt(sum(a * a for a in views[i]) * sum(b * b for b in views[j]))

    losses = []
    for i in range(2 * count if symmetric else count):
        positive = (i + count) % (2 * count)
        others = [math.exp(similar(i, k) / temperature) for k in range(2 * count) if k != i]
        assert len(others) == 2 * count - 1
        losses.append(-math.log(math.exp(similar(i, positive) / temperature) / sum(others)))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("temperature", [0.07, 0.5])
def test_contrast_is_the_formula(symmetric: bool, temperature: float) -> None:
    teacher, student = torch.randn(2, 5, 7, dtype=torch.float64)
    expected = oracle(teacher, student, temperature, symmetric)
    assert contrast(teacher, student, temperature, symmetric).item() == pytest.approx(expected)


def test_the_two_readings_of_the_anchors_differ() -> None:
    teacher, student = torch.randn(2, 5, 7)
    assert contrast(teacher, student, 0.1, True).item() != pytest.approx(contrast(teacher, student, 0.1, False).item())


def lifted(live: Any, student: Tensor) -> Tensor:
    """Section 5.2: an MLP takes the student's length to the teacher's; both then share one projection."""
    first, _, second = live.pairs.bridges[0]
    (w1, b1), (w2, b2) = ((layer.weight[:, :, 0, 0], layer.bias) for layer in (first, second))
    return (student @ w1.T + b1).clamp(min=0) @ w2.T + b2


@pytest.mark.parametrize(("teacher", "student"), [(6, 6), (8, 6), (6, 8)])
def test_the_whole_term(see: Any, teacher: int, student: int) -> None:
    live = SemanticContrast(dim=4).open(setting(teacher, student))
    t, s = torch.randn(3, teacher), torch.randn(3, student)
    expected = oracle(live.project(t), live.project(s if teacher == student else lifted(live, s)), 0.07, True)
    value = live(see(teacher={"embedding": t}, student={"embedding": s}))
    assert value.item() == pytest.approx(expected, rel=1e-4)
    assert any("pairs" in name for name in live.state_dict()) is (teacher != student)


def test_the_gradient_reaches_student_and_projections_but_no_teacher(see: Any) -> None:
    live = SemanticContrast().open(setting(8, 6))
    t, s = torch.randn(4, 8, requires_grad=True), torch.randn(4, 6, requires_grad=True)
    live(see(teacher={"embedding": t}, student={"embedding": s})).backward()
    assert t.grad is None
    assert s.grad is not None
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in live.parameters())


def test_the_depth_of_the_projection() -> None:
    two, three = mlp(6, 4, 2), mlp(6, 4, 3)
    assert [type(m) for m in two] == [nn.Linear, nn.ReLU, nn.Linear]
    assert [type(m) for m in three] == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]
    assert [(m.in_features, m.out_features) for m in three if isinstance(m, nn.Linear)] == [(6, 6), (6, 6), (6, 4)]


def test_one_image_has_no_negatives(see: Any) -> None:
    live = SemanticContrast().open(setting(6, 6))
    assert live(see(teacher={"embedding": torch.randn(1, 6)}, student={"embedding": torch.randn(1, 6)})).item() == 0


def test_impossible_values() -> None:
    for name in ("temperature", "dim", "layers"):
        with pytest.raises(ValueError, match=f"{name} must be > 0, got 0"):
            SemanticContrast(**{name: 0})
