"""The teachers that stand in folders: which there are, and which one a task takes that has none of its own."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

from dfkd_ray.datasets.image_files import data_folder
from dfkd_ray.datasets.named import spoken
from dfkd_ray.datasets.task import Task
from dfkd_ray.nets import build
from dfkd_ray.nets.digest import digest
from dfkd_ray.teachers.seen import seen_by, unlike
from dfkd_ray.teachers.stated import class_count, image_size
from dfkd_ray.teachers.weights import adopt, card_path, check_sha256, fill, read_card, read_weights
from dfkd_ray.util import limits
from dfkd_ray.util.errors import DataError

ENDINGS = (".safetensors", ".pt", ".pth", ".pth.tar", ".th", ".bin", ".ckpt")


@dataclass(frozen=True)
class TeacherFile:
    """A file of weights and its card; `problem`: what is wrong with the two."""

    weights: Path
    card: dict[str, Any] = field(default_factory=dict)
    problem: str = ""

    def checked(self) -> TeacherFile:
        """The same, with a problem where the weights are not those of their card."""
        try:
            check_sha256(self.weights)
        except DataError as error:
            return replace(self, problem=self.problem or str(error))
        return self


def teacher_file(slug: str, arch: str) -> str:
    """What `teach` calls the file of a teacher of a task with that slug."""
    return re.sub(r"[^\w.-]+", "_", f"{slug}_{arch}") + ".safetensors"


def teacher_folders() -> list[Path]:
    """Where teachers are looked for: ./teachers, $DFKD_RAY_TEACHERS, and beside the data sets."""
    named = os.environ.get("DFKD_RAY_TEACHERS")
    return [Path("teachers"), *([Path(named)] if named else []), data_folder() / "teachers"]


def teachers_in(folder: Path) -> Iterator[TeacherFile]:
    """The teachers of a folder, also those with something wrong, and cards whose weights are gone."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    weights = [path for path in files if path.name.endswith(ENDINGS)]
    yield from map(_teacher, weights)
    taken = {card_path(path) for path in weights}
    for path in files:
        if path.suffix == ".json" and path not in taken and {"arch", "file"} <= (card := _json(path)).keys():
            lost = folder / str(card["file"])
            yield TeacherFile(lost, card, f"{lost}: the weights of {path.name} are missing")


def _teacher(weights: Path) -> TeacherFile:
    try:
        card = read_card(weights)
    except DataError as error:
        return TeacherFile(weights, problem=str(error))
    return (
        TeacherFile(weights, problem=f"{weights}: no card says what it is")
        if card is None
        else TeacherFile(weights, card)
    )


def _json(path: Path) -> dict[str, Any]:
    """Of a file that may be anybody's: what it says, if that is an object."""
    try:
        read = limits.read_json(path)
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def find_teacher(task: Task, arch: str) -> Path | None:
    """The weights of a teacher of that task and architecture, the first of `teacher_folders`; of several the one that
    `teach` names so.

    A task with images of its own takes no teacher that has seen others, whatever its name. What is not taken, where
    that leaves none, and what was taught before the images changed, is said on standard error.
    """
    named = [(place, each) for place, each in _named(task) if each.card.get("arch") == arch]
    here = seen_by(task) if named and task.data is not None else {}
    told = [(place, each.weights, *_has_seen(each, here, task, arch)) for place, each in named]
    usual = teacher_file(task.slug, arch)
    fits = sorted((place, line != "", path.name != usual, path, line) for place, path, taken, line in told if taken)
    for line in [fits[0][-1]] if fits else [line for *_, line in told]:
        if line:
            _say(line)
    return fits[0][-2] if fits else None


def _named(task: Task) -> Iterator[tuple[int, TeacherFile]]:
    """The sound teachers of a task of that name, each with the number of its folder."""
    for place, folder in enumerate(teacher_folders()):
        for each in teachers_in(folder):
            if not each.problem and each.card.get("task") == task.name:
                yield place, each


