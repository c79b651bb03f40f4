"""Images that nobody labelled; how they are decoded and cut: see test_image_files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from dfkd_ray.datasets.unlabelled import unlabelled
from dfkd_ray.util.errors import DataError
from tests.datasets.trees import write_image

IMAGE = (3, 8, 8)


def test_a_folder_counts_however_deep_its_pictures_lie(tmp_path: Path) -> None:
    for level, name in enumerate(("a.png", "b.jpg", "deep/c.png", "deep/er/d.bmp")):
        write_image(tmp_path / name, 10 * level, mode="L")
    (tmp_path / "notes.txt").write_text("none")
    found = unlabelled(tmp_path, IMAGE, 10)
    assert (found.shape, found.dtype) == ((4, *IMAGE), torch.uint8)
    assert found.float().mean((1, 2, 3)).tolist() == pytest.approx([0, 10, 20, 30], abs=1)
    some = unlabelled(tmp_path, IMAGE, 2)
    assert some.float().mean((1, 2, 3)).tolist() == pytest.approx([0, 20], abs=1)
    assert unlabelled(tmp_path, (1, 4, 4), 9).shape == (4, 1, 4, 4)


def test_an_npz_counts_with_and_without_labels_and_splits(tmp_path: Path) -> None:
    images = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((8, 8), np.uint8)
    np.savez(tmp_path / "one.npz", images=images)
    np.savez(tmp_path / "split.npz", train_images=images[:4], train_labels=np.zeros(4), test_images=images[4:])
    for name in ("one.npz", "split.npz"):
        found = unlabelled(tmp_path / name, IMAGE, 10)
        assert found[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
        assert found.shape == (6, *IMAGE)
    assert unlabelled(tmp_path / "one.npz", IMAGE, 3)[:, 0, 0, 0].tolist() == [0, 2, 4]
    assert unlabelled(tmp_path / "one.npz", (3, 6, 4), 3).shape == (3, 3, 6, 4)


def test_damaged_files_are_named_and_left_out(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_image(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"none")
    assert len(unlabelled(tmp_path, IMAGE, 10)) == 1
    assert "b.png" in capfd.readouterr().err


def test_what_holds_no_images_is_named(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    with pytest.raises(DataError, match=r"/photos: there is no picture in this folder$"):
        unlabelled(tmp_path / "photos", IMAGE, 10)
    with pytest.raises(
        DataError, match=r"/photo: there is no such folder of images, or .npz; did you mean 'photos'\?$"
    ):
        unlabelled(tmp_path / "photo", IMAGE, 10)
    bad = tmp_path / "bad.npz"
    for arrays, said in (
        ({"x": np.zeros(3)}, "expected one of images, train_images, val_images, test_images; found x"),
        ({"images": np.zeros((3, 8, 8))}, "images must be uint8 of one shape"),
        ({"images": np.zeros((0, 8, 8), np.uint8)}, "there is no image"),
    ):
        np.savez(bad, **arrays)
        with pytest.raises(DataError, match=said):
            unlabelled(bad, IMAGE, 10)
    bad.write_bytes(b"PK")
    with pytest.raises(DataError, match=r"bad.npz: not an .npz of plain arrays"):
        unlabelled(bad, IMAGE, 10)
