"""What networks compute in, and the loss scale of float16."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterable
from typing import get_args

import pytest
import torch
from torch import nn

from dfkd_ray import nets
from dfkd_ray.nets import DeconvGenerator, SpatialAttention
from dfkd_ray.nets.encoder import Encoder
from dfkd_ray.nets.precision import (
    LossScaler,
    Precision,
    Single,
    autocast,
    check_precision,
    dtype_of,
    keep_single,
    product,
    unhalved,
)
from dfkd_ray.nets.upsampling import UpsamplingGenerator
from dfkd_ray.util.errors import ConfigError, TrialFailed
from tests.tiny import pretended_gpu

CPU = torch.device("cpu")
every_precision = pytest.mark.parametrize("precision", get_args(Precision))
HALVES = {"mixed": torch.bfloat16, "bfloat16": torch.bfloat16, "float16": torch.float16}
halves = pytest.mark.parametrize("precision", list(HALVES))


@every_precision
def test_weights_stay_what_they_are_and_products_are_what_is_asked_for(precision: Precision) -> None:
    check_precision(precision, CPU)
    net = nn.Linear(2, 2)
    with autocast(precision, CPU):
        assert net(torch.ones(1, 2)).dtype == dtype_of(precision, CPU)
    assert net.weight.dtype == torch.float32


@halves
def test_each_step_of_a_block_computes_with_the_weights_as_they_are(precision: Precision) -> None:
    """torch's own cache of cast weights would show those of the first step until the block ends."""
    net = nn.Linear(1, 1, bias=False)
    with autocast(precision, CPU):
        net.weight.data.fill_(1.0)
        first = net(torch.ones(1, 1))
        net.weight.data.fill_(5.0)
        assert (first.item(), net(torch.ones(1, 1)).item()) == (1.0, 5.0)


def test_a_device_that_cannot_is_told_what_to_take(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"^a\.b: meta has no autocast to float16: take float32$"):
        check_precision("float16", torch.device("meta"), "a.b")
    check_precision("bfloat16", pretended_gpu(monkeypatch, bfloat16=True))
    old = pretended_gpu(monkeypatch, bfloat16=False)
    with pytest.raises(ConfigError, match=r"^precision: cuda:0 does not compute in bfloat16: take float16$"):
        check_precision("bfloat16", old)
    for precision in ("float32", "mixed", "float16"):
        check_precision(precision, old)  # type: ignore[arg-type]
    assert (dtype_of("mixed", old), dtype_of("mixed", CPU)) == (torch.float16, torch.bfloat16)


def backward(scaler: LossScaler, slope: float) -> tuple[nn.Parameter, torch.optim.Optimizer]:
    """A weight of 1 whose loss has this slope."""
    weight = nn.Parameter(torch.ones(()))
    scaler.scale(slope * weight).backward()
    return weight, torch.optim.SGD([weight], lr=1.0)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_elsewhere_a_loss_is_left_alone(precision: Precision) -> None:
    scaler, loss = LossScaler(precision, CPU), torch.ones(())
    assert scaler.scale(loss) is loss
    weight, optimizer = backward(scaler, float("inf"))
    assert scaler.unscale(optimizer), "what is not finite there is a matter of the loss"
    assert (weight.grad, scaler.skipped, scaler.state_dict()) == (float("inf"), 0, {})


def test_a_small_gradient_crosses_half_precision_and_comes_back_in_its_own_size() -> None:
    scaler, weight = LossScaler("float16", CPU, first=2.0**10), nn.Parameter(torch.ones(()))
    loss = weight.half().float() * 2.0**-30
    loss.backward(retain_graph=True)
    assert weight.grad == 0, "float16 ends at 2^-24"
    scaler.scale(loss).backward()
    assert weight.grad == 2.0**-20
    assert scaler.unscale(torch.optim.SGD([weight]))
    assert weight.grad == 2.0**-30


def test_an_overflow_halves_the_scale_and_is_counted_whosever_it_is() -> None:
    scaler = LossScaler("float16", CPU, first=2.0**10)
    for slopes, finite, scale, skipped in (
        ((1.0, 1.0), True, 1024, 0),
        ((1.0, float("nan")), False, 512, 1),
        ((float("inf"), 1.0), False, 256, 2),
        ((1.0, 1.0), True, 256, 2),
    ):
        optimizers = [backward(scaler, slope)[1] for slope in slopes]
        assert scaler.unscale(*optimizers) is finite
        assert (scaler.get_scale(), scaler.skipped) == (scale, skipped)


