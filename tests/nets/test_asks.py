"""What a trial may ask to be computed, and several as one."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.nets import build, fusing
from dfkd_ray.nets.asks import Computing, Descent, Gradient, Passing, form
from dfkd_ray.nets.generator import DeconvGenerator
from dfkd_ray.nets.upsampling import UpsamplingGenerator

CALL = nn.Module.__call__


@pytest.fixture(autouse=True)
def doubles() -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def net(seed: int, training: bool = True, arch: str = "resnet8") -> nn.Module:
    torch.manual_seed(seed)
    return build(arch, 5).train(training)


def images(seed: int) -> Tensor:
    torch.manual_seed(100 + seed)
    return torch.randn(4, 3, 16, 16)


def three(training: bool) -> list[Passing]:
    return [Passing(net(seed, training), CALL, (images(seed).requires_grad_(),)) for seed in range(3)]


@pytest.mark.parametrize("training", [True, False])
def test_networks_with_weights_of_their_own_are_one_pass(training: bool) -> None:
    asks, alone = three(training), three(training)
    assert len({ask.key for ask in asks}) == 1
    found = Passing.joined(asks)
    expected = [ask.alone() for ask in alone]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)
    # gradients, of weights and of images, in one go; running statistics
    Descent.joined([Descent(((seed + 1) * one.square()).sum()) for seed, one in enumerate(found)])
    for seed, other in enumerate(expected):
        ((seed + 1) * other.square()).sum().backward()
    for ask, other in zip(asks, alone, strict=True):
        for p, q in zip(ask.net.parameters(), other.net.parameters(), strict=True):
            torch.testing.assert_close(p.grad, q.grad, rtol=1e-8, atol=1e-10)
        torch.testing.assert_close(ask.inputs[0].grad, other.inputs[0].grad, rtol=1e-8, atol=1e-10)  # type: ignore[union-attr]
        for (name, b), c in zip(ask.net.named_buffers(), other.net.buffers(), strict=True):
            torch.testing.assert_close(b, c, msg=name)


def test_one_network_at_rest_takes_all_rows_at_once_and_one_that_trains_does_not() -> None:
    teacher = net(0, training=False)
    for training in (False, True):
        asks = [Passing(teacher.train(training), CALL, (images(seed),)) for seed in range(3)]
        sizes: list[int] = []
        hook = teacher.register_forward_hook(lambda module, args, out, seen=sizes: seen.append(len(args[0])))  # type: ignore[misc]
        found = Passing.joined(asks)
        hook.remove()
        assert sizes == ([4] * 3 if training else [12])
        teacher.eval()
        if not training:
            for ask, one in zip(asks, found, strict=True):
                torch.testing.assert_close(one, teacher(ask.inputs[0]))


def test_labels_that_nobody_has_and_several_tensors_come_through() -> None:
    class Two(nn.Module):
        def __init__(self, factor: float) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(factor))

        def forward(self, x: Tensor, labels: Tensor | None) -> tuple[Tensor, Tensor]:
            return self.weight * x, x + (1 if labels is None else labels[:, None])

    for labels in (None, torch.tensor([2, 3])):
        asks = [Passing(Two(factor), CALL, (torch.ones(2, 3), labels)) for factor in (2.0, 5.0)]
        (a, b), (c, d) = Passing.joined(asks)
        assert (a.unique().item(), c.unique().item()) == (2.0, 5.0)
        assert torch.equal(b, d)
        assert b[:, 0].tolist() == ([2.0, 2.0] if labels is None else [3.0, 4.0])


def test_gradients_of_inputs_alone() -> None:
    xs = [torch.tensor(2.0, requires_grad=True), torch.tensor(3.0, requires_grad=True)]
    both = torch.stack(xs).square()  # one graph
    found = Gradient.joined([Gradient(both[0], xs[0]), Gradient(both[1], xs[1])])
    assert [each.item() for each in found] == [4.0, 6.0]
    assert [x.grad for x in xs] == [None, None]
    assert fusing.gradient(xs[0].square(), xs[0]).item() == 4.0


def altered(change: Any) -> nn.Module:
    other = net(1)
    change(other)
    return other


@pytest.mark.parametrize(
    "other",
    [
        net(1, arch="resnet20"),
        net(1, training=False),
        altered(lambda n: n.requires_grad_(False)),
        altered(lambda n: setattr(n.bn1, "eps", 1e-3)),
        altered(lambda n: setattr(n.conv1, "stride", (2, 2))),
        altered(lambda n: setattr(n, "alpha", 0.5)),
        altered(lambda n: setattr(n, "beside", object())),
        altered(lambda n: n.register_forward_hook(lambda *given: None)),
        altered(lambda n: n.half()),
    ],
    ids=["depth", "mode", "frozen", "eps", "stride", "attribute", "object", "hook", "dtype"],
)
def test_networks_that_compute_something_else_are_not_alike(other: nn.Module) -> None:
    assert form(net(0)) == form(net(1)) == form(copy.deepcopy(net(0)))
    assert form(net(0)) != form(other)


def test_generators_are_alike_unless_a_layer_is_of_a_class_of_its_own() -> None:
    def upsampling(**changes: Any) -> nn.Module:
        given: dict[str, Any] = {"width": 4, "output": "tanh", "mean": (0.5,) * 3, "std": (0.5,) * 3} | changes
        return UpsamplingGenerator(8, (3, 16, 16), **given)

    assert form(upsampling()) == form(upsampling())
    assert form(upsampling()) != form(upsampling(output="sigmoid"))
    assert form(upsampling(spectral_norm=True)) != form(upsampling(spectral_norm=True))
    assert form(DeconvGenerator(8, (3, 16, 16), width=4, doublings=2)) != form(
        DeconvGenerator(8, (3, 16, 16), width=4, doublings=2)
    )


def test_passes_are_alike_for_equal_calls_on_inputs_of_one_shape_in_one_mode() -> None:
    one, other = net(0), net(1)
    key = Passing(one, CALL, (images(0),)).key
    assert key == Passing(other, CALL, (images(1),)).key
    assert key != Passing(other, CALL, (images(1)[:2],)).key
    assert key != Passing(other, CALL, (images(1).requires_grad_(),)).key
    assert key != Passing(other, nn.Module.forward, (images(1),)).key
    with torch.no_grad():
        assert key != Passing(other, CALL, (images(1),)).key
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert key != Passing(other, CALL, (images(1),)).key


def scaled(x: Tensor, factor: Tensor) -> dict[str, Tensor]:
    return {"scaled": x * factor, "sum": x.sum()}


def test_functions_of_tensors_are_one() -> None:
    asks = [Computing(scaled, (torch.full((2,), float(n)), torch.tensor(10.0))) for n in range(3)]
    assert len({ask.key for ask in asks}) == 1
    assert asks[0].key != Computing(scaled, (torch.zeros(3), torch.tensor(1.0))).key
    assert asks[0].key != Computing(scaled, (torch.zeros(2, requires_grad=True), torch.tensor(1.0))).key
    found = Computing.joined(asks)
    for one, ask in zip(found, asks, strict=True):
        assert {name: x.tolist() for name, x in one.items()} == {name: x.tolist() for name, x in ask.alone().items()}
