from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dfkd_ray import datasets
from dfkd_ray.datasets.unused import Unused, of_task, unused
from tests.datasets.trees import write_classes, write_image

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Two classes of two, and all that one finds beside them."""
    write_classes(tmp_path, {"a": 2, "b": 2})
    for name in ("stray.png", "b/old/1.png", "__MACOSX/a/._1.png", ".trash/1.png"):
        write_image(tmp_path / name)
    (tmp_path / "empty" / "__MACOSX").mkdir(parents=True)
    for name in (".DS_Store", "a/Thumbs.db", "README.txt", "a/1.heic", "LICENSE"):
        (tmp_path / name).write_bytes(b"no picture")
    return tmp_path


def test_all_that_is_not_used_by_its_kind(photos: Path) -> None:
    found = of_task(datasets.load(f"folder:{photos}@8"))
    assert found.pictures == ["stray.png"]
    assert found.empty == ["empty"]
    assert sorted(found.others) == ["LICENSE", "README.txt", "a/1.heic"]
    assert sorted(found.clutter) == [".DS_Store", ".trash", "__MACOSX", "a/Thumbs.db", "empty/__MACOSX"]
    assert found.deeper == ["b/old"]
    assert [*found.kinds] == [
        "empty folders",
        "no pictures to Pillow (1 LICENSE, 1 .txt, 1 .heic)",
        "skipped",
        "folders within a class's, and of that class",
    ]
    assert str(found) == (
        "1 image in no split; 1 empty folder; 3 files that Pillow cannot open (1 LICENSE, 1 .txt, 1 .heic); "
        ".DS_Store, .trash, Thumbs.db, __MACOSX"
    )


def test_a_folder_that_is_used_whole(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 2, "b": 2})
    found = of_task(datasets.load(f"folder:{tmp_path}@8"))
    assert (str(found), found.kinds, found) == ("", {}, Unused())


def test_a_table_is_used(tmp_path: Path) -> None:
    for name in "abc":
        write_image(tmp_path / f"{name}.png")
    (tmp_path / "t.csv").write_text("file,label\na,x\nb,y\n")
    assert str(of_task(datasets.load(f"folder:{tmp_path}@8"))) == "1 image in no split"


def test_published_sets_are_verified_otherwise(tmp_path: Path) -> None:
    assert of_task(datasets.load("gliders")) == Unused()
    assert unused(tmp_path, set()) == Unused()


def test_links_to_folders_are_used_and_one_that_leads_up_is_named(tmp_path: Path) -> None:
    write_classes(tmp_path / "photos", {"a": 2, "b": 2})
    write_image(tmp_path / "elsewhere" / "old" / "1.png")
    (tmp_path / "photos" / "a" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "photos" / "b" / "up").symlink_to(tmp_path / "photos")
    task = datasets.load(f"folder:{tmp_path / 'photos'}@8")
    assert of_task(task) == Unused(clutter=["b/up"], deeper=["a/more/old"])
    assert sum(len(datasets.split(task, which).labels) for which in ("train", "val", "test")) == 5


def test_of_some_classes_the_images_of_the_others_are_no_mistake(tmp_path: Path) -> None:
    write_classes(tmp_path / "photos", {"a": 2, "b": 2, "c": 2})
    for name in ("a/old/1.png", "c/old/1.png", "stray.png"):
        write_image(tmp_path / "photos" / name)
    (tmp_path / "two.yaml").write_text("of: folder:photos@8\nclasses: [a, b]\n")
    assert of_task(datasets.load(str(tmp_path / "two.yaml"))) == Unused(pictures=["stray.png"], deeper=["a/old"])


def test_an_npz_in_place_of_the_folder_is_used_whole(tmp_path: Path) -> None:
    write_classes(tmp_path / "photos", {"a": 2, "b": 2})
    np.savez(tmp_path / "x.npz", images=np.zeros((2, 8, 8, 3), np.uint8), labels=np.arange(2))
    assert of_task(datasets.load(f"folder:{tmp_path / 'photos'}@8"), tmp_path / "x.npz") == Unused()
