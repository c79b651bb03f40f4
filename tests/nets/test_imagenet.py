from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
import torchvision
from torchvision.models import WeightsEnum

from dfkd_ray.nets import build, classifiers
from dfkd_ray.nets.imagenet import TAPS
from dfkd_ray.util.errors import ConfigError, DataError


@pytest.mark.parametrize("arch", sorted(TAPS))
def test_parameter_counts_are_torchvisions_published_ones(arch: str) -> None:
    with torch.device("meta"):
        net = build(arch, classes=1000)
    published = torchvision.models.get_model_weights(arch)["IMAGENET1K_V1"].meta["num_params"]
    assert sum(p.numel() for p in net.parameters()) == published


@pytest.mark.parametrize("size", [32, 96, 224])
def test_vgg_takes_any_size(size: int) -> None:
    with torch.device("meta"):
        assert build("vgg11_bn", classes=9)(torch.empty(2, 3, size, size)).shape == (2, 9)


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, torch.Tensor]]:
    """Stands in for the download of ResNet-18: random weights of the published shapes."""
    torch.manual_seed(3)
    state = torchvision.models.resnet18().state_dict()
    asked: list[Any] = []

    def download(self: WeightsEnum, *args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        asked.append(self)
        return {name: value.clone() for name, value in state.items()}

    monkeypatch.setattr(WeightsEnum, "get_state_dict", download)
    yield state
    assert asked == [torchvision.models.ResNet18_Weights.IMAGENET1K_V1]


def test_pretrained_keeps_the_backbone_and_starts_a_fresh_head(published: dict[str, torch.Tensor]) -> None:
    net = build("resnet18", classes=5, pretrained=True)
    own = net.state_dict()
    assert own["fc.weight"].shape == (5, 512)
    assert net.taps == TAPS["resnet18"]
    assert all(torch.equal(own[name], published[name]) for name in own if not name.startswith("fc."))


def test_pretrained_at_1000_classes_keeps_the_head_too(published: dict[str, torch.Tensor]) -> None:
    own = build("resnet18", classes=1000, pretrained=True).state_dict()
    assert all(torch.equal(own[name], published[name]) for name in published)


@pytest.mark.parametrize("channels", [1, 2])
def test_pretrained_on_equal_channels_responds_as_on_grey_rgb(
    published: dict[str, torch.Tensor], channels: int
) -> None:
    net = build("resnet18", classes=1000, channels=channels, pretrained=True).eval()
    rgb = torchvision.models.resnet18().eval()
    rgb.load_state_dict(published)
    grey = torch.randn(2, 1, 64, 64)
    with torch.no_grad():
        ours, theirs = net(grey.expand(-1, channels, -1, -1)), rgb(grey.expand(-1, 3, -1, -1))
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("arch", sorted(set(classifiers) - set(TAPS)))
def test_nets_of_other_origin_have_no_imagenet_weights(arch: str) -> None:
    with pytest.raises(ConfigError, match=rf"pretrained: {arch} has no ImageNet weights; .*resnet34"):
        build(arch, classes=10, pretrained=True)


@pytest.mark.parametrize("error", [URLError("no route"), RuntimeError("invalid hash value")])
def test_a_failed_download_names_the_file_and_the_folder(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def download(self: WeightsEnum, *args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr(WeightsEnum, "get_state_dict", download)
    with pytest.raises(DataError, match=r"resnet18: no ImageNet weights from .*resnet18-\w+\.pth .*checkpoints"):
        build("resnet18", classes=10, pretrained=True)


class Intruder:
    """Pickled, it makes a file where it is opened again."""

    def __init__(self, mark: str) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return open, (self.mark, "w")


def test_a_file_in_torchs_cache_runs_no_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = Path(torchvision.models.ResNet18_Weights.IMAGENET1K_V1.url).name
    (tmp_path / "checkpoints").mkdir()
    torch.save({"fc.weight": Intruder(str(tmp_path / "mark"))}, tmp_path / "checkpoints" / name)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(DataError, match=rf"resnet18: no ImageNet weights from .*{name} \(Weights only load failed"):
        build("resnet18", classes=10, pretrained=True)
    assert not (tmp_path / "mark").exists()
