from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from dfkd_ray.parts.losses.kd import KD


def softmax(row: list[float], temperature: float) -> list[float]:
    powers = [math.exp(value / temperature) for value in row]
    return [power / sum(powers) for power in powers]


def divergence(first: list[list[float]], second: list[list[float]], temperature: float) -> float:
    """Mean over the rows of T^2 sum_k p_k log(p_k / q_k)."""
    total = 0.0
    for a, b in zip(first, second):
        p, q = softmax(a, temperature), softmax(b, temperature)
        total += sum(x * math.log(x / y) for x, y in zip(p, q))
    return temperature**2 * total / len(first)


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_both_directions_are_the_formula(see: Any, temperature: float) -> None:
    t, s = torch.randn(2, 5, 4, dtype=torch.float64) * 3
    signals = see(teacher={"logits": t}, student={"logits": s})
    usual = KD(temperature=temperature)(signals)
    literal = KD(temperature=temperature, direction="student_teacher")(signals)
    assert usual.item() == pytest.approx(divergence(t.tolist(), s.tolist(), temperature))
    assert literal.item() == pytest.approx(divergence(s.tolist(), t.tolist(), temperature))


@pytest.mark.parametrize("direction", ["teacher_student", "student_teacher"])
def test_the_teacher_gets_no_gradient(see: Any, direction: Any) -> None:
    t, s = (torch.randn(3, 4, requires_grad=True) for _ in range(2))
    KD(direction=direction)(see(teacher={"logits": t}, student={"logits": s})).backward()
    assert t.grad is None
    assert s.grad is not None
    assert s.grad.abs().max() > 0


def test_the_gradient_is_q_minus_p(see: Any) -> None:
    t, s = torch.randn(1, 4), torch.randn(1, 4, requires_grad=True)
    KD()(see(teacher={"logits": t}, student={"logits": s})).backward()
    expected = [q - p for p, q in zip(softmax(t[0].tolist(), 1), softmax(s[0].tolist(), 1))]
    assert s.grad is not None
    assert s.grad[0].tolist() == pytest.approx(expected, abs=1e-6)


def test_huge_logits_stay_finite(see: Any) -> None:
    t, s = torch.tensor([[1e4, -1e4]]), torch.tensor([[-1e4, 1e4]], requires_grad=True)
    value = KD()(see(teacher={"logits": t}, student={"logits": s}))
    value.backward()
    assert value.item() == pytest.approx(2e4)
    assert s.grad is not None
    assert s.grad.isfinite().all()


def test_impossible_values() -> None:
    with pytest.raises(ValueError, match="temperature must be > 0, got 0"):
        KD(temperature=0)
    with pytest.raises(ValueError, match="direction must be one of teacher_student, student_teacher"):
        KD(direction="forward")  # type: ignore[arg-type]
