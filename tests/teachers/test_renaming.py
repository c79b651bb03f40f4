"""Other repositories' names: nets written anew with those names give the same logits as ours with the names changed."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.nets import build
from dfkd_ray.teachers.recognition import recognised
from dfkd_ray.teachers.renaming import NAMINGS, counted, fitted
from dfkd_ray.teachers.weights import fill


class Residual(nn.Module):
    """A block whose layers have the names that are given; `dimensions` as (inputs, outputs, stride)."""

    def __init__(self, dimensions: tuple[int, int, int], names: Mapping[str, str], wide: bool) -> None:
        super().__init__()
        inputs, outputs, stride = dimensions
        inner = outputs // 4 if wide else outputs
        shapes = [(inputs, inner, 1), (inner, inner, 3), (inner, outputs, 1)] if wide else []
        shapes = shapes or [(inputs, outputs, 3), (outputs, outputs, 3)]
        at = 1 if wide else 0  # which of them strides
        for number, (before, after, kernel) in enumerate(shapes):
            conv = nn.Conv2d(before, after, kernel, stride if number == at else 1, kernel // 2, bias=False)
            put(self, names[f"conv{number + 1}"], conv)
            put(self, names[f"bn{number + 1}"], nn.BatchNorm2d(after))
        self.count, self.names = len(shapes), names
        self.changes = stride > 1 or inputs != outputs
        if self.changes:
            put(self, f"{names['shortcut']}.0", nn.Conv2d(inputs, outputs, 1, stride, bias=False))
            put(self, f"{names['shortcut']}.1", nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = x
        for number in range(1, self.count + 1):
            y = self.get_submodule(self.names[f"bn{number}"])(self.get_submodule(self.names[f"conv{number}"])(y))
            y = y.relu() if number < self.count else y
        if self.changes:
            x = self.get_submodule(f"{self.names['shortcut']}.1")(self.get_submodule(f"{self.names['shortcut']}.0")(x))
        return (x + y).relu()


def put(module: nn.Module, path: str, child: nn.Module) -> None:
    """`child` at a dotted path, with empty modules on the way."""
    *parents, leaf = path.split(".")
    for name in parents:
        if not hasattr(module, name):
            module.add_module(name, nn.Module())
        module = module.get_submodule(name)
    module.add_module(leaf, child)


PLAIN = {f"{kind}{number}": f"{kind}{number}" for kind in ("conv", "bn") for number in (1, 2, 3)}
THEIRS: dict[str, dict[str, str]] = {
    "torchvision": {
        **PLAIN,
        "shortcut": "downsample",
        "stem": "conv1",
        "norm": "bn1",
        "stage": "layer{}",
        "head": "fc",
    },
    "weiaicunzai": {
        **{f"conv{number}": f"residual_function.{3 * number - 3}" for number in (1, 2, 3)},
        **{f"bn{number}": f"residual_function.{3 * number - 2}" for number in (1, 2, 3)},
        **{"shortcut": "shortcut", "stem": "conv1.0", "norm": "conv1.1", "stage": "conv{}_x", "head": "fc"},
    },
}


class Their(nn.Module):
    """A CIFAR ResNet by any names: stem and stages of those widths and depths, mean, linear."""

    def __init__(
        self, names: Mapping[str, str], stem: int, widths: tuple[int, ...], depths: tuple[int, ...], wide: bool
    ) -> None:
        super().__init__()
        put(self, names["stem"], nn.Conv2d(3, stem, 3, padding=1, bias=False))
        put(self, names["norm"], nn.BatchNorm2d(stem))
        first = 2 if "_x" in names["stage"] else 1
        self.stages = [names["stage"].format(number) for number in range(first, first + len(widths))]
        for number, (stage, width, depth) in enumerate(zip(self.stages, widths, depths)):
            for at in range(depth):
                stride = 2 if number and not at else 1
                put(self, f"{stage}.{at}", Residual((stem, width, stride), names, wide))
                stem = width
        put(self, names["head"], nn.Linear(stem, 7))
        self.names, self.depths = names, depths

    def forward(self, x: Tensor) -> Tensor:
        x = self.get_submodule(self.names["norm"])(self.get_submodule(self.names["stem"])(x)).relu()
        for stage, depth in zip(self.stages, self.depths):
            for at in range(depth):
                x = self.get_submodule(f"{stage}.{at}")(x)
        logits: Tensor = self.get_submodule(self.names["head"])(x.mean((2, 3)))
        return logits


NETS = {
    "resnet20_b": (16, (16, 32, 64), (3, 3, 3), False),  # chenyaofo's resnet20
    "resnet8x4": (32, (64, 128, 256), (1, 1, 1), False),  # RepDistiller's
    "cifar_resnet18": (64, (64, 128, 256, 512), (2, 2, 2, 2), False),
    "cifar_resnet50": (64, (256, 512, 1024, 2048), (3, 4, 6, 3), True),
}
CASES = [("torchvision", arch) for arch in NETS] + [
    ("weiaicunzai", "cifar_resnet18"),
    ("weiaicunzai", "cifar_resnet50"),
]


@pytest.mark.parametrize(("whose", "arch"), CASES)
def test_equal_logits(whose: str, arch: str) -> None:
    torch.manual_seed(5)
    theirs = Their(THEIRS[whose], *NETS[arch]).double()
    for name, value in theirs.named_buffers():  # so that no two BatchNorms are alike
        if value.is_floating_point():
            value.copy_(0.5 + torch.rand_like(value)) if name.endswith("var") else value.normal_()
    state = theirs.state_dict()
    ours = build(arch, 7).double()
    fill(ours, state, "theirs")
    images = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    with torch.no_grad():
        assert torch.equal(ours.eval()(images), theirs.eval()(images))
    found = recognised(state)
    assert found is not None
    assert (found.arch, found.classes) == (arch, 7)
    assert whose in found.naming


def test_their_names_are_those_of_their_repositories() -> None:
    """As their files have them: `resnet18` of weiaicunzai/pytorch-cifar100, `cifar10_resnet20` of chenyaofo."""
    names = set(Their(THEIRS["weiaicunzai"], *NETS["cifar_resnet18"]).state_dict())
    assert {"conv1.0.weight", "conv1.1.running_var", "conv2_x.0.residual_function.0.weight"} <= names
    assert {"conv5_x.1.residual_function.4.bias", "conv3_x.0.shortcut.1.weight", "fc.bias"} <= names
    names = set(Their(THEIRS["torchvision"], *NETS["resnet20_b"]).state_dict())
    assert {"conv1.weight", "bn1.bias", "layer2.0.downsample.0.weight", "layer3.2.bn2.weight", "fc.weight"} <= names


def test_own_names_stay_and_strangers_too() -> None:
    own = build("resnet20_b", 3).state_dict()
    assert fitted(own, own.keys()) == (own, None)
    stranger = {"features.0.weight": torch.zeros(1)}
    assert fitted(stranger, own.keys()) == (stranger, None)


def test_a_table_changes_no_two_names_into_one() -> None:
    for whose, arch in CASES:
        state = Their(THEIRS[whose], *NETS[arch]).state_dict()
        made, naming = fitted(state, build(arch, 7).state_dict().keys())
        assert naming in NAMINGS
        assert len(made) == len(state)


def test_counters_do_not_count() -> None:
    assert counted(["bn1.weight", "bn1.num_batches_tracked"]) == {"bn1.weight"}
