from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.nets import Taps, attach_taps
from dfkd_ray.nets.precision import single
from dfkd_ray.parts.catching import catch
from dfkd_ray.parts.signals import Layout, Pass, Signals, frozen, layout, mode
from dfkd_ray.util.errors import ConfigError

IMAGE = (3, 8, 8)


class Net(nn.Module):
    """Two stages; counts its forward passes and can be told to fail at its head."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6))
        self.head = nn.Linear(6, 5)
        self.calls, self.fails = 0, False
        attach_taps(self, Taps(("first", "second"), head="head"))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        embedding = self.second(self.first(x)).mean((2, 3))
        if self.fails:
            raise RuntimeError("out of memory")
        return self.head(embedding)


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    net = Net()
    net.eval()
    return net


def images(grad: bool = False) -> Tensor:
    return torch.randn(4, *IMAGE, generator=torch.Generator().manual_seed(1)).requires_grad_(grad)


def hooks(net: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in net.modules())


def test_a_pass_yields_what_the_network_computes(net: Net) -> None:
    x, seen = images(), Pass(net, images())
    first = net.first(x)
    second = net.second(first)
    assert [torch.equal(a, b) for a, b in zip(seen.stages, (first, second))] == [True, True]
    assert torch.equal(seen.embedding, second.mean((2, 3)))
    assert torch.equal(seen.logits, net.head(second.mean((2, 3))))


def test_one_batch_is_one_forward_pass(net: Net) -> None:
    seen = Pass(net, images(grad=True))
    assert not seen.ran
    assert net.calls == 0
    for _ in range(2):
        assert (seen.logits, seen.embedding, seen.stages, seen.norms) is not None
    assert seen.ran
    assert net.calls == 1


def test_ran_follows_the_pass_even_if_it_was_asked_before(net: Net) -> None:
    seen = Pass(net, images())
    assert not seen.ran
    assert seen.logits.shape == (4, 5)
    assert seen.ran


def test_norms_are_the_inputs_of_the_batchnorm_layers(net: Net) -> None:
    x = images(grad=True)
    (first, before_first), (second, before_second) = Pass(net, x).norms
    assert (first, second) == (net.first[1], net.second[1])
    assert torch.equal(before_first, net.first[0](x))
    assert torch.equal(before_second, net.second[0](net.first(x)))
    assert before_second.requires_grad


def test_norms_are_kept_only_for_images_that_need_a_gradient(net: Net) -> None:
    assert len(catch(net, images(), norms=False).norms) == 0
    without, with_gradient = Pass(net, images()), Pass(net, images(grad=True))
    assert without.logits.shape == with_gradient.logits.shape
    assert without.share.norms == ()
    assert len(with_gradient.share.norms) == 2
    net.calls = 0
    assert len(without.norms) == 2
    assert net.calls == 1, "whoever reads norms without a gradient pays for a second pass, once"
    assert without.norms is without.norms


@pytest.mark.parametrize("norms", [False, True])
def test_hooks_are_gone_after_a_pass(net: Net, norms: bool) -> None:
    own = net.head.register_forward_hook(lambda module, args, output: None)
    catch(net, images(), norms=norms)
    assert hooks(net) == 1
    own.remove()
    catch(net, images(), norms=norms)
    assert hooks(net) == 0


@pytest.mark.parametrize("norms", [False, True])
def test_hooks_are_gone_after_an_exception(net: Net, norms: bool) -> None:
    net.fails = True
    with pytest.raises(RuntimeError, match="out of memory"):
        catch(net, images(), norms=norms)
    assert hooks(net) == 0


def test_a_network_without_stages_or_norms_says_so() -> None:
    plain = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    seen = Pass(plain, images())
    assert seen.embedding.shape == (4, 192)
    with pytest.raises(ConfigError, match="Sequential has no known stages: use its embedding instead"):
        _ = seen.stages
    with pytest.raises(ConfigError, match="Sequential has no BatchNorm layer, so there is no BN prior"):
        _ = seen.norms


def test_labels_that_nobody_asked_for(net: Net) -> None:
    with pytest.raises(ConfigError, match="this term needs labels"):
        _ = Signals(images(), None, net, net).labels
    labels = torch.arange(4)
    assert Signals(images(), labels, net, net).labels is labels


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_losses_read_logits_and_embedding_in_single_precision_under_autocast(net: Net, half: torch.dtype) -> None:
    with torch.autocast("cpu", dtype=half):
        seen = Pass(net, images())
        assert (seen.logits.dtype, seen.embedding.dtype) == (torch.float32, torch.float32)
        assert seen.stages[0].dtype == half, "maps are too large for that"
    for dtype in (torch.float32, torch.float64):
        x = torch.ones(2, dtype=dtype)
        assert single(x) is x


def test_layout_leaves_the_network_as_it_was(net: Net) -> None:
    net.train()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    assert layout(net, IMAGE) == Layout(stages=((4, 8, 8), (6, 4, 4)), embedding=6, norms=(4, 6), kind="Net")
    assert net.training
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())


def test_layout_of_an_image_that_the_network_cannot_take() -> None:
    plain = nn.Sequential(nn.Flatten(), nn.Linear(192, 5))
    with pytest.raises(ConfigError, match=r"Sequential cannot be run on an image of \(3, 4, 4\): .*mat1"):
        layout(plain, (3, 4, 4))


@pytest.mark.parametrize("was", [False, True])
def test_mode_is_put_back_also_after_an_exception(net: Net, was: bool) -> None:
    net.train(was)
    with mode(net, training=not was):
        assert net.first[1].training is not was
    assert net.training is was
    with pytest.raises(RuntimeError), mode(net, training=not was):
        raise RuntimeError
    assert all(module.training is was for module in net.modules())


def test_frozen_keeps_gradients_from_weights_but_not_from_images(net: Net) -> None:
    net.head.bias.requires_grad_(False)
    wanted = {name for name, p in net.named_parameters() if p.requires_grad}
    x = images(grad=True)
    with frozen(net):
        assert not any(p.requires_grad for p in net.parameters())
        net(x).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().max() > 0
    assert all(p.grad is None for p in net.parameters())
    assert {name for name, p in net.named_parameters() if p.requires_grad} == wanted
    with pytest.raises(RuntimeError), frozen(net):
        raise RuntimeError
    assert {name for name, p in net.named_parameters() if p.requires_grad} == wanted
