from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from torch import nn

from dfkd_ray.nets import build
from dfkd_ray.nets.cifar import PadShortcut

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(
    ("arch", "expected"),
    [
        ("resnet20", 269_722),  # akamaster/pytorch_resnet_cifar10
        ("resnet32", 464_154),
        ("resnet44", 658_586),
        ("resnet56", 853_018),
        ("resnet110", 1_727_962),
        ("resnet20_b", 272_474),  # chenyaofo/pytorch-cifar-models: 0.27 M
        ("resnet56_b", 855_770),
        ("resnet8x4", 1_210_410),
        ("resnet32x4", 7_410_730),
        ("cifar_resnet50", 23_520_842),
        ("cifar_resnet18", 11_173_962),  # kuangliu/pytorch-cifar
        ("cifar_resnet34", 21_282_122),
    ],
)
def test_parameter_counts_at_ten_classes(arch: str, expected: int) -> None:
    assert parameters(build(arch, classes=10)) == expected


def test_parameters_of_resnet8_by_arithmetic() -> None:
    stem = 3 * 9 * 16 + 2 * 16
    blocks = sum(9 * i * o + 9 * o * o + 4 * o for i, o in ((16, 16), (16, 32), (32, 64)))
    assert parameters(build("resnet8", classes=10)) == stem + blocks + 64 * 10 + 10


def test_option_a_takes_every_second_pixel_between_zero_channels() -> None:
    x = torch.randn(2, 4, 6, 5)
    y = PadShortcut(4, 8, stride=2)(x)
    assert y.shape == (2, 8, 3, 3)
    assert torch.equal(y[:, 2:6], x[:, :, [0, 2, 4]][:, :, :, [0, 2, 4]])
    assert y[:, :2].abs().sum() == y[:, 6:].abs().sum() == 0
    assert not list(PadShortcut(4, 8, 2).parameters())


def test_cifar_resnet18_is_torchvisions_with_another_stem() -> None:
    ours = build("cifar_resnet18", classes=6).double()
    theirs = torchvision.models.resnet18(num_classes=6).double()
    theirs.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False).double()
    theirs.maxpool = nn.Identity()
    renamed = {
        name.replace("shortcut", "downsample").replace("linear", "fc"): value
        for name, value in ours.state_dict().items()
    }
    theirs.load_state_dict(renamed, strict=True)
    x = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x))  # in train mode: batch statistics


@pytest.mark.shared
@pytest.mark.parametrize("arch", ["resnet20", "resnet56"])
def test_published_weights_load_strictly_and_reach_their_accuracy(arch: str) -> None:
    weights, images = DATA / f"cifar10_{arch}.pt", DATA / "cifar10_test.npz"
    if not (weights.exists() and images.exists()):
        pytest.skip(f"needs {weights.name} and {images.name} in ../shared/data")
    facts = json.loads(weights.with_suffix(".json").read_text())
    net = build(arch, classes=10).eval()
    net.load_state_dict(torch.load(weights, weights_only=True), strict=True)
    with np.load(images) as archive:
        pixels, labels = archive["images"][:500], torch.from_numpy(archive["labels"][:500])
    mean, std = (torch.tensor(facts["normalise"][key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    x = (torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255 - mean) / std
    with torch.no_grad():
        accuracy = (net(x).argmax(1) == labels).double().mean().item()
    stated = facts["test_accuracy_measured"] / 100  # on all 10,000
    two_standard_errors = 2 * (stated * (1 - stated) / len(labels)) ** 0.5
    print(f"{arch}: {accuracy:.4f} on the first 500 of {images.name}, stated {stated:.4f} on all")
    assert accuracy == pytest.approx(stated, abs=two_standard_errors)
