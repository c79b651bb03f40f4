from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dfkd_ray.parts.losses.high_order import HighOrder
from dfkd_ray.parts.signals import Layout, Setting

Array = NDArray[Any]


def setting(teacher: Layout, student: Layout) -> Setting:
    return Setting((3, 8, 8), 10, (0.5,) * 3, (0.5,) * 3, teacher, student)


ONE = Layout(((16, 3, 4),), 16)
TWO = Layout(((16, 4, 4), (24, 2, 2)), 24)


def gate(attention: Any, x: Array, order: int, activation: str) -> Array:
    """A of section 4.2, read from the module's weights: route r multiplies r convolutions of its own."""
    weights = iter(np.split(attention.reduce.weight.detach().numpy()[:, :, 0, 0], order * (order + 1) // 2))
    routes = []
    for rank in range(1, order + 1):
        product: Any = 1.0
        for _ in range(rank):
            product = product * np.einsum("oi,bihw->bohw", next(weights), x)
        expand = attention.expand[rank - 1].weight.detach().numpy()[:, :, 0, 0]
        routes.append(np.einsum("oi,bihw->bohw", expand, np.maximum(product, 0)))
    if activation == "sigmoid_sum":
        return np.asarray(1 / (1 + np.exp(-sum(routes))))
    return np.asarray(sum(1 / (1 + np.exp(-route)) for route in routes) / order)


def mse(first: Array, second: Array) -> float:
    return float(((first - second) ** 2).sum() / first.size)


def features(layout: Layout) -> tuple[Tensor, ...]:
    return tuple(2 * torch.randn(2, *shape) for shape in layout.stages)


def seen(see: Any, t: tuple[Tensor, ...], s: tuple[Tensor, ...]) -> Any:
    return see(teacher={"stages": t}, student={"stages": s})


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("activation", ["mean_sigmoid", "sigmoid_sum"])
@pytest.mark.parametrize("compare", ["features", "map"])
def test_one_stage_is_the_formula(see: Any, order: int, activation: Any, compare: Any) -> None:
    live = HighOrder(order=order, activation=activation, compare=compare).open(setting(ONE, ONE))
    (t,), (s,) = features(ONE), features(ONE)
    maps = gate(live.target[0], t.numpy(), order, activation), gate(live.attention[0], s.numpy(), order, activation)
    expected = mse(*maps) if compare == "map" else mse(maps[0] * t.numpy(), maps[1] * s.numpy())
    assert live(seen(see, (t,), (s,))).item() == pytest.approx(expected, rel=1e-4)
    assert live.gauges["attention_teacher"].item() == pytest.approx(float(maps[0].mean()), rel=1e-5)
    assert live.gauges["attention_student"].item() == pytest.approx(float(maps[1].mean()), rel=1e-5)


def test_stages_add_up_or_are_averaged(see: Any) -> None:
    live = HighOrder().open(setting(TWO, TWO))
    t, s = features(TWO), features(TWO)
    each = [
        mse(gate(target, x.numpy(), 3, "") * x.numpy(), gate(own, y.numpy(), 3, "") * y.numpy())
        for target, own, x, y in zip(live.target, live.attention, t, s)
    ]
    assert live(seen(see, t, s)).item() == pytest.approx(sum(each), rel=1e-4)
    averaged = HighOrder(reduce="mean").open(setting(TWO, TWO))
    averaged.load_state_dict(live.state_dict())
    assert averaged(seen(see, t, s)).item() == pytest.approx(sum(each) / 2, rel=1e-4)


def moved(module: nn.Module | None) -> bool:
    """Whether every weight got a gradient; False if none did."""
    assert module is not None
    grads = [p.grad is not None and bool(p.grad.abs().max() > 0) for p in module.parameters()]
    assert len(set(grads)) == 1
    return grads[0]


def test_who_trains_the_attention(see: Any) -> None:
    t, s = features(TWO), features(TWO)
    student, frozen, joint = (
        HighOrder(trained=who).open(setting(TWO, TWO))  # type: ignore[arg-type]
        for who in ("student", "shared_frozen", "shared_joint")
    )
    student(seen(see, t, s)).backward()
    assert moved(student.attention)
    assert not moved(student.target)
    assert not any(p.requires_grad for p in student.target.parameters())
    frozen(seen(see, t, tuple(x.requires_grad_() for x in s))).backward()
    assert frozen.target is None
    assert not moved(frozen.attention)
    assert all(x.grad is not None for x in s)
    joint(seen(see, t, s)).backward()
    assert joint.target is None
    assert moved(joint.attention)


@pytest.mark.parametrize("who", ["shared_frozen", "shared_joint"])
@pytest.mark.parametrize("compare", ["features", "map"])
def test_one_attention_for_both_sees_no_difference_in_equal_features(see: Any, who: Any, compare: Any) -> None:
    live = HighOrder(trained=who, compare=compare).open(setting(TWO, TWO))
    t = features(TWO)
    assert live(seen(see, t, t)).item() == 0


def test_joint_training_can_collapse_and_the_gauges_show_it(see: Any) -> None:
    live = HighOrder(trained="shared_joint", order=1).open(setting(ONE, ONE))
    t, s = features(ONE), features(ONE)
    optimizer = torch.optim.Adam(live.parameters(), 0.05)
    live(seen(see, t, s))
    start = live.gauges["attention_student"].item()
    for _ in range(60):
        optimizer.zero_grad()
        live(seen(see, t, s)).backward()
        optimizer.step()
    assert start == pytest.approx(0.5, abs=0.1)
    assert live.gauges["attention_student"].item() < 0.5 * start
    assert not live.gauges["attention_student"].requires_grad


def test_other_channels_are_lifted_before_the_attention(see: Any) -> None:
    narrow = Layout(((5, 6, 8),), 5)
    live = HighOrder(trained="shared_frozen").open(setting(ONE, narrow))
    (t,), (s,) = features(ONE), features(narrow)
    bridge = live.pairs.bridges[0]
    halved = s.numpy().reshape(2, 5, 3, 2, 4, 2).mean((3, 5))
    lifted = np.einsum("oi,bihw->bohw", bridge.weight.detach().numpy()[:, :, 0, 0], halved)  # type: ignore[operator, union-attr]
    lifted = lifted + bridge.bias.detach().numpy()[:, None, None]  # type: ignore[operator, union-attr]
    maps = (gate(live.attention[0], x, 3, "") for x in (t.numpy(), lifted))
    expected = mse(next(maps) * t.numpy(), next(maps) * lifted)
    value = live(seen(see, (t,), (s,)))
    value.backward()
    assert value.item() == pytest.approx(expected, rel=1e-4)
    assert moved(bridge)


def test_the_embedding_of_another_kind_of_student_passes_an_mlp(see: Any) -> None:
    live = HighOrder(where="embedding").open(setting(Layout(((9, 2, 2),), 16), Layout((), 6)))
    t, s = torch.randn(3, 16), torch.randn(3, 6)
    first, _, second = live.pairs.bridges[0]  # type: ignore[misc]
    hidden = np.maximum(s.numpy() @ first.weight.detach().numpy()[:, :, 0, 0].T + first.bias.detach().numpy(), 0)
    lifted = hidden @ second.weight.detach().numpy()[:, :, 0, 0].T + second.bias.detach().numpy()
    x, y = t.numpy()[:, :, None, None], lifted[:, :, None, None]
    expected = mse(gate(live.target[0], x, 3, "") * x, gate(live.attention[0], y, 3, "") * y)
    value = live(see(teacher={"embedding": t}, student={"embedding": s}))
    assert value.item() == pytest.approx(expected, rel=1e-4)


PLACES = [  # teacher, student, where "auto" compares
    (Layout(((16, 3, 4),), 16, kind="ResNet"), Layout(((8, 6, 8),), 8, kind="ResNet"), "stages"),
    (Layout(((16, 3, 4),), 16, kind="ResNet"), Layout(((16, 3, 4),), 16, kind="MobileNetV2"), "embedding"),
    (Layout(((16, 3, 4),), 16, kind="ResNet"), Layout(((8, 6, 8), (16, 3, 4)), 16, kind="ResNet"), "embedding"),
    (Layout((), 16, kind="VisionTransformer"), Layout((), 8, kind="VisionTransformer"), "embedding"),
]


@pytest.mark.parametrize(("teacher", "student", "where"), PLACES)
def test_networks_of_other_kinds_are_compared_at_the_embedding(teacher: Layout, student: Layout, where: Any) -> None:
    """Section 5.2; of one kind are nets of one class with as many stages."""
    assert HighOrder() == HighOrder(where="auto")
    torch.manual_seed(0)
    auto = HighOrder().open(setting(teacher, student))
    torch.manual_seed(0)
    named = HighOrder(where=where).open(setting(teacher, student))
    assert auto.pairs.where == named.pairs.where == where
    first, second = ({name: v.shape for name, v in live.state_dict().items()} for live in (auto, named))
    assert first == second


def test_impossible_values() -> None:
    with pytest.raises(ValueError, match="order must be 1, 2, 3 or 4, got 0"):
        HighOrder(order=0)
    for name in ("activation", "trained", "compare", "reduce", "where"):
        with pytest.raises(ValueError, match=f"{name} must be one of .*, got 'x'"):
            HighOrder(**{name: "x"})
