from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dfkd_ray import datasets
from dfkd_ray.datasets import HoldOut, Task
from dfkd_ray.datasets.readers import NoSplit, balanced
from dfkd_ray.util.errors import DataError, UnknownName


def images(count: int, *shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), dtype=np.uint8)


def labels(count: int) -> np.ndarray:
    return np.arange(count) % 2


def npz(folder: Path, **arrays: np.ndarray) -> Path:
    path = folder / "data.npz"
    np.savez_compressed(path, **arrays)
    return path


def test_a_test_file_lends_its_first_images_for_validation(small: Task, tmp_path: Path):
    x, y = images(10, 8, 8, 3), labels(10)
    data = npz(tmp_path, images=x, labels=y, exact=np.ones(10, bool))
    val, test = datasets.split(small, "val", data), datasets.split(small, "test", data)
    np.testing.assert_array_equal(val.images.permute(0, 2, 3, 1), x[:3])  # hold_out.test = 3
    np.testing.assert_array_equal(test.images.permute(0, 2, 3, 1), x[3:])
    assert (val.labels.tolist(), test.labels.dtype, val.images.dtype) == ([0, 1, 0], torch.int64, torch.uint8)
    with pytest.raises(DataError, match=r"data.npz, train: there is no such split .*\(there is: test\)"):
        datasets.split(small, "train", data)


def test_a_training_split_lends_its_last_images(small: Task, tmp_path: Path):
    x, t = images(10, 8, 8, 3), images(5, 8, 8, 3, seed=1)
    data = npz(tmp_path, train_images=x, train_labels=labels(10), test_images=t, test_labels=labels(5))
    got = {which: datasets.split(small, which, data).images.permute(0, 2, 3, 1).numpy() for which in ("train", "val")}
    np.testing.assert_array_equal(got["train"], x[:6])  # hold_out.train = 4
    np.testing.assert_array_equal(got["val"], x[6:])
    assert len(datasets.split(small, "test", data).labels) == 5


def test_a_share_is_lent(small: Task, tmp_path: Path):
    data = npz(tmp_path, train_images=images(10, 8, 8, 3), train_labels=labels(10))
    task = replace(small, hold_out=HoldOut(train=0.3))
    assert [len(datasets.split(task, which, data).labels) for which in ("train", "val")] == [7, 3]  # type: ignore[arg-type]


def test_a_test_split_that_lends_nothing_is_whole(small: Task, tmp_path: Path):
    data, task = npz(tmp_path, images=images(10, 8, 8, 3), labels=labels(10)), replace(small, hold_out=HoldOut(test=0))
    assert len(datasets.split(task, "test", data).labels) == 10
    with pytest.raises(NoSplit, match=r"val: there is no such split .*\(there is: test\)"):
        datasets.split(task, "val", data)


def test_a_validation_split_of_its_own_is_taken(small: Task, tmp_path: Path):
    parts = {f"{which}_images": images(6, 8, 8, 3, seed=i) for i, which in enumerate(("train", "val", "test"))}
    data = npz(tmp_path, **parts, **{key.replace("images", "labels"): labels(6) for key in parts})
    for which in ("train", "val", "test"):
        part = datasets.split(small, which, data)  # type: ignore[arg-type]
        np.testing.assert_array_equal(part.images.permute(0, 2, 3, 1), parts[f"{which}_images"])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": images(9, 8, 8, 3)}, "there is images but no labels"),
        ({"val_images": images(9, 8, 8, 3)}, "there is val_images but no val_labels"),
        ({"x": images(9, 8, 8, 3)}, "expected 'images' and 'labels'.*found x"),
        ({"images": images(9, 8, 8, 3) / 255, "labels": labels(9)}, "must be uint8 .* got float64"),
        ({"images": images(9, 8), "labels": labels(9)}, r"must be uint8 of shape .* got uint8 \(6, 8\)"),
        ({"images": images(9, 8, 8, 3), "labels": labels(9) + 0.5}, "6 integers, got float64"),
        (
            {"images": images(9, 8, 8, 3), "labels": labels(9) + 1},
            r"labels 1..2 do not fit the 2 classes of small \(0 is the first: they seem to start at 1, take 1 off\)",
        ),
        ({"images": images(9, 8, 8, 3), "labels": labels(9) + 2}, r"labels 2..3 do not fit the 2 classes of small$"),
        ({"images": images(9, 8, 8, 2), "labels": labels(9)}, "2 channels where small has 3"),
        (
            {"train_images": images(4, 8, 8, 3), "train_labels": labels(4)},
            r"4 train images, but hold_out of small sets 4 aside; --hold-out 0.2 takes a share of them",
        ),
        (
            {"images": images(9, 8, 8, 3), "labels": np.zeros((9, 14), int)},
            r"labels must be 6 integers, got .* \(6, 14\)",
        ),
        ({"images": np.array([None] * 9), "labels": labels(9)}, "damaged"),
    ],
)
def test_a_file_that_does_not_fit(small: Task, tmp_path: Path, arrays: dict[str, np.ndarray], message: str):
    data = npz(tmp_path, **arrays)
    with pytest.raises(DataError, match=message) as caught:
        datasets.split(small, "test" if "images" in arrays else "val", data)
    assert str(data) in str(caught.value)


