"""Which images a network was taught on, and how those that are here are said to be others."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray import datasets, teachers
from dfkd_ray.datasets import Task
from dfkd_ray.datasets.identity import of_split
from dfkd_ray.teachers.seen import seen_by, unlike
from dfkd_ray.util.errors import DataError
from tests.datasets.trees import write_classes, write_image


def photos(root: Path, start: int = 0) -> Path:
    for which, count in {"train": 6, "test": 2}.items():
        list(write_classes(root / which, {"cat": count, "dog": count}, start=start))
    return root


def of(root: Path) -> Task:
    return datasets.load(f"folder:{root}@16")


def test_a_card_says_which_images_they_were(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    said = seen_by(of(root))
    assert said["folder"] == str(root)
    found = {which: of_split(of(root), which) for which in ("train", "val", "test")}
    assert said["images"] == {which: identity.plain for which, identity in found.items() if identity is not None}
    assert seen_by(datasets.load("gliders")) == {}
    task = of(root)
    shutil.rmtree(root)
    assert seen_by(task) == {}


def test_the_same_images_may_have_moved(tmp_path: Path) -> None:
    first = photos(tmp_path / "a" / "photos")
    card = seen_by(of(first))
    moved = Path(shutil.copytree(first, tmp_path / "b"))
    assert unlike(card, seen_by(of(moved))) is None
    assert unlike({}, seen_by(of(moved))) is None
    assert unlike(card, {}) is None


def test_another_folder_and_changed_images_are_said_with_both_digests(tmp_path: Path) -> None:
    first, second = photos(tmp_path / "a" / "photos"), photos(tmp_path / "b" / "photos", start=60)
    card, other = seen_by(of(first)), seen_by(of(second))
    one, two = (f"{each['images']['train']['bytes']:,} bytes, digest {digest(each)}" for each in (card, other))
    assert unlike(card, other) == (
        f"was taught on the images of {first}, not on those of {second} "
        f"(train: 11 files, {one} there, 11 files, {two} here)"
    )
    write_image(first / "train" / "cat" / "new.jpg", 99)
    now = seen_by(of(first))
    two = f"12 files, {now['images']['train']['bytes']:,} bytes, digest {digest(now)}"
    assert unlike(card, now) == (
        f"was taught before the images of {first} changed (train: 11 files, {one} then, {two} now)"
    )


def digest(said: dict[str, Any]) -> str:
    return str(said["images"]["train"]["digest"][:12])


def test_where_there_is_nothing_to_train_with_the_folder_tells(tmp_path: Path) -> None:
    first, second = photos(tmp_path / "a" / "photos"), photos(tmp_path / "b" / "photos")
    card = seen_by(of(first))
    for root in (first, second):
        shutil.rmtree(root / "train")
    assert unlike(card, seen_by(of(first))) is None
    assert str(unlike(card, seen_by(of(second)))).endswith(" there, none here)")


def test_teach_hands_over_no_teacher_of_other_images(tmp_path: Path, cache: Path) -> None:
    first, second, out = photos(tmp_path / "a" / "photos"), photos(tmp_path / "b" / "photos", 60), tmp_path / "t"
    out = out.with_suffix(".safetensors")
    recipe = datasets.TeachRecipe(epochs=1, batch=4, lr=0.01)
    card = teachers.teach(of(first), "resnet8", out=out, recipe=recipe)
    assert card["images"] == seen_by(of(first))["images"]
    assert teachers.teach(of(first), "resnet8", out=out, recipe=recipe) == card
    with pytest.raises(DataError, match=rf"^{out} was taught on the images of {first}, not .* --fresh trains another"):
        teachers.teach(of(second), "resnet8", out=out, recipe=recipe)
    write_image(first / "test" / "dog" / "new.jpg", 99)
    with pytest.raises(DataError, match=rf"^{out} was taught before the images of {first} changed \(test: 4 files"):
        teachers.teach(of(first), "resnet8", out=out, recipe=recipe)
    assert teachers.teach(of(first), "resnet8", out=out, recipe=recipe, fresh=True)["images"]["test"]["files"] == 5
