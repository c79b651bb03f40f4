"""Pictures of images, and of where a network looks, as encoded files."""

from __future__ import annotations

import io
from colorsys import hsv_to_rgb

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

FORMAT = "webp"
_MOST = 160  # pixels of the longer side
_OKABE_ITO = (
    *((68, 68, 68), (230, 159, 0), (86, 180, 233), (0, 158, 115)),
    *((240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167)),
)
# Viridis (van der Walt and Smith, 2015) at its quarters: told apart by the colour-blind, and in grey print.
_COLOURS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))


def picture(image: Tensor, exact: bool = False) -> bytes:
    """An image (C, H, W) uint8 as a WebP file; a large one is made smaller. exact: in its very colours."""
    if image.shape[0] not in (1, 3):
        image = image.float().mean(0, keepdim=True).to(torch.uint8)
    drawn = Image.fromarray(image.permute(1, 2, 0).squeeze(-1).numpy())
    drawn.thumbnail((_MOST, _MOST), Image.Resampling.NEAREST if exact else Image.Resampling.BICUBIC)
    out = io.BytesIO()
    drawn.save(out, format=FORMAT, quality=90, lossless=exact)
    return out.getvalue()


def overlaid(image: Tensor, heat: Tensor) -> Tensor:
    """(3, H, W) uint8: the image (C, H, W) uint8 in grey under the map (h, w) in [0, 1], from violet to yellow."""
    size = (image.shape[1], image.shape[2])
    smooth = F.interpolate(heat[None, None], size, mode="bilinear", align_corners=False)[0, 0].clamp(0, 1)
    grey = image.float().mean(0, keepdim=True)
    return (0.5 * grey + 0.5 * _coloured(smooth)).round().to(torch.uint8)


def painted(classes: Tensor, count: int) -> Tensor:
    """(3, H, W) uint8 of the classes (H, W) at each position, of so many; each has its own colour."""
    return palette(count)[classes.long()].permute(2, 0, 1)


def palette(count: int) -> Tensor:
    """(count, 3) uint8: the colours of Okabe and Ito (2008) where they suffice, the first a dark grey, else hues all
    around the circle, a golden section apart."""
    if count <= len(_OKABE_ITO):
        return torch.tensor(_OKABE_ITO[:count], dtype=torch.uint8)
    hues = [(0.61803399 * k % 1, 0.45 + 0.25 * (k % 3), 0.95 - 0.2 * (k % 2)) for k in range(count)]
    return torch.tensor([[round(255 * v) for v in hsv_to_rgb(*hue)] for hue in hues], dtype=torch.uint8)


def shaded(depth: Tensor, nearest: float, farthest: float) -> Tensor:
    """(3, H, W) uint8 of a depth (H, W): violet where it is nearest, or nearer, to yellow where it is farthest."""
    share = (depth.float() - nearest) / max(farthest - nearest, torch.finfo(torch.float32).tiny)
    return _coloured(share.clamp(0, 1)).round().to(torch.uint8)


def _coloured(heat: Tensor) -> Tensor:
    """(3, H, W) in 0..255 of (H, W) in [0, 1]: linear between the colours."""
    table = torch.tensor(_COLOURS, dtype=torch.float32)
    at = heat * (len(table) - 1)
    low = at.floor().long().clamp(max=len(table) - 2)
    share = (at - low)[..., None]
    return (table[low] * (1 - share) + table[low + 1] * share).permute(2, 0, 1)