def _others(task: Task, arch: str) -> str:
    """Where a task has no teacher of that net, but of others: which, and how one of it is taught; else nothing."""
    here = seen_by(task) if task.data is not None else {}
    known = {str(each.card.get("arch")): each for _, each in _named(task)}
    fits = sorted(net for net, each in known.items() if _has_seen(each, here, task, net)[0])
    net = f"--teacher-arch {fits[0] if fits else ''}"
    there = f"there is {', '.join(fits)}: {net}, or teach one: {_teaching(task, arch)}"
    return f"no teacher of {arch} for {task.name} here; {there}" if fits else ""


def _teaching(task: Task, arch: str) -> str:
    """The command that trains a teacher of the task, into another file where the usual one is there."""
    usual = teacher_folders()[0] / teacher_file(task.slug, arch)
    others = (usual.with_stem(f"{usual.stem}_{number}") for number in count(2))
    out = f" --out {next(path for path in others if not path.exists())}" if usual.exists() else ""
    return f"dfkd-ray teach {spoken(task)} --arch {arch}{out}"


def _has_seen(each: TeacherFile, here: Mapping[str, Any], task: Task, arch: str) -> tuple[bool, str]:
    """Whether a teacher is one of these images, and what there is to say of that; a folder's is not where its card
    says nothing of them."""
    again = f"`{_teaching(task, arch)}` trains one"
    if "images" not in each.card and task.reader == "folder":
        why = "is not taken: its card does not say which images it has seen"
        return False, f"{each.weights} {why}; {again}, --weights takes this one"
    if (how := unlike(each.card, here)) is None:
        return True, ""
    if all(each.card.get(what) == here.get(what) for what in ("folder", "split")):
        return True, f"{each.weights} {how}; `dfkd-ray teach {spoken(task)} --arch {arch} --fresh` trains it anew"
    return False, f"{each.weights} is not taken: it {how}; {again}"


def _same_split(task: Task, weights: Path) -> None:
    """Says where a teacher that somebody names was taught on another split of the same images."""
    card, place = read_card(weights) or {}, str(Path(task.data or "."))
    split = card.get("split")
    if card.get("folder") == place and split not in (None, task.split):
        _say(f"{weights} was taught by the split {split}, not by {task.split}: --split {split} takes the same images")


@cache
def _say(line: str) -> None:
    """Once a process."""
    print(f"warning: {line}", file=sys.stderr, flush=True)


def find_by_digest(task_name: str, arch: str, held: str) -> Path | None:
    """The weights with that digest (see `nets.digest`), among the teachers of a task of that name and architecture."""
    for folder in teacher_folders():
        for each in teachers_in(folder):
            of = each.card.get("task"), each.card.get("arch")
            if not each.problem and of == (task_name, arch) and _digest(each, arch) == held:
                return each.weights
    return None


def _digest(each: TeacherFile, arch: str) -> str:
    """Of the net that the file fills, which has our names and its own type; of the file where its card does not say
    enough to build it, "" where it does not fit its card."""
    state = read_weights(each.weights)
    count, image = class_count(each.weights, each.card), image_size(each.weights, each.card)
    if count is None or image is None:
        return digest(state)
    net = build(arch, count, image[0])
    try:
        fill(net, state, str(each.weights))
    except DataError:
        return ""
    return digest(net.state_dict())


def taught(task: Task, weights: Path | None = None, arch: str | None = None) -> Task:
    """`with_teacher`; DataError, with the way on, where there is none of that net but of another."""
    made = with_teacher(task, weights, arch)
    if made.teacher.weights is None and (others := _others(task, arch or task.teacher.arch)):
        raise DataError(others)
    return made


def with_teacher(task: Task, weights: Path | None = None, arch: str | None = None) -> Task:
    """The task with the teacher in `weights`, else its own, else the one that is found; see `adopt`."""
    if weights is not None and task.split is not None:
        _same_split(task, weights)
    if weights is None and task.teacher.weights is None:
        weights = find_teacher(task, arch or task.teacher.arch)
    return task if weights is None else adopt(task, weights, arch)
