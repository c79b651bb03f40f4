"""A published table: its numbers, where they stand, and what each row means as a change to a method."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Mark = Literal["read", "secondary"]  # read in the paper itself; or elsewhere, for example in its authors' repository
By = Literal["text", "table"]  # the paper says it in words; or its numbers say it


@dataclass(frozen=True)
class Paper:
    """The paper. `short` is the name that the field uses; `arxiv` is null where no such id is known."""

    short: str
    title: str
    authors: str
    venue: str
    arxiv: str | None = None

    @property
    def citation(self) -> str:
        """Who, where and when: "Shao et al., ICCV 2023"."""
        last = [name.split()[-1] for name in self.authors.split(",")]
        who = f"{last[0]} et al." if len(last) > 2 else " and ".join(last)
        return f"{who}, {self.venue.partition(';')[0]}"


@dataclass(frozen=True)
class PublishedCell:
    """One number; `via`: repository, commit and file where it was read, if not in the paper (mark "secondary")."""

    row: str
    column: str
    value: float
    mark: Mark
    via: str = ""


@dataclass(frozen=True)
class Claim:
    """A statement about a table: it holds where sum_a weights[a] * accuracy(a) > 0; the weights sum to 0."""

    text: str
    weights: Mapping[str, float]
    by: By = "table"

    def __post_init__(self) -> None:
        if not any(self.weights.values()) or not math.isclose(sum(self.weights.values()), 0, abs_tol=1e-9):
            stand = ", ".join(f"{arm}: {weight:g}" for arm, weight in self.weights.items())
            raise ValueError(f"weights of a claim sum to 0 and are not all 0, got {stand or 'none'}")


@dataclass(frozen=True)
class PublishedTable:
    """One table of a paper.

    number: its place in the source. teacher, student, task, metric, rows: in words; rows: what a row is.
    columns: name -> what it is. unit: "points" is per cent of the test images.
    best_on_test: the code, as `util.code_files` has it, that keeps the best epoch on the split it reports; empty: the
        source is not known to do so.
    method, arms, runs: what re-runs it. arms: row -> changes to the method; runs: column -> the task, and changes that
        all rows share, at the paper's scale. Without arms the table is data alone, and `not_run` says why.
    """

    id: str
    number: str
    title: str
    source: Paper
    metric: str
    unit: str
    task: str
    teacher: str
    student: str
    rows: str
    columns: Mapping[str, str]
    cells: tuple[PublishedCell, ...]
    note: str = ""
    best_on_test: str = ""
    method: str | None = None
    arms: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    runs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    not_run: str = ""

    @property
    def runnable(self) -> bool:
        """Whether this project can run it again."""
        return bool(self.arms)

    @property
    def row_names(self) -> tuple[str, ...]:
        """The rows, in the order of the table."""
        return tuple(dict.fromkeys(cell.row for cell in self.cells))

    def cell(self, row: str, column: str) -> PublishedCell | None:
        """The number that stands there; None where the source has none."""
        return next((cell for cell in self.cells if (cell.row, cell.column) == (row, column)), None)

    def value(self, row: str, column: str | None = None) -> float | None:
        """A number; without a column the mean over the columns that can be re-run. None where one is missing."""
        wanted = list(self.runs) if column is None else [column]
        found = [cell.value for name in wanted if (cell := self.cell(row, name)) is not None]
        return math.fsum(found) / len(found) if found and len(found) == len(wanted) else None
