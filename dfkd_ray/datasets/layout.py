"""How a folder of one's own is laid out: class folders, splits of those in any spelling, or a table of labels.

Where there are several, splits go before class folders, and those before a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from dfkd_ray.datasets import label_table
from dfkd_ray.datasets.label_table import TableRows
from dfkd_ray.datasets.listing import entries, folders_in, holds_pictures
from dfkd_ray.datasets.naming import some, split_called
from dfkd_ray.datasets.readers import WHICH, NoSplit, Opened, Part
from dfkd_ray.datasets.shares import SplitShares
from dfkd_ray.datasets.task import Task
from dfkd_ray.datasets.trees import ClassFolders, part
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.words import counted

WHOLE = "whole"  # what has no splits of its own


@dataclass(frozen=True)
class FolderLayout:
    """folders: that of each split under `root`. tables: where there are no class folders that of each split, and what
    the split is called in it (None: all rows are of it). unlabelled: folders that are no class, though they lie beside
    those of the classes."""

    root: Path
    folders: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, tuple[Path, str | None]] = field(default_factory=dict)
    unlabelled: frozenset[str] = frozenset()

    @property
    def whole(self) -> bool:
        """Whether it has no splits of its own."""
        return WHOLE in self.folders or WHOLE in self.tables

    @property
    def classes(self) -> tuple[str, ...]:
        """Those that there are images to train of, or where there are none for that, of all; DataError where nobody
        can tell which folders they are."""
        own: Mapping[str, Any] = self.folders or self.tables
        places = [own["train"]] if "train" in own else list(own.values())
        if self.tables:
            rows = ((row, which) for path, which in places for row in label_table.read(path))
            return label_table.labels(row for row, which in rows if which in (None, row.split))
        found = {name for place in places for name in _class_folders(self.root / place, self.unlabelled)}
        return tuple(sorted(found))

    def opened(self, task: Task) -> Opened:
        """The splits, unread; what has none is split by `task.split`, and without that is all to test."""
        parts: dict[str, ClassFolders | TableRows]
        if self.tables:
            parts = {which: TableRows(task, *named) for which, named in self.tables.items()}
        else:
            ignored = self.unlabelled.difference(task.classes)  # a teacher, or a task file, may know one as a class
            of = partial(ClassFolders, task, partly=True, ignored=ignored)
            parts = {which: of(self.root / place) for which, place in self.folders.items()}
        if task.split is not None:
            return self._drawn(task.split, parts)
        return Opened(self.root, {("test" if which == WHOLE else which): each for which, each in parts.items()})

    def _drawn(self, split: str, parts: Mapping[str, ClassFolders | TableRows]) -> Opened:
        if len(parts) != 1:
            raise DataError(f"{self.root}: it has splits of its own ({', '.join(parts)}), and takes no split {split}")
        (source,), shares = parts.values(), SplitShares.parse(split)
        listed = cache(source.listed)

        def drawn(place: int) -> Part:
            names, labels = listed()
            rows = np.flatnonzero(shares.draw([Path(name).as_posix() for name in names], labels) == place)
            if names and not len(rows):
                few = f"{counted(len(names), 'image')}: too few to be split {split}"
                raise NoSplit(f"{source.root}: {few}: none is left for {WHICH[place]}")
            return part(source.root, [names[row] for row in rows], labels[rows])

        given = [place for place in range(len(WHICH)) if getattr(shares, WHICH[place])]
        return Opened(self.root, {WHICH[place]: lambda place=place: drawn(place) for place in given})  # type: ignore[misc]


def of(data: Path) -> FolderLayout:
    """How a folder, or a table, lays its images out; DataError where two folders are one split."""
    if data.suffix.lower() in label_table.ENDINGS:
        return FolderLayout(data.parent, tables=_in_table(data))
    if there := _splits(data):
        return FolderLayout(data, there)
    classes = {name for name in folders_in(data) if split_called(name) is None and holds_pictures(data / name, True)}
    if len(classes) < 2 and (tables := _tables(data)):
        return FolderLayout(data, tables=tables)
    return FolderLayout(data, {WHOLE: ""}, unlabelled=_unlabelled(data))


def _unlabelled(root: Path) -> frozenset[str]:
    """`test/` in any spelling, whose images lie in no folders of classes: so a competition gives those to be labelled.
    `train` may be a class, as it is of vehicles, and `valid` as against invalid."""
    called = {name: split_called(name) for name in folders_in(root)}
    return frozenset(name for name, which in called.items() if which == "test" and None in called.values())


def _splits(root: Path) -> dict[str, str]:
    """The folder of each split. One that holds no folder is none: see `_unlabelled`."""
    there: dict[str, str] = {}
    for name in sorted(folders_in(root)):
        which = split_called(name)
        if which is not None and folders_in(root / name):
            if which in there:
                raise DataError(f"{root}: {there[which]}/ and {name}/ are both the split {which}: name one otherwise")
            there[which] = name
    return _tested(there)


def _tables(root: Path) -> dict[str, tuple[Path, str | None]]:
    """The tables of a folder: one, or one for each split."""
    found = sorted(root / each.name for each in entries(root) if Path(each.name).suffix.lower() in label_table.ENDINGS)
    by_split = {which: (path, None) for path in found if (which := split_called(path.stem)) is not None}
    if len(found) == 1:
        return _in_table(found[0])
    if found and "train" not in by_split:
        names = ", ".join(path.name for path in found)
        raise DataError(f"{root}: there are several tables ({names}): name the one, as in folder:{found[0]}")
    return _tested(by_split)


def _in_table(path: Path) -> dict[str, tuple[Path, str | None]]:
    named = {row.split for row in label_table.read(path)} - {None}
    return _tested({which: (path, which) for which in WHICH if which in named}) if named else {WHOLE: (path, None)}


def _tested(there: dict[str, Any]) -> dict[str, Any]:
    """Without a split to test, that to validate is it."""
    if "val" in there and "test" not in there:
        there["test"] = there.pop("val")
    return there


def _class_folders(place: Path, unlabelled: Set[str]) -> set[str]:
    """The folders with images; DataError where all of these lie in folders within."""
    found = {name for name in folders_in(place) - unlabelled if holds_pictures(place / name, deep=True)}
    if found and not any(holds_pictures(place / name) for name in found):
        first = min(found)
        within = ", ".join(f"{first}/{name}" for name in sorted(folders_in(place / first))[:3])
        raise DataError(
            f"{place}: no image lies in its folders ({some(sorted(found))}), all lie deeper ({within}), so nobody can "
            f"tell which are the classes: name the folder that holds their folders, as in folder:{place / first}, or "
            f"move the images of each class up into its folder"
        )
    return found