def test_of_few_test_images_none_are_lent(small: Task, tmp_path: Path):
    data = npz(tmp_path, images=images(3, 8, 8, 3), labels=labels(3))
    assert len(datasets.split(small, "test", data).labels) == 3
    with pytest.raises(
        NoSplit, match=r"3 test images, but hold_out of small sets 3 aside; --hold-out 0.2 takes a share"
    ):
        datasets.split(small, "val", data)
    third = replace(small, hold_out=HoldOut(test=0.34))
    assert [len(datasets.split(third, which, data).labels) for which in ("val", "test")] == [1, 2]


def test_labels_in_a_column_are_labels(small: Task, tmp_path: Path):
    data = npz(tmp_path, images=images(9, 8, 8, 3), labels=labels(9)[:, None])
    assert datasets.split(small, "test", data).labels.tolist() == labels(9)[3:].tolist()


def test_some_classes_of_a_set_are_numbered_anew(small: Task, tmp_path: Path):
    rows, numbers = images(9, 8, 8, 3), np.arange(9) % 3
    data = npz(tmp_path, images=rows, labels=numbers)
    some = replace(small, classes=("right", "left"), among=("left", "middle", "right"), hold_out=HoldOut(test=0))
    part = datasets.split(some, "test", data)
    assert part.labels.tolist() == [1, 0, 1, 0, 1, 0]
    np.testing.assert_array_equal(part.images.permute(0, 2, 3, 1), rows[numbers != 1])


def test_a_file_that_is_not_there_or_not_an_npz(small: Task, tmp_path: Path):
    with pytest.raises(DataError, match="no such file"):
        datasets.split(small, "test", tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_text("not a zip")
    with pytest.raises(DataError, match=r"bad.npz: not an .npz of plain arrays"):
        datasets.split(small, "test", tmp_path / "bad.npz")
    with pytest.raises(DataError, match=r"give --data FILE.npz"):
        datasets.split(small, "test")


def test_unknown_split_and_reader(small: Task, tmp_path: Path):
    with pytest.raises(ValueError, match="train, val, test"):
        datasets.split(small, "valid")  # type: ignore[arg-type]
    with pytest.raises(UnknownName, match="did you mean 'gliders'"):
        datasets.split(replace(small, reader="glider"), "test")


def test_grey_is_repeated_and_padded_or_resized(small: Task, tmp_path: Path):
    x = images(5, 6, 4)
    data = npz(tmp_path, images=x, labels=labels(5))
    padded = datasets.split(replace(small, fit="pad"), "test", data).images
    assert padded.shape == (2, 3, 8, 8)
    np.testing.assert_array_equal(padded[:, 1, 1:7, 2:6], x[3:])  # in the middle, in every channel
    assert padded.sum() == 3 * x[3:].sum(dtype=int)  # the border is black
    resized = datasets.split(small, "test", data).images
    assert resized.shape == (2, 3, 8, 8)
    assert resized.float().mean().item() == pytest.approx(x[3:].mean(), rel=0.1)


def test_a_constant_image_stays_constant_when_resized(small: Task, tmp_path: Path):
    data = npz(tmp_path, images=np.full((5, 5, 5), 77, np.uint8), labels=labels(5))
    assert datasets.split(small, "test", data).images.unique().tolist() == [77]


@pytest.mark.parametrize("sizes", [[7, 7, 7], [100, 40, 3], [1, 50], [30]])
def test_every_beginning_and_every_end_of_a_balanced_order_holds_the_classes_by_their_shares(sizes: list[int]):
    y = np.random.default_rng(1).permutation(np.repeat(np.arange(len(sizes)), sizes))
    order = balanced(y)
    assert sorted(order) == list(range(len(y)))
    for cut in range(len(y) + 1):
        share = cut * np.array(sizes) / len(y)
        assert np.abs(np.bincount(y[order[:cut]], minlength=len(sizes)) - share).max() <= 1


def test_a_balanced_order_is_drawn_with_its_seed():
    y = np.repeat(np.arange(3), 10)
    np.testing.assert_array_equal(balanced(y, seed=4), balanced(y, seed=4))
    assert (balanced(y, seed=4) != balanced(y, seed=5)).any()
    within = balanced(y)[y[balanced(y)] == 0]
    assert within.tolist() != sorted(within)
