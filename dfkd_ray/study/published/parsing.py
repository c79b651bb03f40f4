"""The file of a paper: its tables, strictly read, all mistakes at once, each with its line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dfkd_ray.study.published.table import By, Claim, Mark, Paper, PublishedCell, PublishedTable
from dfkd_ray.util import code_files
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.registry import did_you_mean
from dfkd_ray.util.words import counted
from dfkd_ray.util.yamls import Document, Problems, typed

POINTS = "points"
_NOBODY = Paper("", "", "", "")  # stands in for a source with mistakes, so that the tables are checked too


@dataclass(frozen=True)
class _File:
    source: dict[str, Any]
    tables: dict[str, Any]


@dataclass(frozen=True)
class _Grid:
    """A table as its file has it: a list of numbers a row, null where the source has none."""

    number: str
    title: str
    metric: str
    task: str
    teacher: str
    student: str
    rows: str
    columns: dict[str, str]
    cells: dict[str, list[float | None]]
    mark: Mark
    unit: str = POINTS
    via: str = ""
    note: str = ""
    best_on_test: str = ""
    method: str | None = None
    arms: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: dict[str, dict[str, Any]] = field(default_factory=dict)
    claims: tuple[dict[str, Any], ...] = ()
    not_run: str = ""


@dataclass(frozen=True)
class _Claim:
    """One of three forms: a better and a worse arm; a greater and a smaller step between two; any weights."""

    text: str
    by: By = "table"
    better: str | None = None
    worse: str | None = None
    more: tuple[str, str] | None = None  # to, from
    less: tuple[str, str] | None = None
    weights: dict[str, float] | None = None

    def __post_init__(self) -> None:
        given = {name for name in ("better", "worse", "more", "less", "weights") if getattr(self, name) is not None}
        if given not in ({"better", "worse"}, {"more", "less"}, {"weights"}):
            raise ValueError("say `better` and `worse`, or `more` and `less`, or `weights`")

    def terms(self) -> Iterator[tuple[str, float]]:
        if self.better is not None and self.worse is not None:
            yield from ((self.better, 1.0), (self.worse, -1.0))
        if self.more is not None and self.less is not None:
            yield from zip((*self.more, *self.less), (1.0, -1.0, -1.0, 1.0))
        yield from (self.weights or {}).items()


def tables(document: Document, stem: str) -> dict[str, PublishedTable]:
    """The tables of one file by id, "stem/table"; ConfigError with all mistakes, each with its line."""
    problems = Problems()
    file = problems.attempt("", typed, _File, document.data) or _File({}, {})
    source = problems.attempt("source", typed, Paper, file.source)
    made = {
        f"{stem}/{name}": problems.attempt(f"tables.{name}", _table, f"{stem}/{name}", source or _NOBODY, raw)
        for name, raw in file.tables.items()
    }
    if problems.found:
        raise document.locate(problems.found)
    return {name: table for name, table in made.items() if table is not None}


def _table(name: str, source: Paper, raw: Any) -> PublishedTable:
    grid = typed(_Grid, raw)
    problems = Problems()
    _check_cells(grid, problems)
    _check_runs(grid, problems)
    claims = [problems.attempt(f"claims.{i}", _claim, claim, grid.arms) for i, claim in enumerate(grid.claims)]
    problems.stop_if_any()
    same = ("number", "title", "metric", "unit", "task", "teacher", "student", "rows", "columns", "note")
    return PublishedTable(
        id=name,
        source=source,
        cells=tuple(_cells(grid)),
        claims=tuple(claim for claim in claims if claim is not None),
        **{key: getattr(grid, key) for key in (*same, "best_on_test", "method", "arms", "runs", "not_run")},
    )


def _cells(grid: _Grid) -> Iterator[PublishedCell]:
    for row, values in grid.cells.items():
        for column, value in zip(grid.columns, values):
            if value is not None:
                yield PublishedCell(row, column, value, grid.mark, grid.via)


def _check_cells(grid: _Grid, problems: Problems) -> None:
    if (grid.mark == "secondary") != bool(grid.via):
        problems.add("via", "say where a secondary value was read, and only there")
    for at in ("via", "best_on_test"):
        if said := getattr(grid, at):
            problems.attempt(at, code_files.parse, said)
    for row, values in grid.cells.items():
        if len(values) != len(grid.columns):
            problems.add(f"cells.{row}", f"{counted(len(values), 'value')} for {counted(len(grid.columns), 'column')}")
        for value in values:
            if grid.unit == POINTS and value is not None and not 0 <= value <= 100:
                problems.add(f"cells.{row}", f"points are from 0 to 100, got {value:g}")


def _check_runs(grid: _Grid, problems: Problems) -> None:
    """A table that can be re-run says all that it takes; another one says why not."""
    if not grid.arms:
        for key in ("method", "runs", "claims"):
            if getattr(grid, key):
                problems.add(key, "is for a table with `arms`")
        if not grid.not_run:
            problems.add("not_run", "say why it cannot be re-run, or give `arms`")
        return
    if grid.not_run:
        problems.add("not_run", "is for a table without `arms`")
    if not (grid.method and grid.runs):
        problems.add("arms", "need a `method` and `runs`")
    if grid.unit != POINTS:
        problems.add("unit", f"a study compares in points, got {grid.unit}")
    for arm in _strangers("arms", grid.arms, grid.cells, problems):
        for column, value in zip(grid.columns, grid.cells[arm]):
            if value is None and column in grid.runs:
                problems.add(f"cells.{arm}", f"has an arm and a run, and no value for {column}")
    for column in _strangers("runs", grid.runs, grid.columns, problems):
        if not isinstance(grid.runs[column].get("task"), str):
            problems.add(f"runs.{column}", "needs a `task`")


def _strangers(at: str, given: Iterable[str], known: Iterable[str], problems: Problems) -> list[str]:
    """Those of `given` that are known; the others are filed as mistakes."""
    for name in given:
        if name not in known:
            problems.add(f"{at}.{name}", f"no such {'row' if at == 'arms' else 'column'}{did_you_mean(name, known)}")
    return [name for name in given if name in known]


def _claim(raw: Any, arms: Mapping[str, Any]) -> Claim:
    claim = typed(_Claim, raw)
    weights: dict[str, float] = {}
    for arm, weight in claim.terms():
        if arm not in arms:
            raise ConfigError.at("", f"no such arm: {arm!r}{did_you_mean(arm, arms)}")
        weights[arm] = weights.get(arm, 0.0) + weight
    return Claim(claim.text, {arm: weight for arm, weight in weights.items() if weight}, claim.by)
