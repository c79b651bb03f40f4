from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray import datasets
from dfkd_ray.datasets import Task
from dfkd_ray.datasets.label_table import Labelled, labels, read
from dfkd_ray.util.errors import DataError
from tests.datasets.trees import every, labelled, write_image

pytestmark = pytest.mark.usefixtures("cache")


def table(root: Path, text: str, name: str = "labels.csv") -> Path:
    (root / name).write_text(text, encoding="utf-8")
    return root / name


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Four images in a folder within."""
    for number, name in enumerate("abcd"):
        write_image(tmp_path / "images" / f"{name}.jpg", 2 * number)
    return tmp_path


@pytest.mark.parametrize(
    "text",
    [
        "id,breed\na,cat\nb,dog\n",
        "file;label\r\nimages/a.jpg;cat\r\nimages/b.jpg;dog\r\n",
        "\ufefflabel\tfile\ncat\t./images/a.jpg\ndog\timages\\b.jpg\n",
        "a.jpg,cat\nb.jpg,dog\n",
        ',Image Name,who,Class\n0,a.jpg,ann,"cat"\n1,/old/place/b.jpg,bo,dog\n\n',
    ],
)
def test_names_and_labels_as_people_write_them(photos: Path, text: str) -> None:
    assert read(table(photos, text)) == [Labelled("images/a.jpg", "cat", None), Labelled("images/b.jpg", "dog", None)]


@pytest.mark.parametrize(
    "text",
    [
        ",filename,label\n0,3.png,a\n1,2.png,b\n",  # as pandas writes it, with its index
        "label,file\n2,3.png\n3,2.png\n",
        "index,label,id\n0,0,3\n1,1,2\n",
        "\u0023,label,path\n1,0,3\n2,1,2\n",
    ],
)
def test_row_numbers_and_labels_are_no_names_where_a_column_has_them(tmp_path: Path, text: str) -> None:
    for number in range(4):
        write_image(tmp_path / f"{number}.png", number)
    rows = read(table(tmp_path, text))
    assert [row.file for row in rows] == ["3.png", "2.png"]


def test_a_path_means_the_picture_that_it_ends_in_and_no_other(tmp_path: Path) -> None:
    for name in ("images/cat/0.png", "images/dog/0.png", "train/7.png"):
        write_image(tmp_path / name)
    for word, file in {
        "cat/0.png": "images/cat/0.png",
        "dog/0": "images/dog/0.png",
        "data/images/dog/0.png": "images/dog/0.png",
        "/old/place/cat/0.png": "images/cat/0.png",
        "/old/place/train/7.png": "train/7.png",
        "C:\\pictures\\7.png": "train/7.png",
        "7": "train/7.png",
    }.items():
        assert [row.file for row in read(table(tmp_path, f"file,label\n{word},x\n"))] == [file]
    for word in ("test/7.png", "/old/test/7.png", "bird/7.png"):
        with pytest.raises(DataError, match=f"labels.csv:3: {word} is no picture here$"):
            read(table(tmp_path, f"file,label\ncat/0.png,x\n{word},x\n"))


def test_a_column_says_the_split(photos: Path) -> None:
    table(photos, "image,label,subset\na,9,Training\nb,10,train\nc,9,valid\nd,10,TEST\n")
    task = datasets.load(f"folder:{photos}@8")
    assert task.classes == ("9", "10"), "numbers by their size"
    assert (task.split, every(task)) == (None, {"train": {0: 0, 2: 1}, "val": {4: 0}, "test": {6: 1}})


def test_a_table_without_splits_is_split(photos: Path) -> None:
    path = table(photos, "image,label\na,x\nb,y\nc,x\nd,y\n")
    task = datasets.load(f"folder:{path}@8")
    assert (task.name, task.split, datasets.load(f"folder:{photos}@8").name) == ("labels", "80/10/10", photos.name)
    assert labelled(datasets.split(task, "train")) | labelled(datasets.split(task, "test")) == {0: 0, 2: 1, 4: 0, 6: 1}


def test_a_table_for_each_split(tmp_path: Path) -> None:
    for level, name in enumerate(("train/1.png", "train/2.png", "val/1.png", "val/2.png")):
        write_image(tmp_path / name, 2 * level)
    for which in ("train", "valid"):
        table(tmp_path, "image,label\n1.png,a\n2.png,b\n", f"{which}.csv")
    task: Task = datasets.load(f"folder:{tmp_path}@8")
    assert labelled(datasets.split(task, "test")) == {4: 0, 6: 1}, "without a test table, that to validate is it"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\nz,cat\n", r"labels.csv: no column names pictures that lie beside it or in folders there$"),
        ("", r"labels.csv: there is no line in it$"),
        ("file,label\na,cat\nz,cat\n", r"labels.csv:3: z is no picture here$"),
        ("file,label\na,cat\na.jpg,cat\n", r"labels.csv:3: a.jpg stands in a line above too$"),
        ("file,label\na,cat\nb\n", r"labels.csv:3: there is no label in this line$"),
        (
            "file,colour,age\na,red,3\n",
            r"which column says the class\? Call it label; the columns are file, colour, age$",
        ),
        ("a,red,3\n", r"which column says the class\? Call it label; the columns are 3, without a line of names$"),
        ("file,label,split\na,cat,holdout\n", r"labels.csv:2: 'holdout' is no split: train, val or test$"),
    ],
)
def test_a_table_that_cannot_be_read(photos: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(table(photos, text))


def test_of_two_pictures_of_a_name_nobody_knows_which(photos: Path) -> None:
    write_image(photos / "more" / "a.jpg")
    with pytest.raises(DataError, match=r"labels.csv:2: a is one of several pictures: images/a.jpg, more/a.jpg$"):
        read(table(photos, "file,label\na,cat\nb,dog\n"))


def test_a_label_that_a_teacher_does_not_know(photos: Path) -> None:
    table(photos, "file,label\na,cat\nb,dog\nc,cat\nd,dog\n")
    task = datasets.load(f"folder:{photos}@8")
    with pytest.raises(DataError, match=r"'dog' is no class of the teacher t; did you mean 'dogs'\?"):
        datasets.as_trained(task, ("cat", "dogs"), None, "the teacher t")
    with pytest.raises(DataError, match=r"labels.csv: 'dog' is no class of .*; did you mean 'dogs'\?"):
        datasets.split(replace(task, classes=("cat", "dogs")), "train")


@given(st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters=',;\t"'), min_size=1)))
def test_labels_are_sorted_and_each_once(names: list[str]) -> None:
    found = labels(Labelled("", name, None) for name in names)
    assert sorted(found) == sorted({*names})
    if all(name.isdecimal() for name in names):
        assert [int(name) for name in found] == sorted(int(name) for name in found)


@given(text=st.text(max_size=200))
def test_any_text_is_a_table_or_a_mistake(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    root = tmp_path_factory.mktemp("any")
    write_image(root / "a.png")
    (root / "t.csv").write_text(text, encoding="utf-8", errors="replace")
    with suppress(DataError):
        assert all(row.file == "a.png" and row.label for row in read(root / "t.csv"))
