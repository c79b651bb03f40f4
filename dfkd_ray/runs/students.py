"""A finished student and its teacher, opened from a run's folder or from files of weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from dfkd_ray import datasets, nets, teachers
from dfkd_ray.methods import config
from dfkd_ray.nets.digest import digest
from dfkd_ray.teachers.weights import fill, read, read_card
from dfkd_ray.util.errors import ConfigError, DataError, StudyError

RECORD = "run.json"
Which = Literal["last", "best"]
FILES: Mapping[str, str] = {"last": "student.safetensors", "best": "student_best.safetensors"}


@dataclass(frozen=True)
class Network:
    """A network in evaluation mode that nothing trains, its file, and the task as it was trained to see it."""

    arch: str
    net: nn.Module = field(repr=False)
    weights: Path
    task: datasets.Task

    def to(self, device: torch.device) -> None:
        self.net.to(device).to(memory_format=torch.channels_last)

    def prepare(self, images: Tensor) -> Tensor:
        """uint8 images (N, C, H, W) in this network's own normalisation."""
        return datasets.normalise(self.task, images)


@dataclass(frozen=True)
class Distilled:
    """A student, the teacher that it is compared with (None: there is none), and what is known of its run."""

    student: Network
    teacher: Network | None
    run: Mapping[str, Any] = field(default_factory=dict)
    data: Path | None = None  # where the run found real images

    @property
    def task(self) -> datasets.Task:
        return self.student.task

    @property
    def networks(self) -> dict[str, Network]:
        return {"student": self.student, **({} if self.teacher is None else {"teacher": self.teacher})}


def of_run(folder: Path, which: Which, task: str | None, teacher: Path | None, teacher_arch: str | None) -> Distilled:
    """The student that a `distill` left in `folder`, on its own task unless `task` names another.

    teacher, teacher_arch: in place of those that taught it. Raises StudyError where there is no finished run, DataError
    where its teacher is gone or has changed.
    """
    record = _record(folder)
    weights = folder / FILES[which]
    if not weights.is_file():
        raise StudyError(f"{weights}: there is none yet: the run has not ended; its `dfkd-ray distill` again goes on")
    spec = teachers.recorded(record) if task is None else _known(datasets.load(task), record, weights)
    held = _part(record, "teacher")
    path = teacher or (Path(held["weights"]) if held.get("weights") else None)
    if teacher is None and path is not None and not path.is_file():
        raise DataError(f"{path}: the teacher of {folder} is not there any more: give --teacher FILE")
    known = _teacher(spec, path, teacher_arch or held.get("arch"))
    same = known is None or held.get("digest") in (None, digest(known.net.state_dict()))
    if teacher is None and not same:
        raise DataError(f"{path}: is not what it was when it taught {folder}: give --teacher FILE")
    arch = _part(record, "student").get("arch") or config.parse(record["method"]).student.arch
    arch = arch or teachers.recorded(record).student
    student = _judged(arch, weights, _normalised(spec if known is None else known.task, record))
    facts = {"folder": folder.resolve().name, "which": which, **{k: record.get(k) for k in ("fingerprint", "seed")}}
    data = record.get("data") if task is None else None
    return Distilled(student, known, {**facts, "own_teacher": same}, None if data is None else Path(data))


def of_file(weights: Path, arch: str | None, task: str, teacher: Path | None, teacher_arch: str | None) -> Distilled:
    """The student in a file of weights: `arch`, or what the card beside it says, in the normalisation that this states.

    Without a card that is the teacher's. teacher: else the one that the task has, or none.
    """
    spec, card = datasets.load(task), read_card(weights) or {}
    known = _teacher(spec, teacher, teacher_arch)
    arch = arch or card.get("arch")
    if arch is None:
        raise ConfigError.at("--arch", f"no card beside {weights} says which net it is: give --arch, see `ls nets`")
    seen = teachers.adopt(spec, weights, arch) if card else spec if known is None else known.task
    return Distilled(_judged(arch, weights, seen), known)


def _teacher(task: datasets.Task, weights: Path | None, arch: str | None) -> Network | None:
    """The teacher in `weights`, else the task's own, else the one that is found for it, else none."""
    spec = teachers.with_teacher(task, weights, arch)
    if spec.teacher.weights is None:
        return None
    arch = arch or spec.teacher.arch
    return Network(arch, teachers.teacher(spec, arch), datasets.HERE / spec.teacher.weights, spec)


def _judged(arch: str, weights: Path, task: datasets.Task) -> Network:
    net = nets.build(arch, len(task.classes), task.image[0])
    fill(net, read(weights), str(weights))
    return Network(arch, net.eval().requires_grad_(False), weights, task)


def _known(task: datasets.Task, record: Mapping[str, Any], student: Path) -> datasets.Task:
    """Another task than that of the run: that of a folder by the classes and the size that the student was taught."""
    names, image = (tuple(part) if isinstance(part := record.get(key), list) else None for key in ("classes", "image"))
    return datasets.as_taught(task, names, image, f"the student {student}")


def _normalised(task: datasets.Task, record: Mapping[str, Any]) -> datasets.Task:
    """The task as the student saw it, also where another teacher is given that was trained to see it otherwise."""
    stated = _part(record, "normalise")
    if not {"mean", "std"} <= stated.keys():
        return task
    return replace(task, mean=tuple(stated["mean"]), std=tuple(stated["std"]))


def _record(folder: Path) -> dict[str, Any]:
    path = folder / RECORD
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        gone = "" if folder.is_dir() else ", and there is no such folder"
        raise StudyError(f"{folder} holds no run of `dfkd-ray distill`: {RECORD} is missing{gone}") from None
    except (OSError, ValueError) as error:
        raise StudyError(f"{path}: cannot be read: {error}") from None
    if not isinstance(held, dict) or not {"task", "method"} <= held.keys():
        raise StudyError(f"{path}: not the record of a run: it names no task or no method")
    return held


def _part(record: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = record.get(key)
    return value if isinstance(value, dict) else {}
