"""A table of names and labels: a CSV (or with semicolons or tabs), one row a picture, beside the pictures it names.

The column of names is the one whose words are pictures that are there: the end of one's path under the table's folder
(its name is enough), a longer path that ends in the whole of it, or an absolute one of another machine; the ending may
be left out. Of several such columns it is one with endings, since row numbers and labels may be names without. The
column of labels is called so, or is the only other one. A column called split, if there is one, says of each row in
which it is.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dfkd_ray.datasets.listing import pictures_in
from dfkd_ray.datasets.naming import Classes, some, split_called
from dfkd_ray.datasets.readers import Part
from dfkd_ray.datasets.task import Task
from dfkd_ray.datasets.trees import part
from dfkd_ray.util import limits
from dfkd_ray.util.errors import DataError

ENDINGS = (".csv", ".tsv")
LABELS = ("label", "labels", "class", "classname", "category", "target", "species", "breed", "name", "y")
NAMES = ("file", "filename", "image", "imagename", "picture", "path", "filepath", "imagepath", "id", "imageid")
_SPLITS = ("split", "set", "subset", "partition", "fold")
_LOOKED_AT = 50  # rows, to find the column of names
_Index = dict[str, list[str]]


class Labelled(NamedTuple):
    """A line of a table: the file under its folder, the class, and the split, if it names one."""

    file: str
    label: str
    split: str | None


@dataclass(frozen=True)
class TableRows:
    """The rows of a table, or those of one split of it, as a part of a task."""

    task: Task
    table: Path
    which: str | None = None

    @property
    def root(self) -> Path:
        return self.table.parent

    def __call__(self) -> Part:
        return part(self.root, *self.listed())

    def listed(self) -> tuple[list[str], NDArray[np.int64]]:
        """Files and their labels, in the order of the table."""
        classes = Classes(self.task.folders or self.task.classes, self.task.name)
        own = [row for row in read(self.table) if self.which in (None, row.split)]
        labels = {row.label: classes.label(row.label) for row in own}
        if unknown := [name for name, label in labels.items() if label is None]:
            raise DataError(f"{self.table}: {classes.unknown(unknown)}")
        return [row.file for row in own], np.array([labels[row.label] for row in own], np.int64)


def read(table: Path) -> list[Labelled]:
    """All rows; DataError where a column cannot be found, or a line names no picture, two, or one that stands above."""
    lines = _lines(table)
    index, whole = _index(pictures_in(table.parent, deep=True)), split_called(table.stem)
    columns = list(zip_longest(*lines, fillvalue=""))
    named = _names(index, columns)
    if named is None:
        raise DataError(f"{table}: no column names pictures that lie beside it or in folders there")
    head = [] if _find(index, whole, columns[named][0]) else [_core(column[0]) for column in columns]
    split = next((at for at, word in enumerate(head) if word in _SPLITS and at != named), None)
    label = _label(table, head, len(columns), {named, split})
    rows: dict[str, Labelled] = {}
    for number, line in enumerate(zip(*columns), start=1):
        if (number == 1 and head) or not any(line):
            continue
        if not line[label].strip():
            raise DataError(f"{table}:{number}: there is no label in this line")
        which = None if split is None else _split(table, number, line[split])
        files = _find(index, which or whole, line[named])
        if len(files) != 1 or files[0] in rows:
            several = f"is one of several pictures: {some(files)}" if files[1:] else "stands in a line above too"
            raise DataError(f"{table}:{number}: {line[named]} {several if files else 'is no picture here'}")
        rows[files[0]] = Labelled(files[0], line[label].strip(), which)
    return list(rows.values())


def labels(rows: Iterable[Labelled]) -> tuple[str, ...]:
    """The classes of some rows, sorted: numbers by their size, all else as words."""
    found = {row.label for row in rows}
    return tuple(sorted(found, key=int if all(name.isdecimal() for name in found) else str))


def _lines(table: Path) -> list[list[str]]:
    try:
        text = limits.read(table, limits.JSON_BYTES).decode("utf-8-sig")
        first = text.partition("\n")[0]
        found = list(csv.reader(text.splitlines(), delimiter=max(",;\t", key=first.count)))
        limits.count("columns", max(found, key=len, default=[]), limits.KEYS)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{table}: cannot be read: {error}") from None
    if not any(map(any, found)):
        raise DataError(f"{table}: there is no line in it")
    return found


def _names(index: _Index, columns: Sequence[Sequence[str]]) -> int | None:
    """The column of the names, None where no word of any is one; of equals the first."""
    ranks = []
    for column in columns:
        found = [(word, _find(index, None, word)) for word in column[:_LOOKED_AT]]
        whole = sum(bool(PurePosixPath(word).suffix) for word, files in found if files)
        head = _core(column[0])
        ranks.append((whole, (head in NAMES) - (head in ("", *LABELS)), sum(bool(files) for _, files in found)))
    there = [rank for rank in ranks if rank[2]]
    return ranks.index(max(there)) if there else None


def _label(table: Path, head: Sequence[str], width: int, taken: set[int | None]) -> int:
    """The column of the classes."""
    called = [head.index(word) for word in LABELS if word in head and head.index(word) not in taken]
    left = [at for at in range(width) if at not in taken and (at >= len(head) or head[at])]
    if not called and len(left) != 1:
        names = ", ".join(head) if head else f"{width}, without a line of names"
        raise DataError(f"{table}: which column says the class? Call it label; the columns are {names}")
    return called[0] if called else left[0]


def _split(table: Path, number: int, word: str) -> str:
    which = split_called(word.strip())
    if which is None:
        raise DataError(f"{table}:{number}: {word!r} is no split: train, val or test")
    return which


def _index(files: Iterable[str]) -> _Index:
    """The files by each end of their path, with and without the ending of their name."""
    index: _Index = defaultdict(list)
    for file in files:
        parts = PurePosixPath(file).parts
        for start in range(len(parts)):
            path = PurePosixPath(*parts[start:])
            for word in {str(path), str(path.with_suffix(""))}:
                index[word].append(file)
    return index


def _find(index: _Index, which: str | None, word: str) -> list[str]:
    """The files that a word of a table means; of several, those in the folder of the row's split."""
    path = PurePosixPath(word.strip().replace("\\", "/"))
    found = index.get(str(path), [])
    if str(path) in found:
        return [str(path)]
    for start in range(1, len(path.parts)) if not found else ():
        end = PurePosixPath(*path.parts[start:])
        if found := [file for file in index.get(str(end), []) if _elsewhere(path, end, file)]:
            break
    if len(found) > 1 and which is not None:
        return [file for file in found if split_called(file.partition("/")[0]) == which] or found
    return found


def _elsewhere(path: PurePosixPath, end: PurePosixPath, file: str) -> bool:
    """Whether a path is that of a file in another place, where this end is all that they share.

    The folders of a relative one are the file's too; an absolute one is of another machine, whose folders may be called
    as they like, but for those of splits.
    """
    folders = PurePosixPath(file).parts[: -len(end.parts)]
    if not (path.is_absolute() or path.parts[0].endswith(":")):
        return not folders
    splits = [{split_called(each) for each in each_of} - {None} for each_of in (folders, path.parts)]
    return not all(splits) or splits[0] == splits[1]


def _core(word: str) -> str:
    return "".join(letter for letter in word.casefold() if letter.isalnum())
