"""What each format holds, read by those who know nothing of this package."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from dfkd_ray import datasets
from dfkd_ray.runs.export import export, formats
from dfkd_ray.runs.students import Network
from dfkd_ray.util.errors import MissingExtra

TASK = datasets.load("gliders")
CARD = {"task": "gliders", "class_names": list(TASK.classes)}


@pytest.fixture(scope="module")
def noise() -> Tensor:
    return torch.randint(0, 256, (5, *TASK.image), generator=torch.Generator().manual_seed(9)).to(torch.uint8)


@pytest.fixture(scope="module")
def expected(student: Network, noise: Tensor) -> Tensor:
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (TASK.mean, TASK.std))
    with torch.no_grad():
        return student.net((noise / 255 - mean) / std)


def test_onnx_takes_bytes_of_any_batch_and_carries_its_card(
    student: Network, noise: Tensor, expected: Tensor, tmp_path: Path
) -> None:
    runtime = pytest.importorskip("onnxruntime")
    (made,) = export(student, ["onnx"], tmp_path, True, CARD)
    assert [path.name for path in tmp_path.iterdir()] == [made["file"]] == ["gliders_resnet8.onnx"]
    assert made["bytes"] == (tmp_path / made["file"]).stat().st_size
    assert (made["inputs"], made["same_top_class"]) == (64, 64)
    session = runtime.InferenceSession(tmp_path / made["file"], providers=["CPUExecutionProvider"])
    (images,) = session.get_inputs()
    assert (images.name, images.type, images.shape[1:]) == ("images", "tensor(uint8)", [3, 32, 32])
    for count in (1, 5):
        (found,) = session.run(["logits"], {"images": noise[:count].numpy()})
        torch.testing.assert_close(torch.from_numpy(found), expected[:count], rtol=1e-3, atol=1e-3)
    card = json.loads(session.get_modelmeta().custom_metadata_map["dfkd_ray"])
    assert card == {**CARD, "input": made["input"]}


def test_torch_export_and_safetensors(student: Network, noise: Tensor, expected: Tensor, tmp_path: Path) -> None:
    torch_, weights = export(student, ["torch", "safetensors", "torch"], tmp_path, False, CARD)
    assert torch_["input"]["values"] == "float32 images, (x / 255 - mean) / std"
    program = torch.export.load(tmp_path / torch_["file"], extra_files={"card.json": ""}).module()
    prepared = datasets.normalise(TASK, noise)
    torch.testing.assert_close(program(prepared), expected, rtol=1e-3, atol=1e-3)
    assert (tmp_path / torch_["file"]).stat().st_size < 3 * (tmp_path / weights["file"]).stat().st_size
    with safe_open(tmp_path / weights["file"], "pt") as file:
        assert set(file.keys()) == set(student.net.state_dict())
    card = json.loads((tmp_path / "gliders_resnet8.json").read_text())
    assert card["class_names"] == list(TASK.classes)
    assert "input" not in weights


def test_without_onnx_it_says_what_to_install(
    student: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"ONNX needs onnx, .*pip install 'dfkd-ray\[export\]'"):
        export(student, ["onnx"], tmp_path / "none", False, CARD)
    assert not (tmp_path / "none").exists()
