from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from dfkd_ray.runs.evaluation.overlays import overlaid, painted, palette, picture, shaded


@pytest.mark.parametrize(
    ("shape", "size"), [((3, 32, 32), (32, 32)), ((1, 20, 10), (10, 20)), ((3, 320, 640), (160, 80))]
)
def test_a_picture_is_a_webp_of_at_most_160_pixels(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    image = torch.full(shape, 200, dtype=torch.uint8)
    read = Image.open(io.BytesIO(picture(image)))
    assert (read.format, read.size) == ("WEBP", size)
    assert np.abs(np.asarray(read.convert("L")).astype(int) - 200).max() <= 2


def test_what_has_neither_one_nor_three_channels_is_shown_in_grey() -> None:
    read = Image.open(io.BytesIO(picture(torch.stack([torch.full((8, 8), v, dtype=torch.uint8) for v in (100, 200)]))))
    assert np.abs(np.asarray(read.convert("L")).astype(int) - 150).max() <= 2


def test_an_overlay_goes_from_violet_to_yellow_over_the_image_in_grey() -> None:
    image = torch.full((3, 4, 4), 100, dtype=torch.uint8)
    heat = torch.zeros(2, 2)
    heat[:, 1] = 1.0
    found = overlaid(image, heat).float()
    assert found.shape == (3, 4, 4)
    assert found[:, 0, 0].tolist() == [84, 50, 92]  # half of 100 and half of (68, 1, 84)
    assert found[:, 0, 3].tolist() == [176, 166, 68]  # ... and of (253, 231, 37)
    assert overlaid(image[:1], torch.full((1, 1), 0.5)).shape == (3, 4, 4)
    assert overlaid(image, torch.full((1, 1), 0.5))[:, 0, 0].tolist() == [66, 122, 120]  # the middle: (33, 145, 140)


@pytest.mark.parametrize("count", [2, 8, 9, 150])
def test_every_class_has_a_colour_of_its_own(count: int) -> None:
    colours = palette(count)
    assert (colours.shape, colours.dtype) == ((count, 3), torch.uint8)
    assert len({*map(tuple, colours.tolist())}) == count
    maps = torch.arange(count)[None]
    assert torch.equal(painted(maps, count)[:, 0].T, colours)


def test_a_depth_goes_from_violet_to_yellow_and_an_exact_picture_keeps_its_colours() -> None:
    drawn = shaded(torch.tensor([[0.0, 1.0, 1.5, 2.0, 9.0]]), 1.0, 2.0)
    assert drawn[:, 0].T.tolist() == [[68, 1, 84], [68, 1, 84], [33, 145, 140], [253, 231, 37], [253, 231, 37]]
    assert shaded(torch.ones(1, 1), 1.0, 1.0).flatten().tolist() == [68, 1, 84], "of one depth alone"
    again = Image.open(io.BytesIO(picture(drawn, exact=True))).convert("RGB")
    assert torch.equal(torch.from_numpy(np.array(again)).permute(2, 0, 1), drawn)
