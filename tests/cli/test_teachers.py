"""`teachers ls`, `inspect`, `fetch` and `verify` as a user meets them, with a server on this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from dfkd_ray import nets
from dfkd_ray.datasets import download
from dfkd_ray.teachers import zoo
from tests.cli.commands import Done, dfkd, refused
from tests.datasets.server import Server, serving
from tests.datasets.trees import write_classes

OWN = """
publishers:
  - {{name: somebody, page: 'https://page.example', licence: MIT (the code), stated: their table,
     normalise: [{{task: digits, mean: [0.5], std: [0.5]}}]}}
teachers:
  - {{name: theirs, publisher: somebody, arch: resnet8, task: digits, accuracy: {accuracy},
     url: {url}, sha256: '{sha}'}}
"""


@pytest.fixture(autouse=True)
def _nobodys_teachers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFKD_RAY_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("DFKD_RAY_TEACHERS", raising=False)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "WAITS", (0.0,))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving({}) as served:
        yield served
    zoo.zoo.cache_clear()


def publish(server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch, accuracy: float) -> str:
    """A teacher of the digits, untrained, on the server and in a list of one's own; the digest of its file."""
    torch.manual_seed(1)
    file = folder / "there.pt"
    torch.save({f"module.{key}": value for key, value in nets.build("resnet8", 10, 1).state_dict().items()}, file)
    server.files["net.pt"] = file.read_bytes()
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    (folder / "zoo.yaml").write_text(OWN.format(url=server.url("net.pt"), sha=digest[:8], accuracy=accuracy))
    monkeypatch.setattr(zoo, "FILE", folder / "zoo.yaml")
    zoo.zoo.cache_clear()
    return digest


# ---- the list


