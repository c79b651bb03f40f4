"""Images as files in memory: what comes back of them."""

from __future__ import annotations

import io

import pytest
import torch
from PIL import Image

from dfkd_ray.datasets.pools.pictures import decode, encode, side
from dfkd_ray.util.errors import DataError


def smooth(channels: int, height: int, width: int) -> torch.Tensor:
    rows, columns = torch.arange(height)[:, None] * 3, torch.arange(width) * 2
    return torch.stack([rows + columns + 40 * channel for channel in range(channels)]).to(torch.uint8)


@pytest.mark.parametrize("channels", [1, 3])
def test_png_loses_nothing(channels: int) -> None:
    image = torch.randint(256, (channels, 5, 9), dtype=torch.uint8)
    data = encode(image, "png")
    assert Image.open(io.BytesIO(data)).format == "PNG"
    assert torch.equal(decode(data, (channels, 5, 9)), image)
    assert side(data) == (9, 5)


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_the_other_formats_lose_little(kind: str) -> None:
    image = smooth(3, 32, 32)
    data = encode(image, kind)  # type: ignore[arg-type]
    assert Image.open(io.BytesIO(data)).format == kind.upper()
    assert (decode(data, (3, 32, 32)).int() - image.int()).abs().float().mean() < 4


def test_what_is_larger_is_made_smaller_and_gray_where_the_task_is() -> None:
    image = torch.full((3, 32, 32), 100, dtype=torch.uint8)
    image[:, :, 16:] = 200
    small = decode(encode(image, "png"), (1, 8, 8))
    assert small.shape == (1, 8, 8)
    assert small[0, 4, 0] == 100
    assert small[0, 4, -1] == 200


def test_what_is_no_image_is_refused() -> None:
    for image in (torch.zeros(3, 4, 4), torch.zeros(4, 4, dtype=torch.uint8), torch.zeros(2, 4, 4, dtype=torch.uint8)):
        with pytest.raises(ValueError, match="an image is uint8"):
            encode(image, "png")


def test_what_is_no_picture_is_told() -> None:
    data = encode(torch.randint(256, (3, 64, 64), dtype=torch.uint8), "png")
    for broken in (b"", b"no picture", data[: len(data) // 2], data[:-200] + bytes(200)):
        with pytest.raises(DataError, match=r"^cannot be decoded: "):
            decode(broken, (3, 64, 64))
        with pytest.raises(DataError, match=r"^cannot be decoded: "):
            side(broken)
