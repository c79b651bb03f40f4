"""Pictures of images, and of where a network looks, as encoded files."""

from __future__ import annotations

import io

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

FORMAT = "webp"
_MOST = 160  # pixels of the longer side
# Viridis (van der Walt and Smith, 2015) at its quarters: told apart by the colour-blind, and in grey print.
_COLOURS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))


def picture(image: Tensor) -> bytes:
    """An image (C, H, W) uint8 as a WebP file; a large one is made smaller."""
    if image.shape[0] not in (1, 3):
        image = image.float().mean(0, keepdim=True).to(torch.uint8)
    drawn = Image.fromarray(image.permute(1, 2, 0).squeeze(-1).numpy())
    drawn.thumbnail((_MOST, _MOST))
    out = io.BytesIO()
    drawn.save(out, format=FORMAT, quality=90)
    return out.getvalue()


def overlaid(image: Tensor, heat: Tensor) -> Tensor:
    """(3, H, W) uint8: the image (C, H, W) uint8 in grey under the map (h, w) in [0, 1], from violet to yellow."""
    size = (image.shape[1], image.shape[2])
    smooth = F.interpolate(heat[None, None], size, mode="bilinear", align_corners=False)[0, 0].clamp(0, 1)
    grey = image.float().mean(0, keepdim=True)
    return (0.5 * grey + 0.5 * _coloured(smooth)).round().to(torch.uint8)


def _coloured(heat: Tensor) -> Tensor:
    """(3, H, W) in 0..255 of (H, W) in [0, 1]: linear between the colours."""
    table = torch.tensor(_COLOURS, dtype=torch.float32)
    at = heat * (len(table) - 1)
    low = at.floor().long().clamp(max=len(table) - 2)
    share = (at - low)[..., None]
    return (table[low] * (1 - share) + table[low + 1] * share).permute(2, 0, 1)
