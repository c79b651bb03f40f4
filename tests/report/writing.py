"""Parts of a page as the page has them."""

from __future__ import annotations

from collections.abc import Sequence

from dfkd_ray.report.blocks import Block, Section
from dfkd_ray.report.rendering import show


def written(part: Section | Block | Sequence[Block] | None) -> str:
    """A section, a block or several as HTML; nothing where there is none."""
    if part is None:
        return ""
    return "\n".join(map(show, part)) if isinstance(part, Sequence) else show(part)
