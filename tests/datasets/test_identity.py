"""Which images and which task it is, against digests that are written out again by hand."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfkd_ray import datasets
from dfkd_ray.datasets import Task, identity
from dfkd_ray.datasets.identity import Identity, definition, of_files, of_folder, of_split, of_task
from dfkd_ray.datasets.readers import NoSplit
from dfkd_ray.util.errors import DataError
from tests.datasets.trees import write_classes, write_image


def by_hand(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()[:16]


def test_it_is_names_and_sizes_then_contents(tmp_path: Path) -> None:
    (tmp_path / "b").write_bytes(b"xyz")
    (tmp_path / "a").write_bytes(b"")
    found = of_files({"two": tmp_path / "b", "one": tmp_path / "a"})
    assert found == Identity(2, 3, by_hand(b"one\x000\n", b"two\x003\n", b"xyz"), sampled=False)
    assert str(found) == "2 files, 3 bytes"
    assert found.plain == {"files": 2, "bytes": 3, "digest": found.digest, "sampled": False}
    assert str(Identity(1, 5_000, "d", sampled=True)) == "1 file, 5,000 bytes, contents sampled"


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=12), piece=st.integers(1, 4), pieces=st.integers(1, 8))
def test_a_sample_is_spread_evenly_over_all_bytes(
    sizes: list[int], piece: int, pieces: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, whole, owner = tmp_path_factory.mktemp("sampled"), b"", []
    for number, size in enumerate(sizes):
        content = bytes((7 * len(whole) + i) % 251 for i in range(size))
        (folder / f"{number:02}").write_bytes(content)
        whole, owner = whole + content, owner + [number] * size
    told = [f"{number:02}\0{size}\n".encode() for number, size in enumerate(sizes)]
    seen: dict[tuple[int, int], bytes] = {}
    for number in range(pieces):
        at = number * len(whole) // pieces
        if not whole:
            break
        file = owner[at]
        first, size = owner.index(file), sizes[file]
        start = max(0, min(at - first, size - piece))
        seen[file, start] = whole[first + start : first + min(size, start + piece)]
    sampled = len(sizes) > pieces or len(whole) > piece * pieces
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity, "PIECE", piece)
        patch.setattr(identity, "PIECES", pieces)
        found = of_folder(folder)
    expected = by_hand(*told, *seen.values()) if sampled else by_hand(*told, whole)
    assert found == Identity(len(sizes), len(whole), expected, sampled)


def photos(root: Path, start: int = 0) -> Path:
    for which, count in {"train": 8, "test": 3}.items():
        list(write_classes(root / which, {"cat": count, "dog": count}, start=start))
    return root


def split(root: Path, which: datasets.SplitName = "train") -> Identity:
    found = of_split(datasets.load(f"folder:{root}@32"), which)
    assert found is not None
    return found


def test_a_folder_is_known_by_its_images_wherever_they_lie(tmp_path: Path) -> None:
    first = photos(tmp_path / "a" / "photos")
    moved = Path(shutil.copytree(first, tmp_path / "b" / "pictures"))
    assert split(first) == split(moved)
    assert split(first).files == 14, "two of sixteen are set aside for validation"
    assert split(first).digest != split(photos(tmp_path / "c" / "photos", start=40)).digest
    before, test = split(moved), split(moved, "test")
    (moved / "train" / "cat" / "image_0001.jpg").rename(moved / "train" / "dog" / "image_0009.jpg")
    assert split(moved).digest != before.digest
    assert split(moved, "test") == test
    write_image(moved / "test" / "cat" / "image_0004.jpg", 9)
    assert split(moved, "test").files == test.files + 1


def test_one_changed_byte_is_seen_though_size_and_times_are_the_same(tmp_path: Path) -> None:
    root = photos(tmp_path / "photos")
    before, file = split(root, "test"), root / "test" / "cat" / "image_0001.jpg"
    kept = file.stat()
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    os.utime(file, ns=(kept.st_atime_ns, kept.st_mtime_ns))
    assert split(root, "test").digest != before.digest


def test_an_npz_is_known_by_its_bytes_and_not_by_its_name(small: Task, tmp_path: Path) -> None:
    images, labels = np.zeros((8, 8, 8, 3), "uint8"), np.arange(8) % 2
    np.savez(tmp_path / "a.npz", images=images, labels=labels)
    shutil.copy(tmp_path / "a.npz", tmp_path / "b.npz")
    first = of_split(small, "test", tmp_path / "a.npz")
    assert first is not None
    assert (first, first.files) == (of_split(small, "val", tmp_path / "b.npz"), 1)
    np.savez(tmp_path / "b.npz", images=images, labels=1 - labels)
    assert first != of_split(small, "test", tmp_path / "b.npz")


def test_what_is_drawn_needs_no_identity_and_what_is_not_there_is_said(tmp_path: Path) -> None:
    assert of_split(datasets.load("gliders"), "test") is None
    list(write_classes(tmp_path / "photos" / "test", {"cat": 2, "dog": 2}))
    with pytest.raises(NoSplit):
        of_split(datasets.load(f"folder:{tmp_path / 'photos'}"), "train")
    with pytest.raises(DataError, match=r"gone.jpg: cannot be read: No such file"):
        of_files({"gone": tmp_path / "gone.jpg"})


def test_a_task_is_what_decides_results() -> None:
    task = datasets.load("gliders")
    same = {"data": "/elsewhere", "normalised_by": "a card", "origin": None, "recipe": datasets.TeachRecipe(epochs=1)}
    same |= {"teacher": replace(task.teacher, weights="/other.pt", test_accuracy=0.5)}
    assert of_task(replace(task, **same)) == of_task(task)
    others = {"mean": (0.1,) * 3, "crop": 0.5, "name": "mine", "hold_out": datasets.HoldOut(test=1), "student": "wrn"}
    others |= {"teacher": replace(task.teacher, arch="resnet20"), "classes": task.classes[::-1]}
    found = {name: of_task(replace(task, **{name: value})) for name, value in others.items()}
    assert len({of_task(task), *found.values()}) == len(others) + 1
    assert definition(task)["teacher"] == "resnet8"