def write_card(folder: Path, name: str, **card: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.safetensors").write_bytes(b"")
    (folder / f"{name}.json").write_text(json.dumps(card))


def test_teachers_are_listed_with_what_their_cards_say(tmp_path: Path) -> None:
    card = {"task": "birds", "arch": "resnet34", "classes": 200, "image": [3, 224, 224], "pretrained": True}
    write_card(tmp_path / "teachers", "birds", **card, accuracy={"train": 1.0, "val": 0.8125, "test": 0.75})
    write_card(tmp_path / "data" / "teachers", "old", task="digits", arch="resnet8", classes=10)
    done = dfkd("teachers", "ls", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    head, *rows = [line.split() for line in done.out.splitlines()]
    assert head == ["task", "net", "classes", "image", "val", "test", "init", "file"]
    birds = ["birds", "resnet34", "200", "3x224x224", "81.2", "%", "75.0", "%", "imagenet"]
    old = ["digits", "resnet8", "10", *"––––", str(tmp_path / "data" / "teachers" / "old.safetensors")]
    assert rows == [[*birds, "teachers/birds.safetensors"], old]
    assert dfkd("teachers", "ls", tmp_path / "data" / "teachers", cwd=tmp_path).out.splitlines()[1].split() == old


def test_what_is_wrong_stands_below_and_a_check_fails_on_it(tmp_path: Path) -> None:
    write_card(tmp_path, "t", task="birds", arch="resnet34", file="t.safetensors", sha256="00" * 32)
    done = dfkd("teachers", "ls", tmp_path)
    assert (done.code, len(done.out.splitlines())) == (0, 2)
    done = dfkd("teachers", "ls", "--check", tmp_path)
    assert (done.code, done.err) == (2, "")
    assert done.out.splitlines()[-1].startswith(f"{tmp_path / 't.safetensors'}: damaged, or not the file of its card")


def test_where_there_is_none_it_says_where_it_looked(tmp_path: Path) -> None:
    done = dfkd("teachers", "ls", cwd=tmp_path)
    places = f"teachers, {tmp_path / 'data' / 'teachers'}"
    assert done == Done(0, f"no teachers in {places}; `dfkd-ray teach TASK` trains one\n", "")
    assert refused("teachers", "ls", tmp_path / "no") == f"{tmp_path / 'no'}: there is no such folder"


def test_public_teachers_are_listed() -> None:
    done = dfkd("teachers", "ls", "--known")
    assert (done.code, done.err) == (0, "")
    head, *rows = [line.split() for line in done.out.splitlines()]
    assert head == ["name", "task", "net", "stated", "sha256", "licence", "address"]
    assert len(rows) == len(zoo.zoo().teachers)
    address = "https://github.com/chenyaofo/pytorch-cifar-models/releases/download/resnet/cifar100_resnet20-23dac2f1.pt"
    chosen = ["chenyaofo_cifar100_resnet20", "cifar100", "resnet20_b", "68.8", "%", "23dac2f1...", "BSD-3-Clause"]
    assert [*chosen, address] in rows
    by_hand = next(row for row in rows if row[0] == "fast_datafree_cifar10_resnet34")
    assert by_hand[5:7] == ["not", "published"]


# ---- one checkpoint


def test_a_checkpoint_is_inspected_and_goes_on_as_it_says(tmp_path: Path) -> None:
    torch.save({"model": nets.build("resnet8", 10).state_dict(), "epoch": 3}, tmp_path / "t.pth")
    done = dfkd("teachers", "inspect", "t.pth", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    rows = dict(line.split(maxsplit=1) for line in done.out.splitlines() if not line.startswith("goes on"))
    assert (rows["net"], rows["beside"]) == ("resnet8", "epoch 3")
    assert rows["weights"] == "under model: 44 tensors, 75,290 parameters, float32, int64"
    assert done.out.splitlines()[-1] == "goes on  dfkd-ray distill METHOD --weights t.pth --mean M,M,M --std S,S,S"
    assert refused("teachers", "inspect", "no.pth", cwd=tmp_path) == "no.pth: there is no such file"


def test_a_student_is_taught_by_a_checkpoint_and_nothing_else(tmp_path: Path) -> None:
    states = {name: nets.build("resnet8", 10).state_dict() for name in ("model", "model_ema")}
    torch.save(states, tmp_path / "t.pth")
    shape = {"epochs": 1, "rounds": 1, "batch": 4, "student_steps": 1}
    words = ["distill", "noise_kd", "--student-arch", "resnet8", "--mean", "0.5", "--std", "0.5"]
    words += [word for key, value in shape.items() for word in ("--set", f"schedule.{key}={value}")]
    said = refused(*words, "--weights", "t.pth", cwd=tmp_path)
    assert said.endswith("say which one, by --weights 't.pth#model' or --weights 't.pth#model_ema'")
    done = dfkd(*words, "--weights", "t.pth#model_ema", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    first, second, third = done.out.splitlines()[:3]
    assert first.startswith("t.pth#model_ema: by its names and shapes resnet8, 10 classes, 32 pixels, as such nets are")
    assert second.startswith("noise_kd on t: resnet8 -> resnet8, 1 epoch, seed 0")
    assert third == f"the teacher is {tmp_path / 't.pth#model_ema'}"


# ---- a public one


def test_a_public_teacher_is_fetched_and_measured(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = publish(server, tmp_path, monkeypatch, accuracy=0.1)
    done = dfkd("teachers", "fetch", "theirs", cwd=tmp_path)
    lines = [
        "wrote teachers/theirs.pt and its card: resnet8 of digits",
        f"sha256: {digest[:8]}..., as it is here",
        "accuracy 10.0 % (their table); licence: MIT (the code)",
        "measure it: dfkd-ray teachers verify teachers/theirs.pt",
    ]
    assert done == Done(0, "\n".join(lines) + "\n", "")
    again = dfkd("teachers", "fetch", "theirs", cwd=tmp_path)
    assert again.out.splitlines()[0] == "there is teachers/theirs.pt and its card: resnet8 of digits"
    assert len(server.asked) == 1
    measured = dfkd("teachers", "verify", "teachers/theirs.pt", "--device", "cpu", "--threads", "1", cwd=tmp_path)
    assert (measured.code, measured.err) == (0, "")
    first, second, third = measured.out.splitlines()
    assert first == "teachers/theirs.pt: resnet8 on digits, input normalised by the card beside theirs.pt"
    assert second.endswith(" test images named right")
    assert third == "10.0 % is stated (their table)"


def test_a_teacher_that_is_not_what_is_said_of_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(server, tmp_path, monkeypatch, accuracy=0.95)
    assert dfkd("teachers", "fetch", "theirs", "--out", "mine", cwd=tmp_path).code == 0
    done = dfkd("teachers", "verify", "mine/theirs.pt", "--device", "cpu", "--threads", "1", cwd=tmp_path)
    assert (done.code, done.err) == (1, "")
    assert done.out.splitlines()[-1].startswith("that is further off than chance allows")


def test_without_a_card_its_task_is_asked_for(tmp_path: Path) -> None:
    torch.save(nets.build("resnet8", 10, 1).state_dict(), tmp_path / "t.pt")
    said = refused("teachers", "verify", "t.pt", cwd=tmp_path)
    assert said == "--task: no card beside t.pt says of which task it is: give --task"
    done = dfkd("teachers", "verify", "t.pt", "--task", "digits", "--device", "cpu", "--threads", "1", cwd=tmp_path)
    assert (done.code, len(done.out.splitlines())) == (0, 2)


def test_the_card_of_a_folders_teacher_says_its_images_and_their_split(tmp_path: Path) -> None:
    list(write_classes(tmp_path / "whole", {"left": 20, "right": 20}))
    words = ["teach", f"folder:{tmp_path / 'whole'}@16", "--split", "50/20/30", "--arch", "resnet8", "--epochs", "1"]
    one = ["--device", "cpu", "--threads", "1"]
    assert dfkd(*words, *one, "--set", "recipe.batch=4", "--out", "t.safetensors", cwd=tmp_path).code == 0
    done = dfkd("teachers", "verify", "t.safetensors", *one, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "resnet8 on whole, " in done.out
    assert " of 12 test images named right" in done.out
    named = dfkd("teachers", "verify", "t.safetensors", "--task", f"folder:{tmp_path / 'whole'}@16", *one, cwd=tmp_path)
    assert named.out == done.out  # not by the usual split, whose test images it may have been taught on
    (tmp_path / "whole").rename(tmp_path / "moved")
    assert refused("teachers", "verify", "t.safetensors", cwd=tmp_path) == (
        f"--task: the card of t.safetensors says 'whole', of the images in {tmp_path / 'whole'}, which is not there: "
        "give --task, its file or folder:PATH"
    )
    moved = dfkd("teachers", "verify", "t.safetensors", "--task", f"folder:{tmp_path / 'moved'}@16", *one, cwd=tmp_path)
    assert moved.out.replace("moved", "whole") == done.out


@pytest.mark.parametrize(
    ("folder", "said"),
    [
        (None, ", which does not ship: give --task"),
        ("whole", ", of the images in {}, which is not their name: give --task, the file of that task"),
    ],
)
def test_a_card_of_a_task_file_of_ones_own_asks_for_it(tmp_path: Path, folder: str | None, said: str) -> None:
    list(write_classes(tmp_path / "whole", {"left": 2, "right": 2}))
    torch.save(nets.build("resnet8", 2).state_dict(), tmp_path / "t.pt")
    place = {} if folder is None else {"folder": str(tmp_path / folder)}
    (tmp_path / "t.json").write_text(json.dumps({"task": "mine", "arch": "resnet8", **place}))
    told = refused("teachers", "verify", "t.pt", cwd=tmp_path)
    assert told == f"--task: the card of t.pt says 'mine'{said.format(tmp_path / 'whole')}"


def test_a_name_that_nobody_knows() -> None:
    said = refused("teachers", "fetch", "akamaster_cifar10_resnet21")
    assert said.startswith("unknown teacher 'akamaster_cifar10_resnet21'; did you mean 'akamaster_cifar10_resnet")
