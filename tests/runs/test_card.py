"""The card of a run opens its student and its teacher again when all else is gone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray import datasets
from dfkd_ray.methods import config
from dfkd_ray.runs.card import RunCard, versions
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.folders import CARD as NAME

CARD = RunCard(
    study="demo",
    trial=3,
    arm=None,
    seed=7,
    changes={"student_loss.kd.temperature": 2.5},
    method=config.load("dfkd_fgvc"),
    task=datasets.load("gliders"),
    teacher_digest="d" * 64,
    metric="val_accuracy",
    data=None,
    versions=versions(),
)


@pytest.mark.parametrize("name", datasets.names())
def test_every_task_is_found_again_in_a_card(tmp_path: Path, name: str) -> None:
    card = replace(CARD, task=datasets.load(name))
    card.write(tmp_path)
    assert RunCard.read(tmp_path) == card


@pytest.mark.parametrize("name", config.method_names())
def test_every_method_is_found_again_in_a_card(tmp_path: Path, name: str) -> None:
    card = replace(CARD, method=config.load(name))
    card.write(tmp_path)
    assert RunCard.read(tmp_path) == card
    assert json.loads((tmp_path / NAME).read_text())["fingerprint"] == config.fingerprint(card.method)


def test_a_run_that_goes_on_keeps_its_card(tmp_path: Path) -> None:
    CARD.write(tmp_path)
    replace(CARD, versions={"torch": "later"}).write(tmp_path)
    assert RunCard.read(tmp_path) == CARD


def test_a_card_holds_no_secret_of_an_address(tmp_path: Path) -> None:
    task = datasets.load("cub200")
    assert task.origin is not None
    archives = [replace(each, url="https://me:s3cret@host/a.tgz?sig=s3cret") for each in task.origin.archives]
    task = replace(task, origin=replace(task.origin, archives=tuple(archives)))
    replace(CARD, task=task, data="s3://me:s3cret@bucket/images").write(tmp_path)
    assert "s3cret" not in (tmp_path / NAME).read_text()
    read = RunCard.read(tmp_path).task.origin
    assert read is not None
    assert {each.url for each in read.archives} == {"https://REDACTED@host/a.tgz?sig=REDACTED"}


def test_what_a_run_and_its_student_are_called() -> None:
    assert CARD.name == "demo-trial3"
    assert replace(CARD, changes={}, arm="full").name == "demo-trial3"
    assert replace(CARD, changes={}).name == "demo", "a run that is a study by itself"
    assert CARD.run == {
        "name": "demo-trial3",
        "study": "demo",
        "trial": 3,
        "seed": 7,
        "fingerprint": config.fingerprint(CARD.method),
    }


def test_a_students_own_card() -> None:
    told = CARD.student("best", {"test_accuracy/last": 0.5, "test_accuracy/best": 0.75})
    gliders = datasets.load("gliders")
    assert (told["arch"], told["task"], told["class_names"]) == ("resnet8", "gliders", list(gliders.classes))
    assert told["normalise"] == {"mean": list(gliders.mean), "std": list(gliders.std)}
    assert told["accuracy"] == {"test": 0.75}
    assert told["student_of"] == {
        **{"teacher": "resnet8", "teacher_digest": "d" * 64, "seed": 7, "which": "best"},
        "fingerprint": config.fingerprint(CARD.method),
    }
    assert told == replace(CARD, study="other", trial=0, data="x").student("best", {"test_accuracy/best": 0.75})
    assert set(told["versions"]) == {"dfkd_ray", "python", "torch"}
    assert "accuracy" not in CARD.student("last"), "nobody has measured it"


def test_nets_of_the_method_go_before_those_of_the_task() -> None:
    method = config.change(CARD.method, {"student.arch": "resnet20", "teacher.arch": "resnet56"})
    assert (replace(CARD, method=method).student_arch, replace(CARD, method=method).teacher_arch) == (
        "resnet20",
        "resnet56",
    )


OLD = {"fingerprint": "f", "task": "gliders", "task_given": "gliders", "method": {}, "seed": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, r"^{folder} holds no run: run\.json is missing$"),
        ("{", r"^{path}: cannot be read: Expecting property name"),
        ("[]", r"^{path}: not the card of a run that this version of dfkd-ray can read: take its student by --weights"),
        (
            json.dumps(OLD),
            r"^{path}: not the card of a run that this version of dfkd-ray can read: take its student by",
        ),
        ("[" * 10**5, r"^{path}: cannot be read: nested too deep$"),
        ('{"version": 1}', r"^{path}: not the card of a run: 'method'$"),
        ('{"version": 1, "method": {"sourc": 1}}', r"^{path}: not the card of a run: sourc: not a slot of a method"),
    ],
)
def test_what_is_no_card_says_so(tmp_path: Path, text: Any, message: str) -> None:
    if text is not None:
        (tmp_path / NAME).write_text(text)
    with pytest.raises(StudyError, match=message.format(folder=tmp_path, path=tmp_path / NAME)):
        RunCard.read(tmp_path)


def test_a_flipped_bit_is_told_and_an_edit_by_hand_says_what_to_do(tmp_path: Path) -> None:
    CARD.write(tmp_path)
    path = tmp_path / NAME
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"seed": 7', b'"seed": 6'))
    says = rf"^{path}: damaged: its checksum does not fit; take it from a copy, or remove its 'seal' if you"
    with pytest.raises(StudyError, match=says):
        RunCard.read(tmp_path)
    mark = whole.index(b"sealed-sha256:")
    for place in range(0, len(whole), 11):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        if not mark <= place < mark + 14:
            with pytest.raises(StudyError):
                RunCard.read(tmp_path)
    CARD.write(tmp_path)
    assert path.read_bytes() == whole, "a run that goes on writes it again"
    told = json.loads(whole)
    del told["seal"]
    path.write_text(json.dumps({**told, "seed": 6}))
    assert RunCard.read(tmp_path).seed == 6


@pytest.mark.parametrize(
    ("field", "value"), [("versions", 7), ("versions", ["a"]), ("trial", "3"), ("seed", None), ("changes", [1])]
)
def test_a_card_whose_facts_are_of_another_type_says_so(field: str, value: Any, tmp_path: Path) -> None:
    CARD.write(tmp_path)
    held = json.loads((tmp_path / NAME).read_text())
    del held["seal"]  # an edit by hand
    (tmp_path / NAME).write_text(json.dumps({**held, field: value}))
    with pytest.raises(StudyError, match=rf"run\.json: not the card of a run: {field}: should be a valid "):
        RunCard.read(tmp_path)
