"""The page of a study: `build` reads its three Arrow tables, and nothing else, and writes `report.html` beside them."""

from __future__ import annotations

import os
from pathlib import Path


def build(folder: Path) -> Path:
    """Write `report.html` into the study's folder in one atomic step and return its path.

    Needs `trials.arrow`, `steps.arrow` and `images.arrow` there; StudyError if one is missing or damaged.
    """
    from dfkd_ray.report.page import page
    from dfkd_ray.report.view import Tables

    made = page(Tables.read(folder)).encode("utf-8", "replace")
    target = folder / "report.html"
    temporary = folder / f".report.html.{os.getpid()}.tmp"
    try:
        temporary.write_bytes(made)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
    return target
