"""Public teachers: what the list says, and how one comes from a server on this machine."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from dfkd_ray import datasets, nets, teachers
from dfkd_ray.datasets import download
from dfkd_ray.teachers import zoo
from dfkd_ray.teachers.weights import read_card
from dfkd_ray.util.errors import ConfigError, DataError, UnknownName
from tests.datasets.server import Server, serving

OWN = """
publishers:
  - name: somebody
    page: https://page.example
    licence: MIT
    stated: their table
    normalise: [{{task: cifar10, mean: [0.1, 0.2, 0.3], std: [0.4, 0.5, 0.6]}}]
  - {{name: nobody, page: 'https://page.example', licence: none is stated, stated: x, by_hand: ask them,
     normalise: [{{task: cifar10, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}]}}
teachers:
  - {{name: theirs, publisher: somebody, arch: resnet8, task: cifar10, accuracy: 0.5, url: {url}{sha256}}}
  - {{name: asked_for, publisher: nobody, arch: resnet8, task: cifar10, accuracy: 0.5}}
"""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "WAITS", (0.0,))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    torch.manual_seed(2)
    file = io.BytesIO()
    torch.save({"state_dict": nets.build("resnet8", 10).state_dict(), "epoch": 3}, file)
    with serving({"net-1a.pth": file.getvalue()}) as served:
        yield served


def listed(monkeypatch: pytest.MonkeyPatch, folder: Path, server: Server, sha256: str = "") -> zoo.KnownTeacher:
    """The teacher on the server, in a list of one's own."""
    path = folder / "zoo.yaml"
    stated = f", sha256: '{sha256}'" if sha256 else ""
    path.write_text(OWN.format(url=server.url("net-1a.pth"), sha256=stated))
    monkeypatch.setattr(zoo, "FILE", path)
    zoo.zoo.cache_clear()
    return zoo.known("theirs")


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    yield
    zoo.zoo.cache_clear()


def test_it_comes_once_with_a_card_and_is_found_as_its_tasks_teacher(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = server.files["net-1a.pth"]
    digest = hashlib.sha256(data).hexdigest()
    teacher = listed(monkeypatch, tmp_path, server, digest[:8])
    assert zoo.fetch(teacher, tmp_path / "here") == (tmp_path / "here" / "theirs.pth", True)
    path, came = zoo.fetch(teacher, tmp_path / "here")
    assert (path.read_bytes(), came, len(server.asked)) == (data, False, 1)
    card = read_card(path)
    assert card is not None
    assert card["published"] == {
        **{"accuracy": 0.5, "stated_by": "their table", "page": "https://page.example", "licence": "MIT"},
        **{"url": server.url("net-1a.pth"), "name": "theirs"},
    }
    assert (card["task"], card["arch"], card["sha256"], card["file"]) == ("cifar10", "resnet8", digest, "theirs.pth")
    assert card["class_names"] == list(datasets.load("cifar10").classes)
    monkeypatch.setenv("DFKD_RAY_TEACHERS", str(tmp_path / "here"))
    task = teachers.with_teacher(datasets.load("cifar10"), arch="resnet8")
    assert (task.mean, task.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert task.teacher.test_accuracy is None, "nobody has measured it here"
    assert teachers.teacher(task)(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


def test_what_is_not_the_publishers_is_thrown_away(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = listed(monkeypatch, tmp_path, server, "0" * 8)
    with pytest.raises(
        DataError, match=r"theirs.pth: has sha256 \w{12}... and should have 00000000..., as https://page"
    ):
        zoo.fetch(teacher, tmp_path / "here")
    assert list((tmp_path / "here").iterdir()) == []


def test_without_a_stated_digest_nothing_is_compared(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = listed(monkeypatch, tmp_path, server)
    assert teacher.digest == "not published"
    path, _ = zoo.fetch(teacher, tmp_path)
    told = json.loads((tmp_path / "theirs.pth.json").read_text())["sha256"]
    assert told == hashlib.sha256(path.read_bytes()).hexdigest(), "that of the file as it came"


def test_what_cannot_be_had_says_how_else(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    teacher = listed(monkeypatch, tmp_path, server)
    server.files.clear()
    with pytest.raises(DataError) as caught:
        zoo.fetch(teacher, tmp_path)
    assert str(caught.value).splitlines()[1] == (
        f"  or bring it yourself: put it at {tmp_path / 'theirs.pth'}, then fetch again"
    )
    with pytest.raises(DataError, match=r"asked_for has to be brought by hand \(https://page.example\): ask them"):
        zoo.fetch(zoo.known("asked_for"), tmp_path)
    with pytest.raises(UnknownName, match=r"unknown teacher 'thiers'; did you mean 'theirs'\?"):
        zoo.known("thiers")


def test_a_file_is_known_by_its_digest(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed(monkeypatch, tmp_path, server, "0123456789")
    found = zoo.known_by("0123456789" + "a" * 54)
    assert found is not None
    assert found.name == "theirs"
    assert zoo.known_by("0123456788" + "a" * 54) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("accuracy: 0.5, url", "accuracy: 91.7, url"), "accuracy must be a fraction, got 91.7"),
        (("publisher: somebody", "publisher: sombody"), "unknown publisher 'sombody'"),
        (("task: cifar10, accuracy", "task: cifar100, accuracy"), "somebody does not say how it normalises cifar100"),
        (("url: http", "url: ftp"), "url must begin with http:// or https://"),
        ((", url", ", sha256: '12', url"), "sha256 must be its first 8 to 64 digits, got '12'"),
    ],
)
def test_mistakes_of_a_list(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: tuple[str, str], message: str
) -> None:
    listed(monkeypatch, tmp_path, server)
    text = zoo.FILE.read_text()
    assert change[0] in text
    zoo.FILE.write_text(text.replace(*change))
    zoo.zoo.cache_clear()
    with pytest.raises(ConfigError, match=re.escape(message)):
        zoo.zoo()


# ---- the list that ships


@pytest.mark.parametrize("each", zoo.zoo().teachers, ids=lambda each: each.name)
def test_each_that_ships_is_of_a_task_and_a_net_that_are_here(each: zoo.KnownTeacher) -> None:
    card = zoo.card(each, "")
    assert card["arch"] in nets.classifiers or card["arch"].startswith("timm:")
    assert len(card["normalise"]["mean"]) == card["image"][0]
    publisher = zoo.zoo().publisher(each.publisher)
    assert (each.url is None) == (publisher.by_hand is not None)
    assert each.sha256 is None or (each.url is not None and f"-{each.sha256}." in each.url), "the name states it"


def test_names_are_different() -> None:
    assert len({each.name for each in zoo.zoo().teachers}) == len(zoo.zoo().teachers)
