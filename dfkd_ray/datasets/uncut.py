"""Images before they are cut, each in its own shape: all in one array of bytes, and their shapes behind them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image


@dataclass(frozen=True)
class Uncut:
    """N images: the bytes of all, the shape (height, width, channels) of each, and at which byte each begins."""

    pixels: NDArray[np.uint8]
    shapes: NDArray[np.int64]
    starts: NDArray[np.int64]

    def __getitem__(self, row: int) -> Image.Image:
        """One image, grey or RGB."""
        start, shape = self.starts[row], self.shapes[row]
        return picture(self.pixels[start : start + shape.prod()].reshape(shape))


def picture(pixels: NDArray[np.uint8]) -> Image.Image:
    """(height, width, channels), grey or RGB, for Pillow."""
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def pixels(picture: Image.Image) -> NDArray[np.uint8]:
    """(height, width, channels) of Pillow's."""
    return np.asarray(picture).reshape(picture.height, picture.width, -1)


def write(file: BinaryIO, pictures: Iterable[NDArray[np.uint8]]) -> tuple[int, ...]:
    """Write images (height, width, channels) and their shapes; returns how many bytes those are."""
    shapes, count = [], 0
    for image in pictures:
        count += file.write(image.tobytes())
        shapes.append(image.shape)
    return (count + file.write(np.array(shapes, np.int64).tobytes()),)


def held(pictures: Iterable[NDArray[np.uint8]], count: int) -> Uncut:
    """`count` images (height, width, channels) in memory."""
    file = io.BytesIO()
    write(file, pictures)
    return read(np.frombuffer(file.getbuffer(), np.uint8), count)


def read(flat: NDArray[np.uint8], count: int) -> Uncut:
    """The `count` images that `write` wrote."""
    table = flat[-count * 3 * np.dtype(np.int64).itemsize :]
    shapes = np.frombuffer(table.tobytes(), np.int64).reshape(count, 3)
    return Uncut(flat, shapes, np.cumsum([0, *shapes.prod(1)[:-1]]))
