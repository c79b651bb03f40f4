"""Images as files in memory, and back."""

from __future__ import annotations

import io

import torch
from PIL import Image
from torch import Tensor

from dfkd_ray.datasets.pools.card import Format
from dfkd_ray.util.errors import DataError

QUALITY = 95  # of the formats that lose something; the released code does not say


def encode(image: Tensor, kind: Format) -> bytes:
    """uint8 (C, H, W), one channel or three, as the bytes of a picture."""
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] not in (1, 3):
        raise ValueError(f"an image is uint8 (1 or 3, height, width), got {image.dtype} {tuple(image.shape)}")
    channels, height, width = image.shape
    pixels = bytes(image.permute(1, 2, 0).contiguous().cpu().view(-1).numpy())
    picture = Image.frombytes("L" if channels == 1 else "RGB", (width, height), pixels)
    out = io.BytesIO()
    options = {} if kind == "png" else {"quality": QUALITY}
    picture.save(out, format=kind.upper(), **options)
    return out.getvalue()


def decode(data: bytes, image: tuple[int, int, int]) -> Tensor:
    """The picture as uint8 of the shape `image`, (C, H, W); DataError if it is none.

    Bicubic, as the released code of DiffDFKD brings its images to the size of the student (arXiv:2504.00870).
    """
    channels, height, width = image
    seen = _opened(data).convert("L" if channels == 1 else "RGB")
    if seen.size != (width, height):
        seen = seen.resize((width, height), Image.Resampling.BICUBIC)
    flat = torch.frombuffer(bytearray(seen.tobytes()), dtype=torch.uint8)
    return flat.view(height, width, channels).permute(2, 0, 1)


def side(data: bytes) -> tuple[int, int]:
    """Width and height of a picture, after all of it was decoded; DataError if that fails."""
    return _opened(data).size


def _opened(data: bytes) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(data))
        picture.load()
    except Exception as error:  # a damaged picture raises almost anything
        raise DataError(f"cannot be decoded: {str(error).partition(' <')[0]}") from None
    return picture
