"""What lies in a folder of one's own and is no image of a task: nothing is left out unsaid."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from dfkd_ray.datasets import layout
from dfkd_ray.datasets.image_files import Files
from dfkd_ray.datasets.listing import is_clutter, is_picture, leads_up
from dfkd_ray.datasets.readers import opened
from dfkd_ray.datasets.task import Task
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.words import count, for_terminal


@dataclass(frozen=True)
class Unused:
    """Paths under the folder: pictures that are in no split, folders without anything, files that are no picture to
    Pillow, and what systems and archivers leave behind (of a folder of theirs the folder) or what is a link to a folder
    that it lies in. deeper: folders within those of the classes, whose images are used, and of those classes, as
    torchvision's ImageFolder has it."""

    pictures: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    clutter: list[str] = field(default_factory=list)
    deeper: list[str] = field(default_factory=list)

    @property
    def kinds(self) -> dict[str, list[str]]:
        """By what a report calls them, without pictures: those are a mistake, these are not."""
        kinds = {"empty folders": self.empty, f"no pictures to Pillow{_by_ending(self.others)}": self.others}
        kinds |= {"skipped": self.clutter, "folders within a class's, and of that class": self.deeper}
        return {kind: paths for kind, paths in kinds.items() if paths}

    def __str__(self) -> str:
        """In one line; empty where there is nothing."""
        told = [f"{count(len(self.pictures), 'image')} in no split"] if self.pictures else []
        told += [f"{count(len(self.empty), 'empty folder')}"] if self.empty else []
        told += [f"{count(len(self.others), 'file')} that Pillow cannot open{_by_ending(self.others)}"] * bool(
            self.others
        )
        told += [", ".join(sorted({Path(path).name for path in self.clutter}))] if self.clutter else []
        return for_terminal("; ".join(told))


def unused(root: Path, used: Set[str]) -> Unused:
    """All under `root` but the files `used`, whose paths begin with it."""
    found = Unused()
    for place, folders, files in os.walk(root, followlinks=True):
        inside = [name for name in folders if not is_clutter(name) and not leads_up(Path(place, name))]
        for name in sorted(folders + files):
            path = os.path.join(place, name)
            told = os.path.relpath(path, root)
            if path in used:
                continue
            if is_clutter(name) or (name in folders and name not in inside):
                found.clutter.append(told)
            elif name in files:
                (found.pictures if is_picture(path) else found.others).append(told)
            elif not any(not is_clutter(each) for each in os.listdir(path)):
                found.empty.append(told)
        folders[:] = inside
    return found


def of_task(task: Task, data: Path | None = None) -> Unused:
    """Of a task of one's own folder; of any other nothing. Where it has some of the classes, the images of the others
    are used by a task of those."""
    root = opened(task, data).root if task.reader == "folder" else None
    if root is None or not root.is_dir():  # an .npz, which is used whole
        return Unused()
    there = layout.of(data or Path(task.data or "."))
    used, deeper = {str(path) for path, _ in there.tables.values()}, set[str]()
    for images in _files(replace(task, classes=task.among or task.classes, among=()), data):
        used |= {os.path.normpath(os.path.join(images.root, name)) for name in images.names}
    for images in _files(task, data) if there.folders else ():
        places = {Path(name).parent for name in images.names if name.count("/") > 1}
        deeper |= {os.path.relpath(images.root / place, root) for place in places}
    return replace(unused(root, used), deeper=sorted(deeper))


def _files(task: Task, data: Path | None) -> Iterator[Files]:
    """Those of each split that can be read."""
    for part in opened(task, data).parts.values():
        try:
            images = part().images
        except DataError:  # which is told where the split is read
            continue
        if isinstance(images, Files):
            yield images


def _by_ending(files: list[str]) -> str:
    if not files:
        return ""
    often = Counter(Path(file).suffix.lower() or Path(file).name for file in files)
    return " (" + ", ".join(f"{number} {ending}" for ending, number in often.most_common(3)) + ")"
