"""One pass of a network, and what passes its taps on the way."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.nets import Taps, attach_taps, build
from dfkd_ray.parts.catching import Tapped, catch
from tests.tiny import toy


def test_what_is_caught_is_what_the_layers_see_and_give() -> None:
    net = toy(0).eval()
    images = torch.randn(3, 3, 16, 16)
    caught = catch(net, images, norms=True)
    first = net.first(images)
    second = net.second(first)
    assert torch.equal(caught.outputs, net(images))
    assert [each.tolist() for each in caught.stages] == [first.tolist(), second.tolist()]
    assert torch.equal(caught.embedding, second.mean((2, 3)))
    assert [norm.layer for norm in caught.norms] == [net.first[1], net.second[1]]
    assert torch.equal(caught.norms[0].input, net.first[0](images))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_norms_are_kept_where_they_are_wanted_alone() -> None:
    assert catch(toy(0), torch.randn(2, 3, 16, 16), norms=False).norms == ()


def test_a_layer_that_is_reached_twice_is_caught_twice_as_norm_and_its_last_output_as_stage() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block, self.head = nn.BatchNorm2d(3), nn.Linear(3, 2)
            attach_taps(self, Taps(("block",), head="head"))

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.block(2 * self.block(x)).mean((2, 3)))

    net, images = Twice().eval(), torch.randn(2, 3, 4, 4)
    caught = catch(net, images, norms=True)
    once = net.block(images)
    assert [torch.equal(norm.input, x) for norm, x in zip(caught.norms, (images, 2 * once), strict=True)] == [True] * 2
    assert len(caught.stages) == 1
    assert torch.equal(caught.stages[0], net.block(2 * once))


def test_hooks_are_gone_after_a_pass_that_failed() -> None:
    net = build("resnet8", 5)
    with pytest.raises(RuntimeError):
        catch(net, torch.randn(2, 4, 16, 16), norms=True)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_two_passes_of_one_kind_compare_equal() -> None:
    assert Tapped(True) == Tapped(True) != Tapped(False)
