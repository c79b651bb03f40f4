"""A picture of a task: one row a class, its name in front."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dfkd_ray.errors import DataError
from dfkd_ray.tasks.readers import Split, Which, split
from dfkd_ray.tasks.task import Task

_MARGIN, _GAP, _FONT = 8, 2, 15  # pixels
_INK, _PAPER = (30, 30, 30), (255, 255, 255)


def write_grid(
    task: Task, out: Path, data: Path | None = None, which: Which = "test", columns: int = 12, zoom: int = 2
) -> Path:
    """Write a PNG with the first `columns` images of each class of a split, `zoom` times their size; returns `out`."""
    sheet = draw(task, split(task, which, data), columns, zoom)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(out, format="PNG", optimize=True)
    except OSError as error:
        raise DataError(f"{out}: the picture cannot be written: {error}") from None
    return out


def draw(task: Task, part: Split, columns: int, zoom: int) -> Image.Image:
    """The sheet itself: names on the left, images `zoom` times their size, an empty row for a class without images."""
    if columns < 1 or zoom < 1:
        raise ValueError(f"columns and zoom must be >= 1, got {columns} and {zoom}")
    font = ImageFont.load_default(_FONT)
    _, height, width = task.image
    cell_h, cell_w = max(height * zoom, _FONT + _GAP) + _GAP, width * zoom + _GAP
    left = _MARGIN * 2 + round(max(font.getlength(name) for name in task.classes))
    size = (left + columns * cell_w + _MARGIN, 2 * _MARGIN + len(task.classes) * cell_h)
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    for row, name in enumerate(task.classes):
        top = _MARGIN + row * cell_h
        pen.text((_MARGIN, top + cell_h / 2), name, fill=_INK, font=font, anchor="lm")
        for column, image in enumerate(part.images[part.labels == row][:columns]):
            pixels = np.asarray(image.permute(1, 2, 0)).squeeze()
            cell = Image.fromarray(pixels).resize((width * zoom, height * zoom), Image.Resampling.NEAREST)
            sheet.paste(cell, (left + column * cell_w, top))
    return sheet
