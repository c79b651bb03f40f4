"""The tables of the papers as data, and the studies that re-run them. Needs no torch.

One file a paper, one id a table ("dfkd_fgvc/table3"). A number stands here with its place, its mark (read in the paper,
or secondary, with where it was read) and, where this project can run it again, with the change to a method that its row
means. A claim is a contrast between rows, so that the paper's numbers and a study's effects answer the same question.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from dfkd_ray.study.published import parsing
from dfkd_ray.study.published.claims import Compared, Verdict, check, printed, side_by_side
from dfkd_ray.study.published.rerun import SEEDS, Scale, study
from dfkd_ray.study.published.table import Claim, Mark, Paper, PublishedCell, PublishedTable
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import UnknownName
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
