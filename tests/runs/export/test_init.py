"""What is written computes what the network does, or is not kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from dfkd_ray import datasets, teachers
from dfkd_ray.runs import export as exporting
from dfkd_ray.runs.export import formats
from dfkd_ray.runs.students import Network

TASK = datasets.load("gliders")
CARD = {"task": "gliders", "class_names": list(TASK.classes)}


def test_an_exported_student_is_a_teacher(student: Network, tmp_path: Path) -> None:
    exporting.export(student, ["safetensors"], tmp_path, False, exporting.card_of(student, accuracy={"test": 0.5}))
    adopted = teachers.adopt(datasets.load("gliders"), tmp_path / "gliders_resnet8.safetensors")
    assert (adopted.teacher.arch, adopted.teacher.test_accuracy) == ("resnet8", 0.5)
    assert (adopted.mean, adopted.std) == (TASK.mean, TASK.std)
    again = teachers.teacher(adopted).state_dict()
    assert all(torch.equal(value, again[key]) for key, value in student.net.state_dict().items())


@pytest.fixture
def off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A format that forgets the last linear layer's bias, by 1."""
    form = formats.FORMATS["safetensors"]

    def load(path: Path, net: nn.Module) -> Any:
        run = form.load(path, net)
        return lambda images: run(images) + 1

    monkeypatch.setitem(formats.FORMATS, "safetensors", form._replace(load=load))


@pytest.mark.usefixtures("off")
def test_what_computes_something_else_is_not_kept(student: Network, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with pytest.raises(exporting.Differs, match=r"gliders_resnet8\.safetensors computes something else: logits differ"):
        exporting.export(student, ["safetensors"], folder, False, CARD)
    assert not folder.exists()
    (tmp_path / "gliders_resnet8.safetensors").write_bytes(b"an earlier one")
    with pytest.raises(exporting.Differs):
        exporting.export(student, ["safetensors"], tmp_path, False, CARD)
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"an earlier one"]


def test_the_tolerance_grows_with_the_logits_and_a_top_class_must_stay() -> None:
    expected = torch.tensor([[50.0, 0.0], [1.0, 1.001]])
    told = exporting.compared(expected, expected + 0.004, "x")
    assert told["limit"] == pytest.approx(0.005)
    assert told["difference"] == pytest.approx(0.004, rel=1e-2)
    with pytest.raises(exporting.Differs, match=r"at most 0\.005"):
        exporting.compared(expected, expected + 0.006, "x")
    with pytest.raises(exporting.Differs, match="1 of 2 top classes"):
        exporting.compared(expected, expected + torch.tensor([[0.0, 0.0], [0.002, 0.0]]), "x")
    with pytest.raises(exporting.Differs):
        exporting.compared(expected, expected * torch.nan, "x")
