"""Labels in a generator: each mechanism in each body, against its formula."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dfkd_ray.nets.conditioners import (
    ByNorm,
    ConcatEmbedding,
    Condition,
    ConditionalBatchNorm,
    LabelMap,
    SumEmbedding,
    through,
)
from dfkd_ray.nets.generator import DeconvGenerator
from dfkd_ray.nets.upsampling import UpsamplingGenerator

CLASSES, LATENT, IMAGE = 5, 8, (3, 16, 16)
CONDITIONS: dict[str, Callable[[int, tuple[int, int]], Condition]] = {
    "concat": lambda latent, sides: ConcatEmbedding(CLASSES, 6),
    "sum": lambda latent, sides: SumEmbedding(CLASSES, latent),
    "map": lambda latent, sides: LabelMap(CLASSES, sides),
    "cbn": lambda latent, sides: ByNorm(CLASSES, eps=1e-3),
}
every_condition = pytest.mark.parametrize("name", CONDITIONS)
every_body = pytest.mark.parametrize("body", ["deconv", "upsampling"])
Z = torch.randn(10, LATENT, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(10) % CLASSES


def generator(body: str, name: str | None, output: Any = "batchnorm") -> Any:
    condition = None if name is None else CONDITIONS[name]
    if body == "upsampling":
        return UpsamplingGenerator(LATENT, IMAGE, width=4, output=output, condition=condition)
    return DeconvGenerator(LATENT, IMAGE, 4, doublings=2, block_norm=True, output=output, condition=condition)


@every_body
@every_condition
def test_another_class_is_another_image_of_the_same_noise(body: str, name: str) -> None:
    net = generator(body, name)
    for module in net.modules():
        if isinstance(module, ConditionalBatchNorm):
            nn.init.normal_(module.shift.weight)  # at first all classes are alike
    images = net.eval()(Z, LABELS)
    assert images.shape == (10, *IMAGE)
    other = LABELS.clone()
    other[0] = 3
    changed = (net(Z, other) != images).flatten(1).any(1)
    assert changed.tolist() == [True] + [False] * 9, "each image has its own label alone"


@every_body
@every_condition
def test_what_reads_labels_learns_and_needs_them(body: str, name: str) -> None:
    net = generator(body, name)
    (net(Z, LABELS) * torch.randn(10, *IMAGE)).sum().backward()
    untouched = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert untouched == []
    with pytest.raises(ValueError, match="a conditional generator needs labels, and got none"):
        net(Z)


@every_body
def test_without_a_condition_labels_are_unread_and_nothing_is_there(body: str) -> None:
    net = generator(body, None).eval()
    assert torch.equal(net(Z), net(Z, LABELS))
    assert not any(key.startswith("condition") for key in net.state_dict())


@every_body
def test_what_reads_labels_keeps_its_own_initialisation(body: str) -> None:
    """N(0, 0.02) of the DCGAN body would make a class nearly inaudible."""
    for name in ("concat", "sum"):
        assert generator(body, name).condition.embedding.weight.std().item() == pytest.approx(1, abs=0.35)
    assert generator(body, "map").condition.draw.weight.abs().max().item() == pytest.approx(CLASSES**-0.5, rel=0.1)


def test_concat_embedding_is_the_formula() -> None:
    condition = ConcatEmbedding(CLASSES, 6)
    expected = torch.stack([torch.cat([z, condition.embedding.weight[y]]) for z, y in zip(Z, LABELS)])
    assert condition.longer == 6
    assert torch.equal(condition.join(Z, LABELS), expected)


def test_sum_embedding_is_the_formula() -> None:
    condition = SumEmbedding(CLASSES, LATENT)
    expected = torch.stack([z + condition.embedding.weight[y] for z, y in zip(Z, LABELS)])
    assert (condition.longer, condition.deeper) == (0, 0)
    assert torch.equal(condition.join(Z, LABELS), expected)


def test_label_map_is_the_formula() -> None:
    condition, features = LabelMap(CLASSES, (4, 2)), torch.randn(10, 7, 4, 2)
    marked = condition.mark(features, LABELS)
    assert torch.equal(marked[:, :7], features)
    for one, y in zip(marked[:, 7], LABELS):
        torch.testing.assert_close(one, (condition.draw.weight[:, y] + condition.draw.bias).view(4, 2))


@pytest.mark.parametrize("training", [True, False])
def test_conditional_batchnorm_is_the_formula(training: bool) -> None:
    norm = ConditionalBatchNorm(CLASSES, 3, eps=1e-3).double()
    assert torch.equal(norm.scale.weight, torch.ones(CLASSES, 3).double())
    assert torch.equal(norm.shift.weight, torch.zeros(CLASSES, 3).double())
    for embedding in (norm.scale, norm.shift):
        nn.init.normal_(embedding.weight)
    x = torch.randn(10, 3, 4, 4, dtype=torch.float64) * 3 + 1
    norm(x, LABELS)
    norm.train(training)
    mean, var = (x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=False))
    if not training:
        mean, var = 0.1 * mean, 0.9 + 0.1 * x.var((0, 2, 3))  # after one batch of momentum 0.1
    y = norm(x, LABELS)
    for b in range(10):
        for c in range(3):
            scale, shift = norm.scale.weight[LABELS[b], c], norm.shift.weight[LABELS[b], c]
            expected = scale * (x[b, c] - mean[c]) / (var[c] + 1e-3).sqrt() + shift
            torch.testing.assert_close(y[b, c], expected)


@every_body
def test_cbn_stands_after_every_convolution_and_on_the_output(body: str) -> None:
    plain, net = generator(body, None), generator(body, "cbn")
    places = [name for name, module in plain.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert len(places) == 4, "at the start, in two blocks, at the end"
    assert [name for name, module in net.named_modules() if isinstance(module, ConditionalBatchNorm)] == places
    for name in places:
        assert net.get_submodule(name).norm.eps == 1e-3
    assert torch.allclose(net(Z, LABELS).mean((0, 2, 3)), torch.zeros(3), atol=1e-4), "1 and 0 at first"


def test_cbn_leaves_other_outputs_and_attention_alone() -> None:
    assert generator("upsampling", "cbn", output="tanh")(Z, LABELS).abs().max() <= 1
    attended = DeconvGenerator(
        LATENT, IMAGE, 4, attention=lambda channels: nn.Sequential(Inner(channels)), condition=CONDITIONS["cbn"]
    )
    inner = [module for module in attended.modules() if isinstance(module, Inner)]
    assert all(isinstance(module.norm, nn.BatchNorm2d) for module in inner)
    assert attended(Z, LABELS).shape == (10, *IMAGE)


class Inner(nn.Module):
    """A module with a BatchNorm of its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(x))


@every_condition
def test_features_and_decode_meet_at_every_depth(name: str) -> None:
    net = generator("upsampling", name).eval()
    expected = net(Z, LABELS)
    maps = net.features(Z, LABELS)
    assert len(maps) == 3
    for depth, features in enumerate(maps):
        assert torch.equal(net.decode(features, depth, LABELS), expected)


def test_a_label_in_the_first_map_needs_none_afterwards() -> None:
    for name in ("concat", "sum", "map"):
        net = generator("upsampling", name).eval()
        assert torch.equal(net.decode(net.features(Z, LABELS)[0], 0), net(Z, LABELS))


@every_body
@every_condition
def test_channels_last_and_copies_give_the_same_images(body: str, name: str) -> None:
    net = generator(body, name).double()
    last = copy.deepcopy(net).to(memory_format=torch.channels_last)
    torch.testing.assert_close(last(Z.double(), LABELS), net(Z.double(), LABELS))


def test_through_is_a_call_where_nothing_is_conditional() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.BatchNorm2d(4), nn.ReLU()))
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(through(net, x, None), net(x))
