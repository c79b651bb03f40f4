"""The page of a study: `build` reads its Arrow tables, and nothing else, and writes `report.html` beside them."""

from __future__ import annotations

import os
from pathlib import Path


def build(folder: Path) -> Path:
    """Write `report.html` into the study's folder in one atomic step and return its path.

    Needs `trials.arrow`, `steps.arrow` and `images.arrow` there; StudyError if one is missing or damaged. Beside the
    page of an ablation stand its arms as tables to paste: `arms.md` and `arms.tex`.
    """
    from dfkd_ray.report import paste
    from dfkd_ray.report.page import page
    from dfkd_ray.report.view import Tables

    tables = Tables.read(folder)
    made = {"report.html": page(tables)}
    if tables.is_ablation:
        grid = paste.grid(tables)
        made |= {"arms.md": paste.markdown(grid), "arms.tex": paste.latex(grid)}
    for name, text in made.items():
        _write(folder / name, text)
    return folder / "report.html"


def _write(target: Path, text: str) -> None:
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(text.encode("utf-8", "replace"))
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)
