from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dfkd_ray.parts.losses.feature_mse import FeatureMSE
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.util.errors import ConfigError


def setting(teacher: Layout, student: Layout) -> Setting:
    return Setting((3, 8, 8), 10, (0.5,) * 3, (0.5,) * 3, teacher, student)


def maps(*shape: int) -> Tensor:
    return torch.randn(2, *shape)


def mse(first: Any, second: Any) -> float:
    difference = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    return float((difference**2).sum() / difference.size)


def seen(see: Any, t: tuple[Tensor, ...], s: tuple[Tensor, ...]) -> Any:
    return see(teacher={"stages": t}, student={"stages": s})


@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_equal_shapes_need_no_adapter(see: Any, reduce: Any) -> None:
    layout = Layout(((4, 4, 4), (6, 2, 2)), 6)
    t, s = (maps(4, 4, 4), maps(6, 2, 2)), (maps(4, 4, 4), maps(6, 2, 2))
    live = FeatureMSE(reduce=reduce).open(setting(layout, layout))
    expected = mse(t[0], s[0]) + mse(t[1], s[1])
    assert list(live.parameters()) == []
    assert live(seen(see, t, s)).item() == pytest.approx(expected / (2 if reduce == "mean" else 1))


def test_other_channels_pass_a_pointwise_convolution_that_learns(see: Any) -> None:
    t, s = maps(5, 3, 3), maps(2, 3, 3)
    live = FeatureMSE().open(setting(Layout(((5, 3, 3),), 5), Layout(((2, 3, 3),), 2)))
    weight, bias = (p.detach().numpy() for p in live.parameters())
    lifted = np.einsum("oi,bihw->bohw", weight[:, :, 0, 0], s.numpy()) + bias[:, None, None]
    value = live(seen(see, (t,), (s,)))
    value.backward()
    assert value.item() == pytest.approx(mse(t, lifted), rel=1e-5)
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in live.parameters())


@pytest.mark.parametrize("larger", ["teacher", "student"])
def test_other_sizes_are_averaged_to_the_smaller(see: Any, larger: str) -> None:
    big, small = maps(3, 4, 6), maps(3, 2, 3)
    layouts = (Layout(((3, 4, 6),), 3), Layout(((3, 2, 3),), 3))
    halved = big.numpy().reshape(2, 3, 2, 2, 3, 2).mean((3, 5))
    order = slice(None) if larger == "teacher" else slice(None, None, -1)
    (teacher, student), (t, s) = layouts[order], ((big,), (small,))[order]
    assert FeatureMSE().open(setting(teacher, student))(seen(see, t, s)).item() == pytest.approx(mse(halved, small))


def test_the_embedding(see: Any) -> None:
    t, s = torch.randn(4, 6), torch.randn(4, 6)
    live = FeatureMSE(where="embedding").open(setting(Layout((), 6), Layout((), 6)))
    assert live(see(teacher={"embedding": t}, student={"embedding": s})).item() == pytest.approx(mse(t, s))


@pytest.mark.parametrize(("kind", "where"), [("ResNet", "stages"), ("VGG", "embedding")])
def test_where_the_control_of_high_order_stands_is_found_as_there(kind: str, where: str) -> None:
    layouts = (Layout(((4, 3, 3),), 4, kind=kind) for kind in ("ResNet", kind))
    assert FeatureMSE(where="auto").open(setting(*layouts)).pairs.where == where


def test_the_teacher_gets_no_gradient(see: Any) -> None:
    t, s = maps(4, 3, 3).requires_grad_(), maps(4, 3, 3).requires_grad_()
    layout = Layout(((4, 3, 3),), 4)
    FeatureMSE().open(setting(layout, layout))(seen(see, (t,), (s,))).backward()
    assert t.grad is None
    assert s.grad is not None


@pytest.mark.parametrize("counts", [(2, 1), (0, 0)])
def test_networks_without_pairs_of_stages_are_told_to_use_the_embedding(counts: tuple[int, int]) -> None:
    teacher, student = (Layout(((4, 4, 4),) * count, 4) for count in counts)
    with pytest.raises(ConfigError, match=r"where: the teacher has \d stages, the student \d: .* where: embedding"):
        FeatureMSE().open(setting(teacher, student))


def test_impossible_values() -> None:
    with pytest.raises(ValueError, match="where must be one of auto, stages, embedding, got 'logits'"):
        FeatureMSE(where="logits")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="reduce must be one of sum, mean, got 'max'"):
        FeatureMSE(reduce="max")  # type: ignore[arg-type]
