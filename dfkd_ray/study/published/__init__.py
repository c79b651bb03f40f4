"""The tables of the papers as data, and the studies that re-run them. Needs no torch.

One file a paper, one id a table ("dfkd_fgvc/table3"). A number stands here with its place, its mark (read in the paper,
or secondary, with where it was read) and, where this project can run it again, with the change to a method that its row
means. A claim is a contrast between rows, so that the paper's numbers and a study's effects answer the same question.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dfkd_ray import metrics
from dfkd_ray.study.published import parsing
from dfkd_ray.study.published.claims import Compared, Verdict, check, printed, side_by_side
from dfkd_ray.study.published.rerun import SEEDS, Scale, study
from dfkd_ray.study.published.table import Claim, Mark, Paper, PublishedCell, PublishedTable
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import Problem, UnknownName
from dfkd_ray.util.registry import did_you_mean

_FOLDER = Path(__file__).parent


def names() -> list[str]:
    """The ids of all tables, paper by paper, in the order of the paper."""
    return [name for path in sorted(_FOLDER.glob("*.yaml")) for name in _file(path)]


def load(name: str) -> PublishedTable:
    """A table by its id; UnknownName with the nearest, ConfigError for a file with mistakes."""
    path = _FOLDER / f"{name.partition('/')[0]}.yaml"
    if path.parent == _FOLDER and path.is_file() and name in (tables := _file(path)):
        return tables[name]
    raise UnknownName(f"unknown table {name!r}{did_you_mean(name, names())}")


def find(reference: str) -> tuple[PublishedTable, str | None]:
    """What a study says it re-runs: "dfkd_fgvc/table3#cub200" is a column, without one it is the mean of the columns.

    UnknownName for a table that nobody knows, or a column that cannot be re-run.
    """
    name, mark, column = reference.partition("#")
    table = load(name)
    if mark and column not in table.runs:
        raise UnknownName(f"{name} has no run for {column!r}{did_you_mean(column, table.runs)}")
    return table, column or None


def reference(table: PublishedTable, column: str | None = None) -> str:
    """The inverse of `find`."""
    return table.id if column is None else f"{table.id}#{column}"


def conflicts(parts: Mapping[str, Any]) -> Iterator[Problem]:
    """Why a study cannot stand beside the published table that it names."""
    if not (named := parts.get("published")):
        return
    try:
        table, _ = find(named)
    except UnknownName as error:
        yield Problem("published", str(error))
        return
    if not table.runnable:
        yield Problem("published", f"{table.id} is data alone: {table.not_run}")
    elif "ablation" in parts:
        hand = parts["ablation"].hand if parts["ablation"] is not None else {}
        if missing := [row for row in table.arms if row not in hand]:
            yield Problem("published", f"the rows of {table.id} are arms, named by hand; missing: {', '.join(missing)}")
    goals = [objective.metric for objective in parts.get("objective", ())]
    if goals and goals[0] != metrics.VAL_ACCURACY:
        yield Problem("objective", f"{table.id} is of accuracies: {metrics.VAL_ACCURACY} comes first, got {goals[0]}")


@cache
def _file(path: Path) -> dict[str, PublishedTable]:
    return parsing.tables(yamls.load(path), path.stem)


__all__ = [
    "SEEDS",
    "Claim",
    "Compared",
    "Mark",
    "Paper",
    "PublishedCell",
    "PublishedTable",
    "Scale",
    "Verdict",
    "check",
    "find",
    "load",
    "names",
    "printed",
    "reference",
    "side_by_side",
    "study",
]
