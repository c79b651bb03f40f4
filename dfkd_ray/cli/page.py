"""`open`: the page of a study in a browser."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from dfkd_ray.cli import app
from dfkd_ray.util import words
from dfkd_ray.util.errors import StudyError


@app.command("open")
def open_page(
    study: Annotated[Path, typer.Argument(metavar="STUDY", help="A study's folder, or its name under reports/.")],
    trial: Annotated[int | None, typer.Option(min=0, help="Open it at the trial with this number.")] = None,
) -> None:
    """Open a study's page in the browser; one that is missing, or older than its tables, is built first.

    Example: dfkd-ray open mhad --trial 3
    """
    from dfkd_ray import report

    folder = folder_of(study)
    if trial is not None:
        _has(folder, trial)
    page = folder / "report.html"
    if is_old(page):
        page = report.build(folder)
    address = page.resolve().as_uri() + ("" if trial is None else f"#trial-{trial}")
    if webbrowser.open(address):
        typer.echo(f"opened {page}")
    else:
        typer.echo(f"no browser is at hand here; the page is {address}")


def folder_of(study: Path) -> Path:
    """The folder that is named, or that of this name under reports/; StudyError with what is there."""
    from dfkd_ray.tune.standing import named

    if (folder := named(str(study))).is_dir():
        return folder
    there = sorted(path.parent.name for path in Path("reports").glob("*/trials.arrow"))
    known = f"; under reports/ are {words.some(there, 12)}" if there else "; under reports/ is no study"
    raise StudyError(f"{study}: there is no such folder{known}")


def _has(folder: Path, trial: int) -> None:
    """StudyError where a study has no trial of this number: its page would open as if none had been named."""
    from dfkd_ray.util import tables

    path = folder / "trials.arrow"
    numbers = tables.read(path)["trial"].to_pylist() if path.is_file() else [trial]  # else there is no page to open
    if trial not in numbers:
        there = f"they go from {min(numbers)} to {max(numbers)}" if numbers else "none has begun"
        raise StudyError(f"{folder} has no trial {trial}: {there}")


def is_old(page: Path) -> bool:
    """Whether a page is missing, or some table beside it was written after it."""
    if not page.is_file():
        return True
    written = page.stat().st_mtime_ns
    return any(table.stat().st_mtime_ns > written for table in page.parent.glob("*.arrow"))
