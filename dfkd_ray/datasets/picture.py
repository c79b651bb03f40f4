"""Pictures: of a task, one row a class, its name in front; and of any images, side by side."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from dfkd_ray.datasets.readers import Split, SplitName, split
from dfkd_ray.datasets.task import Task
from dfkd_ray.util.errors import DataError

_MARGIN, _GAP, _FONT, _CELL = 8, 2, 15, 64  # pixels
_INK, _PAPER = (30, 30, 30), (255, 255, 255)


def write_grid(
    task: Task, out: Path, data: Path | None = None, which: SplitName = "test", columns: int = 12, zoom: int = 2
) -> Path:
    """Write a PNG with the first `columns` images of each class of a split, see `draw`; returns `out`."""
    if task.targets != "classes":
        raise DataError(f"{task.name}: a picture has a row for each class of images; here targets are {task.targets}")
    sheet = draw(task, split(task, which, data), columns, zoom)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(out, format="PNG", optimize=True)
    except OSError as error:
        raise DataError(f"{out}: the picture cannot be written: {error}") from None
    return out


def draw(task: Task, part: Split, columns: int, zoom: int) -> Image.Image:
    """The sheet itself: names on the left, images `zoom` times their size, an empty row for a class without images.

    What would be higher or wider than 64 pixels is made as large as that: ImageNet has a thousand rows.
    """
    if columns < 1 or zoom < 1:
        raise ValueError(f"columns and zoom must be >= 1, got {columns} and {zoom}")
    font = ImageFont.load_default(_FONT)
    scale = min(float(zoom), _CELL / max(task.image[1:]))
    height, width = (round(side * scale) for side in task.image[1:])
    how = Image.Resampling.NEAREST if scale == zoom else Image.Resampling.BOX
    cell_h, cell_w = max(height, _FONT + _GAP) + _GAP, width + _GAP
    left = _MARGIN * 2 + round(max(font.getlength(name) for name in task.classes))
    size = (left + columns * cell_w + _MARGIN, 2 * _MARGIN + len(task.classes) * cell_h)
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    for row, name in enumerate(task.classes):
        top = _MARGIN + row * cell_h
        pen.text((_MARGIN, top + cell_h / 2), name, fill=_INK, font=font, anchor="lm")
        chosen = (part.labels == row).nonzero()[:columns, 0]
        for column, image in enumerate(part.images[chosen]):
            pixels = np.asarray(image.permute(1, 2, 0)).squeeze()
            cell = Image.fromarray(pixels).resize((width, height), how)
            sheet.paste(cell, (left + column * cell_w, top))
    return sheet


def contact_sheet(pixels: Tensor, rows: int, columns: int, kind: Literal["WEBP", "PNG"] = "WEBP") -> bytes:
    """Images (rows * columns, C, H, W) in [0, 1] as one file: about 64 pixels each, with room between them."""
    zoom = max(1, 64 // pixels.shape[2])
    pixels = F.pad(pixels.repeat_interleave(zoom, 2).repeat_interleave(zoom, 3), [2] * 4, value=1.0)
    _, c, h, w = pixels.shape
    grid = (pixels * 255).round().to(torch.uint8).view(rows, columns, c, h, w)
    sheet = grid.permute(0, 3, 1, 4, 2).reshape(rows * h, columns * w, c).squeeze(-1)
    picture = Image.fromarray(sheet.numpy())
    picture.thumbnail((68 * columns, 68 * rows))
    out = io.BytesIO()
    picture.save(out, format=kind, quality=85)
    return out.getvalue()
