"""The page of a study, a run or an evaluation: `build` reads Arrow tables, and nothing else, and writes it beside them.

`cross` puts the arms of several studies into one table.
"""

from __future__ import annotations

import html
import shlex
from collections.abc import Sequence
from pathlib import Path

from dfkd_ray.util import folders
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.files import atomic_write


def build(folder: Path, trial: int | None = None) -> Path:
    """Write the page into the folder of its tables in one atomic step and return its path.

    Of a study `report.html`: needs `trials.arrow`, `steps.arrow` and `images.arrow` there; StudyError if one is missing
    or damaged. Beside the page of an ablation stand its arms as tables to paste: `arms.md` and `arms.tex`.
    Of one of its trials, by number, `trials/0003/report.html`; one that left no folder gets one, for its page.
    Of an evaluation `evaluation.html`: needs `evaluation.arrow`, or `dense.arrow`, and `examples.arrow`.
    Of a simulation `simulation.html`: needs `simulation.arrow`.
    """
    if trial is None and (folder / "simulation.arrow").is_file():
        return _simulation(folder)
    if trial is None and (folder / "evaluation.arrow").is_file():
        return _evaluation(folder)
    if trial is None and (folder / "dense.arrow").is_file():
        return _dense(folder)
    from dfkd_ray.report import paste
    from dfkd_ray.report.page import page
    from dfkd_ray.report.view import Tables

    tables = Tables.read(folder)
    if trial is not None:
        text = page(tables.only(trial))
        target = folders.of_trial(folder, trial) / "report.html"
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(target, text)
        return target
    made = {"report.html": page(tables, shlex.quote(_typed(folder)))}
    if tables.is_ablation:
        grid = paste.arm_table(tables)
        made |= {"arms.md": paste.markdown(grid), "arms.tex": paste.latex(grid)}
    for name, text in made.items():
        _write(folder / name, text)
    return folder / "report.html"


def cross(folders: Sequence[Path], out: Path | None = None) -> tuple[str, list[Path]]:
    """Arms x tasks of several ablations, in Markdown, and what was written: `<out>.md` and `<out>.tex`.

    StudyError where a folder holds no ablation, where no arm is in two of them, or where `out` cannot be written.
    """
    from dfkd_ray.report import crossed, paste

    grid = crossed.arm_table(crossed.read(folders))
    text, written = paste.markdown(grid), []
    if out is not None:
        stem = _stem(out)
        for suffix, content in {".md": text, ".tex": paste.latex(grid)}.items():
            written.append(stem.with_name(f"{stem.name}{suffix}"))
            _write(written[-1], content)
    return text, written


def compare(folders: Sequence[Path], out: Path | None = None) -> Path:
    """Write one page of several studies and return its path: `out` with the suffix .html, or beside the first folder.

    StudyError where a folder holds no study, or is named twice.
    """
    from dfkd_ray.report import compared
    from dfkd_ray.report.page import comparison

    text = comparison(compared.read(folders))
    name = "-and-".join(folder.resolve().name for folder in folders)
    target = folders[0].parent / f"{name}.html" if out is None else _stem(out).with_name(f"{_stem(out).name}.html")
    _write(target, text)
    return target


def _typed(folder: Path) -> str:
    """A folder as one types it from here: relative where it lies below, else whole."""
    whole, here = folder.resolve(), Path.cwd()
    return str(whole.relative_to(here) if whole.is_relative_to(here) else whole)


def _stem(out: Path) -> Path:
    """The path without a suffix of what is written; StudyError where its folder is not there."""
    stem = out.with_suffix("") if out.suffix in (".md", ".tex", ".html") else out
    if not stem.parent.is_dir():
        raise StudyError(f"{stem.parent}: there is no such folder")
    return stem


def live(page: str, events: str) -> str:
    """The text of a page as a server gives it: it may listen for events at this address of that server alone."""
    page = page.replace("default-src &#39;none&#39;", "default-src &#39;none&#39;; connect-src &#39;self&#39;", 1)
    return page.replace('<html lang="en"', f'<html lang="en" data-events="{html.escape(events)}"', 1)


def _evaluation(folder: Path) -> Path:
    from dfkd_ray.report.evaluation.page import page
    from dfkd_ray.report.evaluation.view import EvaluationTables

    _write(folder / "evaluation.html", page(EvaluationTables.read(folder)))
    return folder / "evaluation.html"


def _dense(folder: Path) -> Path:
    from dfkd_ray.report.evaluation.dense_page import page
    from dfkd_ray.report.evaluation.dense_view import DenseTables

    _write(folder / "evaluation.html", page(DenseTables.read(folder)))
    return folder / "evaluation.html"


def _simulation(folder: Path) -> Path:
    from dfkd_ray.report import simulation

    _write(folder / "simulation.html", simulation.page(simulation.read(folder / "simulation.arrow")))
    return folder / "simulation.html"


def _write(target: Path, text: str) -> None:
    with atomic_write(target) as file:
        file.write(text.encode("utf-8", "replace"))
