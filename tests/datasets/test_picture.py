from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dfkd_ray import datasets
from dfkd_ray.datasets import Split, Task, picture
from dfkd_ray.util.errors import DataError


def part(channels: int = 3) -> Split:
    images = torch.randint(0, 200, (5, channels, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    return Split(images, torch.tensor([1, 0, 1, 1, 1]))


def find(sheet: np.ndarray, tile: np.ndarray) -> list[tuple[int, int]]:
    h, w = tile.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(sheet, (h, w, 3))[:, :, 0]
    return [(int(r), int(c)) for r, c in np.argwhere((windows == tile).all(axis=(2, 3, 4)))]


def test_a_row_for_each_class_and_its_images_in_order(small: Task):
    images = part().images
    sheet = np.asarray(picture.draw(small, part(), columns=3, zoom=1))
    places = [find(sheet, images[i].permute(1, 2, 0).numpy()) for i in range(5)]
    assert [len(p) for p in places] == [1, 1, 1, 1, 0]  # the fifth is the fourth of its class
    (first, second, third, fourth) = (p[0] for p in places[:4])
    assert second[0] < first[0] == third[0] == fourth[0]  # class 0 above class 1
    assert second[1] == first[1] < third[1] < fourth[1]


def test_names_stand_before_their_rows(small: Task):
    sheet = np.asarray(picture.draw(small, Split(torch.zeros(0, 3, 8, 8), torch.zeros(0)), columns=1, zoom=2))
    inked = (sheet < 128).all(axis=2)
    half = sheet.shape[0] // 2
    assert inked[:half].sum() > 20
    assert inked[half:].sum() > 20


def test_grey_images_and_zoom(small: Task):
    grey = replace(small, image=(1, 8, 8), mean=(0.5,), std=(0.5,))
    sheet = np.asarray(picture.draw(grey, part(channels=1), columns=1, zoom=3))
    tile = part(1).images[1, 0].numpy().repeat(3, 0).repeat(3, 1)
    assert len(find(sheet, np.stack([tile] * 3, axis=2))) == 1


def test_large_images_are_made_64_pixels_high(small: Task):
    large = replace(small, image=(3, 128, 128))
    images = torch.zeros(2, 3, 128, 128, dtype=torch.uint8)
    images[1, :, 64:] = 200  # grey below
    sheet = np.asarray(picture.draw(large, Split(images, torch.tensor([0, 1])), columns=1, zoom=2))
    assert len(find(sheet, np.zeros((64, 64, 3), np.uint8))) == 1
    half = np.repeat([0, 200], 32).astype(np.uint8)
    assert len(find(sheet, np.broadcast_to(half[:, None, None], (64, 64, 3)))) == 1


def test_a_png_of_gliders(tmp_path: Path):
    out = datasets.write_grid(datasets.load("gliders"), tmp_path / "new" / "g.png", which="val", columns=4)
    with Image.open(out) as image:
        assert image.format == "PNG"
        assert image.height >= 12 * 64
        assert image.width >= 4 * 64


def test_what_cannot_be(small: Task, tmp_path: Path):
    with pytest.raises(ValueError, match="columns and zoom must be >= 1"):
        picture.draw(small, part(), columns=0, zoom=1)
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        datasets.write_grid(datasets.load("gliders"), tmp_path / "file" / "g.png", which="val", columns=1)
