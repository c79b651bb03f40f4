from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision import transforms
from torchvision.transforms import functional

from dfkd_ray import datasets
from dfkd_ray.datasets import HoldOut, Task, TeachRecipe, image_files
from dfkd_ray.datasets.training import _AUGMENTS, _CROPS, _resized_crop
from dfkd_ray.util.errors import DataError
from tests.datasets.trees import truncate, write_image, write_noise

SIZES = [(30, 20), (20, 30), (16, 16), (40, 17), (11, 13), (25, 25)]  # width, height


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def arrays(small: Task, tmp_path: Path) -> Callable[..., datasets.Training]:
    """Ten images of noise in an .npz, six of them for training, drawn by some augmentation."""

    def made(augment: str, shape: tuple[int, ...] = (8, 8, 3), **changes: object) -> datasets.Training:
        images = np.random.default_rng(0).integers(1, 256, (10, *shape), dtype=np.uint8)
        np.savez(tmp_path / "a.npz", train_images=images, train_labels=np.arange(10) % 2)
        task = replace(small, recipe=TeachRecipe(augment=augment), **changes)  # type: ignore[arg-type]
        return datasets.training(task, tmp_path / "a.npz")

    return made


@pytest.fixture
def photos(small: Task, cache: Path, tmp_path: Path) -> Task:
    """Twelve photographs of noise in `train/`, in a task of 14 pixels whose images are made 16 pixels high or wide."""
    for folder in ("left", "right"):
        for number, size in enumerate(SIZES):
            write_noise(tmp_path / "train" / folder / f"{number}.png", size, seed=number + 10 * (folder == "right"))
    task = replace(small, reader="folders", image=(3, 14, 14), crop=0.875, hold_out=HoldOut(train=2))
    return replace(task, recipe=TeachRecipe(augment="random_crop_flip"))


def files_of(task: Task, data: Path) -> list[np.ndarray]:
    """The training images in the order of the split, resized as torchvision does it, found by their centres."""
    resize, centre = transforms.Resize(round(task.image[1] / task.crop)), transforms.CenterCrop(task.image[1])
    whole = [resize(Image.open(path).convert("RGB")) for path in sorted(data.rglob("*.png"))]
    by_centre = {np.asarray(centre(image)).tobytes(): np.asarray(image) for image in whole}
    split = datasets.split(task, "train", data)
    return [by_centre[image.permute(1, 2, 0).numpy().tobytes()] for image in split.images]


def test_every_augmentation_that_a_recipe_may_name_is_there():
    assert {*get_args(get_type_hints(TeachRecipe)["augment"])} == _AUGMENTS.keys() | _CROPS.keys()


@pytest.mark.parametrize("augment", [*_AUGMENTS, *_CROPS])
def test_the_same_rows_and_the_same_generator_make_the_same_bits(
    arrays: Callable[..., datasets.Training], augment: str
):
    training, index = arrays(augment), torch.tensor([5, 0, 0, 3])
    assert training.labels.tolist() == [0, 1, 0, 1, 0, 1]
    drawn = training.draw(index, seeded(1))
    assert (drawn.shape, drawn.dtype) == ((4, 3, 8, 8), torch.uint8)
    assert torch.equal(drawn, training.draw(index, seeded(1)))
    rng = seeded(1)
    several = [training.draw(index, rng) for _ in range(8)]
    assert torch.equal(several[0], drawn)
    assert any(not torch.equal(drawn, other) for other in several) == (augment != "none")


def test_without_an_augmentation_the_images_are_those_of_the_split(
    arrays: Callable[..., datasets.Training], small: Task, tmp_path: Path
):
    drawn = arrays("none").draw(torch.tensor([4, 1]), seeded())
    assert torch.equal(drawn, datasets.split(small, "train", tmp_path / "a.npz").images[[4, 1]])


