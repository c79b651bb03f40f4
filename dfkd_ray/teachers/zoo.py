"""Public teachers by name, `zoo.yaml`: who publishes which, how good it is said to be, and how one is brought here.

A teacher that is fetched is the publisher's file, byte for byte, with a card beside it; what its card states of its
accuracy stays the publisher's word until `teachers verify` measures it.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from dfkd_ray import datasets
from dfkd_ray.datasets.download import Unreachable, download
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import DataError, UnknownName
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.registry import did_you_mean
from dfkd_ray.util.sealed import seal_json

FILE = Path(__file__).with_name("zoo.yaml")


@dataclass(frozen=True)
class Normalisation:
    """Of the images of a task, in [0, 1], a number a channel."""

    task: str
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Publisher:
    """stated: where its accuracies stand. by_hand: what to do where there is no address of a single file."""

    name: str
    page: str
    licence: str
    stated: str
    normalise: tuple[Normalisation, ...]
    by_hand: str | None = None

    def of(self, task: str) -> Normalisation:
        """How it normalises the images of a task; ValueError where it does not say."""
        found = next((each for each in self.normalise if each.task == task), None)
        if found is None:
            raise ValueError(f"{self.name} does not say how it normalises {task}")
        return found


@dataclass(frozen=True)
class KnownTeacher:
    """sha256: of the file the digits that its publisher states, all of them or the first; None where none is stated.
    accuracy: the publisher's, a fraction of the test images; at: how they were shown, where not as the task does."""

    name: str
    publisher: str
    arch: str
    task: str
    accuracy: float
    url: str | None = None
    sha256: str | None = None
    at: str | None = None

    def __post_init__(self) -> None:
        if self.url is not None and not re.match("https?://", self.url):
            raise ValueError(f"url must begin with http:// or https://, got {self.url!r}")
        if self.sha256 is not None and not re.fullmatch("[0-9a-f]{8,64}", self.sha256):
            raise ValueError(f"sha256 must be its first 8 to 64 digits, got {self.sha256!r}")
        if not 0 < self.accuracy < 1:
            raise ValueError(f"accuracy must be a fraction, got {self.accuracy}")

    @property
    def digest(self) -> str:
        """What is stated of the file's digest, in words."""
        if self.sha256 is None:
            return "not published"
        return self.sha256 if len(self.sha256) == 64 else f"{self.sha256}..."

    @property
    def file(self) -> str:
        """What the file is called here, with the ending of the publisher's."""
        return self.name + "".join(PurePosixPath(urlsplit(self.url or ".pt").path).suffixes[-1:])


@dataclass(frozen=True)
class Zoo:
    """All of `zoo.yaml`."""

    publishers: tuple[Publisher, ...]
    teachers: tuple[KnownTeacher, ...] = field(default=())

    def __post_init__(self) -> None:
        for each in self.teachers:
            self.publisher(each.publisher).of(each.task)

    def publisher(self, name: str) -> Publisher:
        """The one of that name; ValueError where there is none."""
        found = next((each for each in self.publishers if each.name == name), None)
        if found is None:
            raise ValueError(f"unknown publisher {name!r}")
        return found


@cache
def zoo(path: Path | None = None) -> Zoo:
    """What the file says, that of this package where none is given."""
    return yamls.typed(Zoo, yamls.load(path or FILE).data)


def known(name: str) -> KnownTeacher:
    """The teacher of that name; UnknownName with the nearest."""
    there = {each.name: each for each in zoo().teachers}
    if name not in there:
        raise UnknownName(f"unknown teacher {name!r}{did_you_mean(name, there)}")
    return there[name]


def known_by(sha256: str) -> KnownTeacher | None:
    """The teacher whose file has that digest."""
    fits = (each for each in zoo().teachers if each.sha256 is not None and sha256.startswith(each.sha256))
    return next(fits, None)


def card(teacher: KnownTeacher, sha256: str) -> dict[str, Any]:
    """What stands beside its file: all that opens it, and whose it is."""
    publisher, task = zoo().publisher(teacher.publisher), datasets.load(teacher.task)
    input = publisher.of(teacher.task)
    published = {"accuracy": teacher.accuracy, "stated_by": publisher.stated, "page": publisher.page}
    published |= {"licence": publisher.licence, "url": teacher.url, "name": teacher.name}
    published |= {} if teacher.at is None else {"at": teacher.at}
    return {
        "task": task.name,
        "arch": teacher.arch,
        "class_names": list(task.classes),
        "image": list(task.image),
        "normalise": {"mean": list(input.mean), "std": list(input.std)},
        "published": published,
        "file": teacher.file,
        "sha256": sha256,
    }


def fetch(teacher: KnownTeacher, folder: Path) -> tuple[Path, bool]:
    """Bring its file and its card into `folder`; where it is, and whether it came now.

    Raises DataError where nobody offers a single file, where it cannot be had, and where it is not what its publisher
    states: then it is thrown away.
    """
    publisher = zoo().publisher(teacher.publisher)
    path = folder / teacher.file
    if teacher.url is None:
        raise DataError(f"{teacher.name} has to be brought by hand ({publisher.page}): {publisher.by_hand}")
    came = not path.is_file()
    if came:
        folder.mkdir(parents=True, exist_ok=True)
        _download(teacher, path)
    sha256 = _sha256(path)
    if not sha256.startswith(teacher.sha256 or ""):
        path.unlink()
        wrong = f"has sha256 {sha256[:12]}... and should have {teacher.digest}, as {publisher.page} states"
        raise DataError(f"{path}: {wrong}; it was thrown away, fetch it again")
    beside = path.with_name(f"{path.name}.json")
    if came or not beside.exists():
        with atomic_write(beside) as file:
            file.write(seal_json(card(teacher, sha256)))
    return path, came


def _download(teacher: KnownTeacher, path: Path) -> None:
    assert teacher.url is not None
    try:
        download(teacher.url, path)
    except Unreachable as error:
        raise DataError(f"{error}\n  or bring it yourself: put it at {path}, then fetch again") from None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
