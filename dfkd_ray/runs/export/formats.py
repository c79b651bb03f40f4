"""The formats of an exported network: how each is written, and how what was written is run again."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dfkd_ray.teachers.teach import write_weights
from dfkd_ray.teachers.weights import fill, read_weights
from dfkd_ray.util.errors import MissingExtra

Card = Mapping[str, Any]  # what a reader needs to know: classes, input, normalisation
INPUT, OUTPUT, BATCH = "images", "logits", "batch"


class Format(NamedTuple):
    """save: (network, two inputs to follow, card, file); load: a file as a function of inputs, on the CPU.

    `load` is also given the network, for a format that holds no graph.
    """

    suffix: str
    graph: bool  # whether it holds what is computed, and so can hold the normalisation
    save: Callable[[nn.Module, Tensor, Card, Path], None]
    load: Callable[[Path, nn.Module], Callable[[Tensor], Tensor]]


def _program(net: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    """The graph, for any number of images."""
    with torch.no_grad():
        return torch.export.export(net, (example,), dynamic_shapes=({0: torch.export.Dim(BATCH)},))


def _save_torch(net: nn.Module, example: Tensor, card: Card, path: Path) -> None:
    torch.export.save(_program(net, example), path, extra_files={"card.json": json.dumps(card)})


def _load_torch(path: Path, net: nn.Module) -> Callable[[Tensor], Tensor]:
    return torch.export.load(path).module()


def _save_onnx(net: nn.Module, example: Tensor, card: Card, path: Path) -> None:
    """By torch's exporter, from the same graph; the card stands in the model's metadata under `dfkd_ray`."""
    _needs_onnx("onnx", "onnxscript")
    made = torch.onnx.export(
        _program(net, example),
        input_names=[INPUT],
        output_names=[OUTPUT],
        dynamic_shapes=({0: BATCH},),
        dynamo=True,
        verbose=False,
    )
    assert made is not None
    made.model.metadata_props["dfkd_ray"] = json.dumps(card)
    made.save(str(path), external_data=False)


def _load_onnx(path: Path, net: nn.Module) -> Callable[[Tensor], Tensor]:
    _needs_onnx("onnxruntime")
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])


def _needs_onnx(*packages: str) -> None:
    """MissingExtra for the first that is not installed."""
    for package in packages:
        if find_spec(package) is None:
            raise MissingExtra(package, "export", "ONNX")


def _save_safetensors(net: nn.Module, example: Tensor, card: Card, path: Path) -> None:
    write_weights(net, dict(card), path)


def _load_safetensors(path: Path, net: nn.Module) -> Callable[[Tensor], Tensor]:
    """Into a network whose own weights are lost first."""
    fresh = copy.deepcopy(net)
    for value in fresh.state_dict().values():
        value.zero_()
    fill(fresh, read_weights(path), str(path))
    return fresh


FORMATS: dict[str, Format] = {
    "onnx": Format(".onnx", True, _save_onnx, _load_onnx),
    "torch": Format(".pt2", True, _save_torch, _load_torch),
    "safetensors": Format(".safetensors", False, _save_safetensors, _load_safetensors),
}
