from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from dfkd_ray import datasets, teachers
from dfkd_ray.datasets import Task, TeacherRef, spoken
from dfkd_ray.nets import build
from dfkd_ray.nets.digest import digest
from dfkd_ray.teachers.lookup import teacher_file, teacher_folders, teachers_in
from dfkd_ray.teachers.seen import seen_by
from dfkd_ray.teachers.weights import read_weights
from dfkd_ray.util.errors import DataError
from tests.datasets.trees import write_classes, write_image


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The three folders where teachers are looked for, all of them empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DFKD_RAY_TEACHERS", str(tmp_path / "named"))
    monkeypatch.setenv("DFKD_RAY_DATA", str(tmp_path / "data"))
    folders = [tmp_path / "teachers", tmp_path / "named", tmp_path / "data" / "teachers"]
    for folder in folders:
        folder.mkdir(parents=True)
    return folders


def put(place: Path, name: str = "small_resnet8", /, **card: Any) -> Path:
    """A teacher of the task `small`; its card may say more, or something else."""
    path = place / f"{name}.safetensors"
    save_file(build("resnet8", 2).state_dict(), path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    said = {"task": "small", "arch": "resnet8", "classes": 2, "file": path.name, "sha256": sha256} | card
    path.with_suffix(".json").write_text(json.dumps(said))
    return path


def test_where_teachers_are_looked_for(places: list[Path], monkeypatch: pytest.MonkeyPatch):
    assert [folder.resolve() for folder in teacher_folders()] == places
    monkeypatch.delenv("DFKD_RAY_TEACHERS")
    assert [folder.resolve() for folder in teacher_folders()] == [places[0], places[2]]


def test_the_first_folder_that_has_one_wins(small: Task, places: list[Path]):
    assert teachers.find_teacher(small, "resnet8") is None
    for folder in reversed(places):
        path = put(folder)
        chosen = teachers.find_teacher(small, "resnet8")
        assert chosen is not None
        assert chosen.resolve() == path
    assert teachers.find_teacher(small, "resnet20") is None
    assert teachers.find_teacher(replace(small, name="large"), "resnet8") is None


def test_of_several_it_is_the_one_that_teach_names_so(small: Task, places: list[Path]):
    put(places[0], "b")
    put(places[0], "a")
    assert teachers.find_teacher(small, "resnet8") == Path("teachers/a.safetensors")
    put(places[0])
    assert teachers.find_teacher(small, "resnet8") == Path("teachers/small_resnet8.safetensors")


@pytest.mark.parametrize(
    ("task", "arch", "name"),
    [
        ("cub200", "resnet34", "cub200_resnet34.safetensors"),
        ("my birds", "timm:resnet18.a1_in1k", "my_birds_timm_resnet18.a1_in1k.safetensors"),
        ("../x", "a/b", ".._x_a_b.safetensors"),
    ],
)
def test_the_name_of_a_teachers_file(task: str, arch: str, name: str):
    assert teacher_file(task, arch) == name


def test_what_is_wrong_is_said_and_never_taken(small: Task, places: list[Path]):
    folder = places[0]
    put(folder, "whole")
    put(folder, "lost").unlink()
    put(folder, "torn").with_suffix(".json").write_text("{")
    put(folder, "nameless").with_suffix(".json").unlink()
    (folder / "notes.json").write_text('{"arch": "of the building"}')
    (folder / "list.json").write_text("[]")
    said = {each.weights.name: each.problem for each in teachers_in(folder)}
    assert said.pop("torn.safetensors").startswith(f"{folder / 'torn.json'}: the card of torn.safetensors cannot be")
    assert said == {
        "whole.safetensors": "",
        "lost.safetensors": f"{folder / 'lost.safetensors'}: the weights of lost.json are missing",
        "nameless.safetensors": f"{folder / 'nameless.safetensors'}: no card says what it is",
    }
    assert teachers.find_teacher(small, "resnet8") == Path("teachers/whole.safetensors")
    assert list(teachers_in(folder / "nowhere")) == []


def test_a_check_tells_weights_that_are_not_their_cards(places: list[Path]):
    path = put(places[0])
    (one,) = teachers_in(places[0])
    assert one.checked().problem == ""
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert one.checked().problem.startswith(f"{path}: damaged, or not the file of its card: sha256 ")
    path.unlink()
    (one,) = teachers_in(places[0])
    assert one.checked().problem == f"{path}: the weights of small_resnet8.json are missing"


def test_a_task_takes_what_is_given_else_its_own_else_the_one_found(small: Task, places: list[Path]):
    there = put(places[1], normalise={"mean": [0.1] * 3, "std": [0.2] * 3}, accuracy={"test": 0.75})
    given = put(places[0], "given", task="another")
    assert teachers.with_teacher(small).teacher == TeacherRef("resnet8", str(there), 0.75)
    assert teachers.with_teacher(small).mean == (0.1, 0.1, 0.1)
    assert teachers.with_teacher(small, given).teacher == TeacherRef("resnet8", str(given))
    assert teachers.with_teacher(small, arch="resnet20") == small, "none is found of that net"
    own = replace(small, teacher=TeacherRef("resnet8", "own.safetensors"))
    assert teachers.with_teacher(own) == own
    with pytest.raises(DataError, match=r"teachers ls` finds none of that net: give --weights FILE"):
        teachers.teacher(teachers.with_teacher(small, arch="resnet20"), "resnet20")


def test_a_teacher_that_is_found_and_does_not_fit_is_an_error(small: Task, places: list[Path]):
    put(places[0], classes=7)
    with pytest.raises(DataError, match=r"small_resnet8.safetensors: a teacher of 7 classes does not fit the 2 of"):
        teachers.with_teacher(small)


@pytest.fixture
def photos(tmp_path: Path) -> list[Task]:
    """The tasks of two folders that are both called photos, and hold other images."""
    found = []
    for site, start in (("siteA", 0), ("siteB", 60)):
        for which in ("train", "test"):
            list(write_classes(tmp_path / site / "photos" / which, {"left": 4, "right": 4}, start=start))
        found.append(datasets.load(f"folder:{tmp_path / site / 'photos'}@16"))
    return found


def test_a_folder_takes_no_teacher_of_another_one_with_its_name(
    photos: list[Task], places: list[Path], capfd: pytest.CaptureFixture[str]
):
    first, second = photos
    name = teacher_file(first.slug, "resnet8").removesuffix(".safetensors")
    of_first = put(places[1], name, task="photos", **seen_by(first))
    assert teachers.find_teacher(first, "resnet8") == of_first
    assert capfd.readouterr().err == ""
    assert teachers.find_teacher(second, "resnet8") is None
    said = capfd.readouterr().err
    assert said.startswith(
        f"warning: {of_first} is not taken: it was taught on the images of {first.data}, not on those"
    )
    assert said.endswith(f"; `dfkd-ray teach {spoken(second)} --arch resnet8` trains one\n")
    of_second = put(places[1], "b", task="photos", **seen_by(second))
    assert teachers.find_teacher(second, "resnet8") == of_second
    assert teachers.find_teacher(first, "resnet8") == of_first
    assert capfd.readouterr().err == "", "what is not taken is of no interest where there is another"


def test_a_teacher_of_the_folder_before_it_grew_is_taken_with_a_word(
    photos: list[Task], places: list[Path], capfd: pytest.CaptureFixture[str]
):
    first, _ = photos
    path = put(places[0], task="photos", **seen_by(first))
    write_image(Path(str(first.data)) / "train" / "left" / "new.jpg", 99)
    for _ in range(2):
        found = teachers.find_teacher(first, "resnet8")
        assert found is not None
        assert found.resolve() == path
    (said,) = capfd.readouterr().err.splitlines()
    assert said.startswith(f"warning: {found} was taught before the images of {first.data} changed (train: 7 files, ")
    assert said.endswith(f"; `dfkd-ray teach {spoken(first)} --arch resnet8 --fresh` trains it anew")
    current = put(places[0], "z", task="photos", **seen_by(first))
    found = teachers.find_teacher(first, "resnet8")
    assert found is not None
    assert found.resolve() == current


def test_a_teacher_by_another_split_is_not_overwritten_by_the_command_that_is_named(
    tmp_path: Path, places: list[Path], capfd: pytest.CaptureFixture[str]
):
    list(write_classes(tmp_path / "whole", {"left": 20, "right": 20}))
    task = datasets.load(f"folder:{tmp_path / 'whole'}@16")
    usual = teacher_file(task.slug, "resnet8").removesuffix(".safetensors")
    put(places[0], usual, **{"task": "whole"} | seen_by(task))
    other = replace(task, split="70/15/15")
    again = f"dfkd-ray teach {spoken(other)} --arch resnet8 --out teachers/{usual}"
    for number in (2, 3):
        assert teachers.find_teacher(other, "resnet8") is None
        said = capfd.readouterr().err
        assert said.splitlines()[0] == (
            f"warning: teachers/{usual}.safetensors is not taken: it was taught on the images of {task.data} by the "
            f"split 80/10/10, not by 70/15/15; `{again}_{number}.safetensors` trains one"
        )
        put(places[0], f"{usual}_{number}", **{"task": "whole"} | seen_by(task))
    put(places[0], f"{usual}_4", **{"task": "whole"} | seen_by(other))
    assert teachers.find_teacher(other, "resnet8") == Path(f"teachers/{usual}_4.safetensors")


def test_a_card_that_says_nothing_of_its_images_is_no_folders(
    photos: list[Task], small: Task, places: list[Path], capfd: pytest.CaptureFixture[str]
):
    path = put(places[1], task="photos")
    assert teachers.find_teacher(photos[0], "resnet8") is None
    assert capfd.readouterr().err.startswith(f"warning: {path} is not taken: its card does not say which images it has")
    own = put(places[1], "own")
    assert teachers.find_teacher(replace(small, data=str(places[2])), "resnet8") == own


def test_of_several_with_one_name_a_digest_tells(places: list[Path]):
    paths = [put(places[1], name, task="photos") for name in ("a", "b")]
    held = [digest(read_weights(path)) for path in paths]
    assert [teachers.find_by_digest("photos", "resnet8", each) for each in held] == paths
    assert teachers.find_by_digest("photos", "resnet8", "another") is None
    assert teachers.find_by_digest("photos", "resnet20", held[0]) is None


def test_the_digest_is_that_of_the_net_whatever_names_its_file_has(places: list[Path]):
    net = build("resnet8_b", 2)
    theirs = {name.replace("shortcut", "downsample").replace("linear", "fc"): v for name, v in net.state_dict().items()}
    path = places[1] / "theirs.pt"
    torch.save(theirs, path)
    said = {"task": "photos", "arch": "resnet8_b", "classes": 2, "image": [3, 32, 32]}
    path.with_suffix(".json").write_text(json.dumps(said))
    assert teachers.find_by_digest("photos", "resnet8_b", digest(net.state_dict())) == path
    path.with_suffix(".json").write_text(json.dumps({**said, "classes": 3}))
    assert teachers.find_by_digest("photos", "resnet8_b", digest(net.state_dict())) is None, "it does not fit its card"
