from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dfkd_ray.parts.losses.attention_transfer import AttentionTransfer
from dfkd_ray.util.errors import ConfigError


def halved(energy: NDArray[Any]) -> NDArray[Any]:
    """The mean of each 2x2 block of (H, W)."""
    height, width = energy.shape
    return energy.reshape(height // 2, 2, width // 2, 2).mean((1, 3))


def oracle(teacher: Tensor, student: Tensor, halve_teacher: bool = False) -> float:
    """Mean over batch and positions of (q_s - q_t)^2, image by image."""
    total, count = 0.0, 0
    for t, s in zip(teacher.numpy(), student.numpy()):
        energies = [(t**2).sum(0) / len(t), (s**2).sum(0) / len(s)]
        if halve_teacher:
            energies[0] = halved(energies[0])
        q_t, q_s = (e.ravel() / math.sqrt((e**2).sum()) for e in energies)
        total += ((q_s - q_t) ** 2).sum()
        count += len(q_t)
    return total / count


def maps(*shape: int) -> Tensor:
    return torch.randn(3, *shape, dtype=torch.float64)


def test_it_is_the_sum_over_the_stages(see: Any) -> None:
    t, s = (maps(4, 6, 6), maps(8, 3, 2)), (maps(4, 6, 6), maps(5, 3, 2))
    signals = see(teacher={"stages": t}, student={"stages": s})
    assert AttentionTransfer()(signals).item() == pytest.approx(oracle(t[0], s[0]) + oracle(t[1], s[1]))
    assert AttentionTransfer(stages="last")(signals).item() == pytest.approx(oracle(t[1], s[1]))


def test_maps_of_other_sizes_are_averaged_to_the_smaller(see: Any) -> None:
    t, s = maps(4, 6, 8), maps(5, 3, 4)
    value = AttentionTransfer()(see(teacher={"stages": (t,)}, student={"stages": (s,)}))
    assert value.item() == pytest.approx(oracle(t, s, halve_teacher=True))


def test_other_numbers_of_stages_need_the_last(see: Any) -> None:
    signals = see(teacher={"stages": (maps(4, 6, 6), maps(4, 3, 3))}, student={"stages": (maps(2, 3, 3),)})
    with pytest.raises(ConfigError, match="the teacher has 2 stages, the student 1"):
        AttentionTransfer()(signals)
    assert AttentionTransfer(stages="last")(signals).isfinite()


def test_the_teacher_gets_no_gradient_and_the_scale_of_features_does_not_matter(see: Any) -> None:
    t, s = maps(4, 3, 3).requires_grad_(), maps(4, 3, 3).requires_grad_()
    value = AttentionTransfer()(see(teacher={"stages": (t,)}, student={"stages": (s,)}))
    value.backward()
    assert t.grad is None
    assert s.grad is not None
    scaled = AttentionTransfer()(see(teacher={"stages": (7 * t,)}, student={"stages": (s,)}))
    assert scaled.item() == pytest.approx(value.item())


def test_impossible_values() -> None:
    with pytest.raises(ValueError, match="stages must be one of all, last, got 'first'"):
        AttentionTransfer(stages="first")  # type: ignore[arg-type]