def test_flips_and_turns_move_pixels_and_invent_none():
    images, rng = torch.arange(96).view(2, 3, 4, 4).to(torch.uint8), seeded()
    turned = torch.stack([images.rot90(k, (2, 3)) for k in range(4)])
    allowed, seen = torch.cat([turned, turned.flip(4)]), set()
    for _ in range(60):
        out = _AUGMENTS["dihedral"](images, rng)
        hits = [i for i in range(8) if torch.equal(allowed[i, 0], out[0])]
        assert len(hits) == 1
        seen.update(hits)
        flipped = _AUGMENTS["flip"](images, rng)
        assert all(any(torch.equal(a, b) for b in (c, c.flip(2))) for a, c in zip(flipped, images))
    assert len(seen) == 8


def test_a_crop_out_of_a_border_is_a_shifted_image():
    images = torch.randint(1, 256, (3, 1, 6, 6), dtype=torch.uint8, generator=seeded(1))
    padded = torch.nn.functional.pad(images, (4,) * 4)
    shifts = {(i, j): padded[:, :, i : i + 6, j : j + 6] for i in range(9) for j in range(9)}
    rng, seen = seeded(), set()
    for _ in range(60):
        for n, out in enumerate(_AUGMENTS["crop_flip"](images, rng)):
            hits = {k for k, s in shifts.items() if any(torch.equal(s[n], way) for way in (out, out.flip(2)))}
            assert hits
            seen |= hits
    assert len(seen) > 60


def places(image: np.ndarray, whole: np.ndarray) -> list[tuple[int, int, bool]]:
    """Where `image` stands in `whole`, as it is or mirrored."""
    h, w = image.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(whole, (h, w, 3))[:, :, 0]
    ways = {False: image, True: image[:, ::-1]}
    return [(int(y), int(x), m) for m, way in ways.items() for y, x in np.argwhere((windows == way).all((2, 3, 4)))]


def test_a_random_crop_of_a_file_is_a_window_of_it_resized_anywhere(photos: Task, tmp_path: Path):
    training, whole = datasets.training(photos, tmp_path), files_of(photos, tmp_path)
    index, rng = torch.arange(len(whole)), seeded()
    seen: dict[int, set[tuple[int, int, bool]]] = {row: set() for row in range(len(whole))}
    for _ in range(150):
        for row, image in enumerate(training.draw(index, rng)):
            found = places(image.permute(1, 2, 0).numpy(), whole[row])
            assert len(found) == 1
            seen[row].update(found)
    for row, image in enumerate(whole):
        corners = {(y, x) for y, x, _ in seen[row]}
        assert {y for y, _ in corners} == set(range(image.shape[0] - 13)), "from the top to the bottom"
        assert {x for _, x in corners} == set(range(image.shape[1] - 13))
        assert {mirrored for *_, mirrored in seen[row]} == {False, True}
    assert training.labels.tolist() == datasets.split(photos, "train", tmp_path).labels.tolist()


def test_a_resized_crop_is_torchvisions_of_the_same_box(photos: Task, tmp_path: Path):
    task = replace(photos, recipe=TeachRecipe(augment="resized_crop_flip"))
    training, whole = datasets.training(task, tmp_path), files_of(task, tmp_path)
    index = torch.tensor([3, 0, 9, 3, 5])
    drawn, rng = training.draw(index, seeded(7)), seeded(7)
    boxes = _resized_crop(torch.tensor([whole[row].shape[:2] for row in index]), 14, rng)
    mirrored = torch.rand(5, generator=rng) < 0.5
    assert mirrored.any()
    for image, row, (left, top, right, bottom), mirror in zip(drawn, index, boxes.tolist(), mirrored):
        box = top, left, bottom - top, right - left
        expected = np.asarray(functional.resized_crop(Image.fromarray(whole[row]), *box, [14, 14]))
        np.testing.assert_array_equal(image.permute(1, 2, 0), expected[:, ::-1] if mirror else expected)


