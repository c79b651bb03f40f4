"""Teachers from files: a plain state_dict, or safetensors, with a JSON card beside it where there is one.

The teacher owns its normalisation. A card (`resnet56.json` or `resnet56.pt.json` beside `resnet56.pt`) may hold
`{"normalise": {"mean": [...], "std": [...]}, "arch": "resnet56", "accuracy": {"test": 0.93}}`; `adopt` makes a task
speak its language.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dfkd_ray.errors import DataError
from dfkd_ray.nets import build
from dfkd_ray.tasks.task import HERE, Task, TeacherRef


def teacher(task: Task, arch: str | None = None, weights: Path | None = None) -> nn.Module:
    """The frozen teacher: in eval mode, no parameter requires a gradient, on the CPU.

    arch, weights: in place of the task's own. Raises DataError when there is no file, when it does not fit the net (all
    missing and unexpected keys and all wrong shapes are listed), or when its card asks for another normalisation than
    the task's: see `adopt`.
    """
    path = weights or _own(task)
    mean, std = _normalisation(path, task)
    if (mean, std) != (task.mean, task.std):
        raise DataError(
            f"{path}: its card says mean {mean} and std {std}, but {task.name} normalises by mean {task.mean} and "
            f"std {task.std}: take the task from adopt(task, weights)"
        )
    net = build(arch or task.teacher.arch, len(task.classes), task.image[0])
    fill(net, read(path), str(path))
    return net.eval().requires_grad_(False)


def adopt(task: Task, weights: Path, arch: str | None = None) -> Task:
    """The same task with the teacher in the file `weights`, and the normalisation that the card beside it states.

    The net is `arch`, else the card's, else the task's. Without a card the normalisation stays the task's;
    `normalised_by` says which.
    """
    card = read_card(weights) or {}
    mean, std = _normalisation(weights, task)
    accuracy = card.get("accuracy")
    measured = accuracy.get("test") if isinstance(accuracy, Mapping) else None
    chosen = TeacherRef(arch or card.get("arch") or task.teacher.arch, str(weights.resolve()), measured)
    by = f"the card beside {weights.name}" if "normalise" in card else task.normalised_by
    return replace(task, teacher=chosen, mean=mean, std=std, normalised_by=by)


def read_card(weights: Path) -> dict[str, Any] | None:
    """What the JSON beside a file of weights says, None where there is none."""
    for path in (weights.with_name(f"{weights.name}.json"), weights.with_suffix(".json")):
        if path.is_file():
            try:
                card = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise DataError(f"{path}: the card of {weights.name} cannot be read: {error}") from None
            if not isinstance(card, dict):
                raise DataError(f"{path}: the card of {weights.name} must be a JSON object")
            return card
    return None


def _normalisation(weights: Path, task: Task) -> tuple[tuple[float, ...], tuple[float, ...]]:
    stated = (read_card(weights) or {}).get("normalise")
    if stated is None:
        return task.mean, task.std
    try:
        mean, std = (tuple(float(v) for v in stated[key]) for key in ("mean", "std"))
    except (KeyError, TypeError, ValueError):
        raise DataError(
            f"the card of {weights}: normalise must be {{mean: [...], std: [...]}}, got {stated!r}"
        ) from None
    if not len(mean) == len(std) == task.image[0] or min(std) <= 0:
        raise DataError(
            f"the card of {weights}: normalise must have {task.image[0]} channels and std > 0, got {stated!r}"
        )
    return mean, std


def _own(task: Task) -> Path:
    if task.teacher.weights is None:
        raise DataError(
            f"the task {task.name} ships no teacher: give --weights FILE (a plain state_dict or safetensors), "
            f"or train one with `dfkd-ray teach {task.name}`"
        )
    return HERE / task.teacher.weights


def read(path: Path) -> dict[str, Tensor]:
    """A state_dict from `.safetensors`, or from torch.save: plain, under `state_dict`, with `module.` prefixes."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        raw = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file") from None
    except Exception:  # a damaged pickle or safetensors raises almost anything, and torch's own advice is unsafe
        raise DataError(
            f"{path}: not a plain state_dict or safetensors: damaged, or it holds more than tensors; "
            f"torch.save(net.state_dict(), ...) writes one"
        ) from None
    state = raw.get("state_dict", raw) if isinstance(raw, Mapping) else raw
    if not isinstance(state, Mapping) or not state or not all(isinstance(v, Tensor) for v in state.values()):
        raise DataError(f"{path}: not a plain state_dict: expected names and tensors, got {type(state).__name__}")
    return {str(key).removeprefix("module."): value for key, value in state.items()}


def fill(net: nn.Module, state: Mapping[str, Tensor], origin: str) -> None:
    """Load `state` into `net` strictly; DataError lists what is missing, unexpected and of another shape.

    `num_batches_tracked` may be missing: old files lack it, and a net in eval mode does not read it.
    """
    own = net.state_dict()
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in own]
    shapes = [
        f"{key} {tuple(state[key].shape)} in the file, {tuple(own[key].shape)} in the net"
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    found = {"missing": missing, "unexpected": unexpected, "of another shape": shapes}
    if any(found.values()):
        lines = [f"  {len(keys)} {what}: {_some(keys)}" for what, keys in found.items() if keys]
        raise DataError("\n".join([f"{origin} does not fit the net {type(net).__name__}:", *lines]))
    net.load_state_dict({**own, **state})


def _some(keys: list[str], limit: int = 40) -> str:
    more = f" and {len(keys) - limit} more" if len(keys) > limit else ""
    return ", ".join(keys[:limit]) + more
