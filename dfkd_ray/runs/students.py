"""A finished student and its teacher, opened from a run's folder or from files of weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dfkd_ray import datasets, nets, teachers
from dfkd_ray.nets.digest import digest
from dfkd_ray.runs.card import RunCard, Which
from dfkd_ray.teachers.recognition import recognised
from dfkd_ray.teachers.stated import architecture
from dfkd_ray.teachers.weights import fill, read_card, read_weights
from dfkd_ray.util.errors import ConfigError, StudyError
from dfkd_ray.util.folders import STUDENTS


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
    data: str | None = None  # where the run found real images, by path or URI
    alone: str = ""  # why there is no teacher beside it, where a run had one

    @property
    def task(self) -> datasets.Task:
        return self.student.task

    @property
    def name(self) -> str:
        """What files that are made of the student are called."""
        if not self.run:
            return self.student.weights.stem
        return f"{self.run['name']}-{self.student.arch}-{self.run['which']}".replace(":", "_")

    @property
    def networks(self) -> dict[str, Network]:
        return {"student": self.student, **({} if self.teacher is None else {"teacher": self.teacher})}


def of_run(folder: Path, which: Which, task: str | None, teacher: Path | None, teacher_arch: str | None) -> Distilled:
    """The student that a run left in its folder, on its own task unless `task` names another.

    teacher, teacher_arch: in place of those that taught it. A teacher that is gone, or is not what it was, is left out,
    and `alone` says so. Raises StudyError where there is no finished run.
    """
    card, weights = RunCard.read(folder), _weights(folder, which)
    spec = card.task if task is None else _known(datasets.load(task), card, weights)
    known, alone = _own_teacher(card, spec) if teacher is None else (_teacher(spec, teacher, teacher_arch), "")
    student = _network(card.student_arch, weights, _normalised(spec if known is None else known.task, card))
    own = teacher is None or (known is not None and digest(known.net.state_dict()) == card.teacher_digest)
    facts = {**card.run, "which": which, "own_teacher": own}
    data = card.data if task is None else None
    return Distilled(student, known, facts, data, alone)


def network(folder: Path, which: Which) -> nn.Module:
    """The student that a run left in its folder, alone and in evaluation mode; its file's card is its `card`.

    Raises StudyError where there is no finished run.
    """
    card, weights = RunCard.read(folder), _weights(folder, which)
    net = _network(card.student_arch, weights, card.task).net
    vars(net)["card"] = read_card(weights) or {}
    return net


def _weights(folder: Path, which: Which) -> Path:
    weights = folder / STUDENTS[which]
    if not weights.is_file():
        raise StudyError(f"{weights}: there is none yet: the run has not ended; the same command, or resume, goes on")
    return weights


def _own_teacher(card: RunCard, spec: datasets.Task) -> tuple[Network | None, str]:
    """The teacher of a run, or why it is left out."""
    held = card.task.teacher.weights
    path = None if held is None else datasets.HERE / held
    if path is None or not path.is_file():
        return None, f"the teacher is not there any more ({path}): --teacher FILE sets one beside the student"
    found = _teacher(spec, path if Path(str(held)).is_absolute() else None, card.teacher_arch)
    if found is not None and digest(found.net.state_dict()) != card.teacher_digest:
        return None, f"{path} is not what it was when it taught this student, and is left out: --teacher FILE"
    return found, ""


def of_file(
    weights: Path, arch: str | None, task: str | datasets.Task | None, teacher: Path | None, teacher_arch: str | None
) -> Distilled:
    """The student in a file of weights: `arch`, or what its card says, in the normalisation that this states.

    Without a card that is the teacher's. task: by name or made, else the one that the card names, where it ships, or
    the card's word alone, without images. teacher: else the one that the task has, or none.
    """
    card = read_card(weights) or {}
    if isinstance(task, datasets.Task):
        spec = task
    else:
        spec = _named(task or card.get("task"), weights, arch, given=task is not None)
    known = _teacher(spec, teacher, teacher_arch)
    arch = arch or architecture(weights, card) or _guessed(weights)
    seen = teachers.adopt(spec, weights, arch) if card else spec if known is None else known.task
    return Distilled(_network(arch, weights, seen), known)


def _guessed(weights: Path) -> str:
    """Which net a file without a card holds, by its names and shapes."""
    found = recognised(read_weights(weights))
    if found is None or found.also:
        fits = "" if found is None else f" ({', '.join([found.arch, *found.also])} fit)"
        text = f"neither a card beside {weights} nor its names and shapes say which net it is{fits}"
        raise ConfigError.at("--arch", f"{text}: give --arch, see `ls nets`")
    return found.arch


def _named(task: str | None, weights: Path, arch: str | None, given: bool) -> datasets.Task:
    """The task by name; one that is only known from the card of `weights` has no images and no teacher."""
    if task is not None and (given or task in datasets.names()):
        return datasets.load(task)
    known = teachers.bare(arch, weights=weights)
    return replace(known, teacher=replace(known.teacher, weights=None))


def _teacher(task: datasets.Task, weights: Path | None, arch: str | None) -> Network | None:
    """The teacher in `weights`, else the task's own, else the one that is found for it, else none."""
    spec = teachers.with_teacher(task, weights, arch)
    if spec.teacher.weights is None:
        return None
    arch = arch or spec.teacher.arch
    return Network(arch, teachers.teacher(spec, arch), datasets.HERE / spec.teacher.weights, spec)


def _network(arch: str, weights: Path, task: datasets.Task) -> Network:
    net = nets.build(arch, len(task.classes), task.image[0])
    fill(net, read_weights(weights), str(weights))
    return Network(arch, net.eval().requires_grad_(False), weights, task)


def same_net(student: Network, weights: Path | None) -> Network:
    """The student's net with the weights of a file, seen as its card says; None: as they are drawn with seed 0."""
    if weights is not None:
        seen = teachers.adopt(student.task, weights, student.arch) if read_card(weights) else student.task
        return _network(student.arch, weights, seen)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nets.build(student.arch, len(student.task.classes), student.task.image[0])
    return replace(student, net=net.eval().requires_grad_(False), weights=Path("untrained"))


def _known(task: datasets.Task, card: RunCard, student: Path) -> datasets.Task:
    """Another task than that of the run: that of a folder by the classes and the size that the student was taught."""
    return datasets.as_trained(task, card.task.classes, card.task.image, f"the student {student}")


def _normalised(task: datasets.Task, card: RunCard) -> datasets.Task:
    """The task as the student saw it, also where another teacher is given that was trained to see it otherwise."""
    return replace(task, mean=card.task.mean, std=card.task.std)