def test_the_boxes_of_resized_crops_are_spread_as_torchvisions_are():
    height, width, count = 256, 341, 4000
    left, top, right, bottom = _resized_crop(torch.tensor([[height, width]] * count), 224, seeded()).double().T
    assert all((edge >= 0).all() for edge in (left, top, width - right, height - bottom))
    picture, cls = Image.new("L", (width, height)), transforms.RandomResizedCrop
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = torch.tensor([cls.get_params(picture, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(count)]).double()

    def described(y: Tensor, x: Tensor, h: Tensor, w: Tensor) -> Tensor:
        rest = (y / (height - h).clamp(1), x / (width - w).clamp(1))
        return torch.stack([h * w / (height * width), (w / h).log(), *rest])

    ours = described(top, left, bottom - top, right - left)
    theirs = described(*theirs.T)
    assert 0.07 < ours[0].min() < 0.1
    assert ours[1].abs().max() < math.log(4 / 3) + 0.03
    quantiles = torch.linspace(0.1, 0.9, 9, dtype=torch.float64)
    torch.testing.assert_close(ours.quantile(quantiles, 1), theirs.quantile(quantiles, 1), atol=0.04, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(16, 1600), (1600, 16)])
def test_where_no_crop_fits_it_is_the_centre_as_in_torchvision(height: int, width: int):
    left, top, right, bottom = _resized_crop(torch.tensor([[height, width]]), 14, seeded())[0].tolist()
    picture = Image.new("L", (width, height))
    theirs = transforms.RandomResizedCrop.get_params(picture, [0.08, 1.0], [3 / 4, 4 / 3])
    assert (top, left, bottom - top, right - left) == theirs


@pytest.mark.parametrize("augment", ["flip", "random_crop_flip", "resized_crop_flip"])
def test_in_memory_the_bits_are_the_same_and_nothing_is_written(
    photos: Task, cache: Path, tmp_path: Path, augment: str
):
    task, index = replace(photos, recipe=TeachRecipe(augment=augment)), torch.arange(10)  # type: ignore[arg-type]
    drawn = datasets.training(task, tmp_path, cache="memory").draw(index, seeded(3))
    assert not cache.exists()
    assert torch.equal(datasets.training(task, tmp_path).draw(index, seeded(3)), drawn)
    assert len(list(cache.iterdir())) == 1


def test_uncut_images_are_decoded_once(photos: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    index = torch.arange(10)
    first = datasets.training(photos, tmp_path).draw(index, seeded())

    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(image_files, "_picture", refuse)
    assert torch.equal(datasets.training(photos, tmp_path).draw(index, seeded()), first)
    resized = replace(photos, recipe=TeachRecipe(augment="resized_crop_flip"))
    assert datasets.training(resized, tmp_path).draw(index, seeded()).shape == first.shape  # from the same cache


def test_grey_files_are_cropped_too(photos: Task, tmp_path: Path):
    grey = replace(photos, image=(1, 14, 14), mean=(0.5,), std=(0.5,))
    assert datasets.training(grey, tmp_path).draw(torch.arange(3), seeded()).shape == (3, 1, 14, 14)


def test_a_damaged_training_image_is_named(photos: Task, cache: Path, tmp_path: Path):
    write_image(tmp_path / "train" / "left" / "0.png", 9, (60, 60))
    for path in (tmp_path / "train" / "left").glob("*.png"):
        truncate(path)
    with pytest.raises(DataError, match=r"files cannot be read as images:\n  .*left.*\.png: "):
        datasets.training(photos, tmp_path)
    assert not [*cache.iterdir()]


def test_the_images_of_an_array_are_cropped_in_the_size_that_files_are(arrays: Callable[..., datasets.Training]):
    """A centre crop of 0.5 means that 8 pixels are drawn from 16."""
    image = np.random.default_rng(0).integers(1, 256, (10, 5, 5), dtype=np.uint8)[0]  # grey and square
    drawn = arrays("random_crop_flip", (5, 5), crop=0.5).draw(torch.zeros(30, dtype=torch.int64), seeded())
    whole = np.asarray(transforms.Resize(16)(Image.fromarray(image).convert("RGB")))
    assert all(places(each.permute(1, 2, 0).numpy(), whole) for each in drawn)


@pytest.mark.parametrize("augment", [*_CROPS])
def test_squares_alone_are_cropped(arrays: Callable[..., datasets.Training], augment: str):
    with pytest.raises(DataError, match=r"a.npz, train: images are cut to squares, .* image of small is \(3, 8, 10\)"):
        arrays(augment, image=(3, 8, 10))
