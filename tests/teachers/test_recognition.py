"""Which net a state_dict is of."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
import torchvision
from torch import Tensor

from dfkd_ray.nets import build, classifiers
from dfkd_ray.teachers import recognition
from dfkd_ray.teachers.recognition import Recognised, family, recognised, signature
from dfkd_ray.teachers.unwrapping import noted

LARGE = {"imagenet_wrn_40_2", "resnet18", "resnet34", "resnet50", "mobilenet_v2", "vgg11_bn"}


def empty(arch: str, classes: int, channels: int = 3) -> Mapping[str, Tensor]:
    """Names and shapes alone."""
    with torch.device("meta"):
        return build(arch, classes, channels).state_dict()


@pytest.mark.parametrize("arch", list(classifiers))
def test_every_net_is_told_with_its_classes_channels_and_side(arch: str) -> None:
    found = recognised(empty(arch, 13, 1))
    assert found == Recognised(arch, 13, 1, 224 if arch in LARGE else 32)
    assert str(found) == f"{arch}, 13 classes"


def test_without_counters_as_old_files_are() -> None:
    state = {name: each for name, each in empty("resnet20", 10).items() if not name.endswith("tracked")}
    found = recognised(state)
    assert found is not None
    assert found.arch == "resnet20"


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"a.weight": torch.zeros(2)},
        {name: each for name, each in empty("resnet8", 10).items() if not name.startswith("linear")},
        {**empty("resnet8", 10), "more.weight": torch.zeros(1)},
        {**empty("resnet8", 10), "layer1.0.conv1.weight": torch.zeros(16, 16, 5, 5)},
        {**empty("resnet8", 10), "linear.weight": torch.zeros(())},
        {**empty("resnet8", 10), "conv1.weight": torch.zeros(16)},
        {**empty("resnet8", 10), "linear.weight": torch.zeros(0, 64)},
    ],
)
def test_what_is_not_quite_one_is_none(state: Mapping[str, Tensor]) -> None:
    assert recognised(state) is None


def test_what_a_training_noted_among_the_weights_is_passed_over() -> None:
    noted = {"epoch": torch.tensor(3), "best_acc": torch.tensor(3.0)}
    assert recognised({**empty("resnet8", 10), **noted}) == recognised(empty("resnet8", 10))
    assert recognised({**empty("resnet8", 10), "epoch": torch.zeros(2)}) is None, "that is no number"


@pytest.mark.parametrize("arch", list(classifiers))
def test_no_net_has_a_weight_that_looks_like_a_note(arch: str) -> None:
    assert not noted(empty(arch, 2))


def test_torchvisions_names_with_a_small_stem_leave_its_max_pool_open() -> None:
    net = torchvision.models.resnet18(num_classes=10)
    net.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
    found = recognised(net.state_dict())
    assert found is not None
    assert (found.arch, found.side) == ("cifar_resnet18", 32)
    assert found.note.startswith("taken to have no max-pool")
    assert str(found).startswith("cifar_resnet18 (torchvision's, as in chenyaofo/pytorch-cifar-models")


@pytest.mark.parametrize(
    ("arch", "note"),
    [
        ("resnet18", "taken to be resnet18: timm:resnetblur18 has the same names and shapes"),
        ("resnet50", "taken to be resnet50: timm:resnetaa50 and timm:resnetblur50 have the same names and shapes"),
    ],
)
def test_ours_is_taken_with_a_note_on_its_doubles_among_timms(arch: str, note: str) -> None:
    found = recognised(empty(arch, 7))
    assert found == Recognised(arch, 7, 3, 224, note=f"{note} (--teacher-arch says otherwise)")


def test_no_other_net_of_ours_has_a_double_among_timms() -> None:
    doubles = {arch for arch in classifiers if (found := recognised(empty(arch, 7))) and found.note}
    assert doubles == {"resnet18", "resnet50"}


@pytest.mark.parametrize("name", ["resnetblur18", "resnetblur50", "resnetaa50"])
def test_a_double_of_timms_is_named(name: str) -> None:
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        found = recognised(timm.create_model(name, num_classes=7).state_dict())
    assert found is not None
    assert f"timm:{name}" in found.note


def test_a_signature_leaves_the_classes_open_and_nothing_else() -> None:
    shapes = {name: tuple(each.shape) for name, each in empty("resnet8", 10).items()}
    others = {name: tuple(each.shape) for name, each in empty("resnet8", 100).items()}
    assert signature(shapes) == signature(others) != signature({**shapes, "more": (1,)})
    assert signature({**shapes, "conv1.weight": (16, 1, 3, 3)}) != signature(shapes)


def test_the_list_of_timms_models_is_well_formed() -> None:
    listed = recognition._listed()
    names = [name for rows in listed.values() for name, *_ in rows]
    assert len(names) == len({*names}) > 1_000
    assert all(len(key) == 16 and int(side) > 0 for key, rows in listed.items() for _, side, _ in rows)


@pytest.mark.parametrize(
    ("name", "side"),
    [("resnet10t", 176), ("vit_tiny_patch16_224", 224), ("efficientnet_b0", 224), ("regnety_002", 224)],
)
def test_models_of_timm(name: str, side: int) -> None:
    timm = pytest.importorskip("timm")
    with torch.device("meta"):
        state = timm.create_model(name, num_classes=17).state_dict()
    found = recognised(state)
    assert found is not None
    assert f"timm:{name}" in (found.arch, *found.also)
    assert (found.classes, found.side) == (17, side)


def test_torchvisions_larger_nets_are_timms_too() -> None:
    found = recognised(torchvision.models.resnet101(num_classes=5).state_dict())
    assert found is not None
    assert "timm:resnet101" in (found.arch, *found.also)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("features.0.weight", "a VGG with its max-pools among `features`"),
        ("conv2_x.0.residual_function.0.weight", "a net of weiaicunzai/pytorch-cifar100"),
        ("stage_1.0.conv_a.weight", "a ResNet of D-X-Y/ResNeXt-DenseNet, whose shortcuts average"),
        ("layer1.0.conv1.weight", "a ResNet"),
        ("x.weight", ""),
    ],
)
def test_the_family_of_a_stranger(name: str, said: str) -> None:
    assert family({name: torch.zeros(1)}).startswith(said)
