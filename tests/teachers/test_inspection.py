"""What is said of a checkpoint."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch

from dfkd_ray.nets import build
from dfkd_ray.teachers import inspection
from dfkd_ray.teachers.inspection import inspected
from dfkd_ray.teachers.zoo import zoo
from dfkd_ray.util.errors import DataError


def test_all_of_a_training_checkpoint(tmp_path: Path) -> None:
    path, net = tmp_path / "t.pth.tar", build("resnet20", 10)
    beside = {"epoch": 3, "best": np.float64(91.7), "args": argparse.Namespace(lr=0.1)}
    torch.save({"state_dict": {f"module.{k}": v for k, v in net.state_dict().items()}, **beside}, path)
    assert list(inspected(path)) == [
        ("file", f"{path}, {path.stat().st_size:,} bytes, written by torch.save"),
        ("sha256", hashlib.sha256(path.read_bytes()).hexdigest()),
        ("card", "none"),
        ("weights", "under state_dict, without the prefix module.: 116 tensors, 269,722 parameters, float32, int64"),
        ("beside", "epoch 3, best 91.7, args (lr=0.1)"),
        ("net", "resnet20"),
        ("classes", "10, of images with 3 channels"),
        ("side", "32 pixels, which such nets are made for; the weights do not tell"),
        ("goes on", f"dfkd-ray distill METHOD --weights {path} --mean M,M,M --std S,S,S"),
    ]


def test_every_network_of_several(tmp_path: Path) -> None:
    path = tmp_path / "t.pt"
    torch.save({name: build(name, 4).state_dict() for name in ("resnet8", "resnet20")}, path)
    rows = list(inspected(path))
    assert [told for name, told in rows if name == "net"] == ["resnet8", "resnet20"]
    assert [told.split()[4] for name, told in rows if name == "goes on"] == [
        f"'{path}#{n}'" for n in ("resnet8", "resnet20")
    ]
    one = list(inspected(tmp_path / "t.pt#resnet20"))
    assert [told for name, told in one if name == "net"] == ["resnet20"]


def test_what_a_training_noted_among_the_weights_lies_beside(tmp_path: Path) -> None:
    path, net = tmp_path / "t.pt", build("resnet8", 4)
    torch.save({**net.state_dict(), "epoch": torch.tensor(3), "best_acc": torch.tensor(3.0)}, path)
    told = dict(inspected(path))
    assert told["weights"].startswith(f"at the top: {len(net.state_dict())} tensors, ")
    assert (told["beside"], told["net"], told["classes"]) == (
        "epoch 3, best_acc 3.0",
        "resnet8",
        "4, of images with 3 channels",
    )


def test_what_is_not_known_or_not_finite(tmp_path: Path) -> None:
    path = tmp_path / "t.pt"
    torch.save({"features.0.weight": torch.tensor([[1.0, float("nan")]])}, path)
    told = dict(inspected(path))
    assert told["not finite"].startswith("values: NaN or infinite values in features.0.weight (1 of 2)")
    assert told["net"].startswith("none that is known here; it looks like a VGG with its max-pools among")
    assert "goes on" not in told
    with pytest.raises(DataError, match="there is no such file"):
        list(inspected(tmp_path / "no.pt"))


def test_a_public_one_is_known_by_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, known = tmp_path / "t.pt", zoo().teachers[0]
    torch.save(build("resnet20", 10).state_dict(), path)
    monkeypatch.setattr(inspection, "known_by", lambda sha256: known)
    told = dict(inspected(path))
    assert told["public"] == f"{known.name}, by https://github.com/akamaster/pytorch_resnet_cifar10"
    assert told["goes on"].endswith(f"--weights {path} --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225")


def test_a_card_says_the_normalisation(tmp_path: Path) -> None:
    path = tmp_path / "t.pt"
    torch.save(build("resnet8", 10).state_dict(), path)
    path.with_suffix(".json").write_text('{"normalise": {"mean": [0, 0, 0], "std": [1, 1, 1]}}')
    told = dict(inspected(path))
    assert told["card"] == str(path.with_suffix(".json"))
    assert told["goes on"] == f"dfkd-ray distill METHOD --weights {path}"