def test_its_state_goes_through_a_file_and_a_run_without_one_begins_anew() -> None:
    first, second, third = (LossScaler("float16", CPU) for _ in range(3))
    first.unscale(backward(first, float("inf"))[1])
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    third.load_state_dict({})
    assert (second.state_dict(), second.get_scale(), second.skipped) == (first.state_dict(), 2.0**15, 1)
    assert (third.get_scale(), third.skipped) == (2.0**16, 0)
    plain = LossScaler("float32", CPU)
    plain.load_state_dict(first.state_dict())
    assert plain.state_dict() == {}


def test_what_no_scale_makes_finite_fails() -> None:
    scaler = LossScaler("float16", CPU, first=2.0**-15)
    scaler.unscale(backward(scaler, float("nan"))[1])
    message = "^gradients are not finite in float16 at any loss scale: take bfloat16 or float32$"
    with pytest.raises(TrialFailed, match=message):
        scaler.unscale(backward(scaler, float("nan"))[1])


# What computes in float32 under autocast: of classifiers the head, of generators both ends; all other products in half.
KEPT = {
    "resnet8": {"linear"},
    "wrn_16_1": {"fc"},
    "cifar_vgg8_bn": {"classifier"},
    "resnet18": {"fc"},
    "mobilenet_v2": {"classifier.1"},
    "unet8": {"head"},
    "upsampling": {"project", "to_image"},
    "upsampling, spectral": {"project", "to_image"},
    "generator": {"project", "to_image"},
    "encoder": {"mean", "log_var"},
}


def built(name: str) -> nn.Module:
    image = (3, 32, 32)
    if name == "encoder":
        return Encoder(8, image, width=4)
    if name == "generator":
        return DeconvGenerator(8, image, width=4, doublings=2, attention=SpatialAttention)
    if name.startswith("upsampling"):
        return UpsamplingGenerator(8, image, width=4, spectral_norm="spectral" in name)
    return nets.build(name, classes=10)


def computed_in(net: nn.Module, precision: Precision, device: torch.device) -> dict[str, torch.dtype]:
    """What each layer of products gives, by its name."""
    net, seen = net.to(device), {}
    for name, layer in net.named_modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            layer.register_forward_hook(lambda _, args, out, name=name: seen.__setitem__(name, out.dtype))  # type: ignore[misc]
    generates = isinstance(net, UpsamplingGenerator | DeconvGenerator)
    x = torch.randn(2, 8) if generates else torch.randn(2, 3, 32, 32)
    with torch.no_grad(), autocast(precision, device):
        net(x.to(device))
    return seen


def assert_ends_are_single(name: str, precisions: Iterable[str], device: torch.device) -> None:
    """Heads and the ends of generators compute in single precision, all else in half, and in float32 everything."""
    for precision in precisions:
        seen = computed_in(built(name), precision, device)  # type: ignore[arg-type]
        kept = {layer for layer, dtype in seen.items() if dtype == torch.float32}
        assert kept == KEPT[name]
        half = {HALVES[precision]} if len(seen) > len(kept) else set()
        assert {seen[layer] for layer in seen.keys() - kept} == half
    assert set(computed_in(built(name), "float32", device).values()) == {torch.float32}


@pytest.mark.parametrize("name", KEPT)
def test_heads_and_the_ends_of_generators_compute_in_single_precision(name: str) -> None:
    """On a device that is not the CPU too: tests/methods/on_a_device.py."""
    assert_ends_are_single(name, HALVES, CPU)


def test_a_device_without_autocast_has_nothing_to_keep() -> None:
    with unhalved(torch.device("meta")) as halved:
        assert not halved


def test_a_kept_layer_computes_as_without_autocast() -> None:
    layer = keep_single(nn.Linear(64, 3))
    x = torch.randn(5, 64)
    expected = nn.functional.linear(x.bfloat16().float(), layer.weight, layer.bias)
    with autocast("mixed", CPU):
        assert torch.equal(layer(x.bfloat16()), expected), "also of what comes as half"
    assert isinstance(layer, Single)
    assert isinstance(layer, nn.Linear)
    assert copy.deepcopy(layer).state_dict().keys() == nn.Linear(64, 3).state_dict().keys()


def test_a_layer_of_another_class_is_left_alone() -> None:
    class Own(nn.Linear):
        pass

    assert type(keep_single(Own(2, 2))) is Own


def test_a_product_of_its_own_is_not_halved() -> None:
    first, second = torch.randn(4, 32), torch.randn(32, 4)
    with autocast("mixed", CPU):
        own, halved = product(first, second), first @ second
    assert torch.equal(own, first @ second)
    assert halved.dtype == torch.bfloat16
