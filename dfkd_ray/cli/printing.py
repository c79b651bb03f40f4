"""How commands print: lines that fit the terminal, tables, and for programs the same as JSON."""

from __future__ import annotations

import json as _json
import math
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

from dfkd_ray.util import words
from dfkd_ray.util.terminal import wrapped

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs, in place of the table.")]
COLUMN = 40  # the most that a value of `columns` is padded to


def say(text: str, err: bool = False) -> None:
    """Print text in lines that fit."""
    typer.echo(wrapped(text, sys.stderr if err else sys.stdout), err=err)


def table(rows: Iterable[Sequence[str]], json: bool = False) -> None:
    """Print rows in columns; the last column is wrapped, and stands under itself. json: each row by the names in the
    first, which is the head."""
    cells = [tuple(row) for row in rows]
    if json:
        as_json([dict(zip(cells[0], row)) for row in cells[1:]])
        return
    widths = [max(map(len, column)) for column in zip(*cells)]
    before = sum(widths[:-1]) + 2 * (len(widths) - 1)
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip()
        typer.echo(wrapped(line, sys.stdout, before))


def value(given: Any) -> str:
    """A value as it would stand in a file, in one line; a dash where there is none."""
    from dfkd_ray.util import yamls

    if given is None:
        return words.DASH
    return yamls.dump(given, default_flow_style=True, width=sys.maxsize).partition("\n")[0]


def columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows side by side; on a terminal the values are cut to what the first column leaves of the line."""
    count = max(map(len, rows))
    first = max(len(row[0]) for row in rows)
    most = COLUMN
    if sys.stdout.isatty():
        room = shutil.get_terminal_size().columns - first - 2 * (count - 1)
        most = min(COLUMN, max(16, room // (count - 1)))
        rows = [(row[0], *(words.shorten(cell, most) for cell in row[1:])) for row in rows]
    widths = [first, *(min(most, max(len(cell) for cell in column)) for column in list(zip(*rows))[1:])]
    for row in rows:
        typer.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths)).rstrip())


def as_json(data: Any) -> None:
    """Print plain data as JSON that every reader takes: what is no number is null, what is no plain value its text."""
    typer.echo(_json.dumps(_plain(data), indent=1, ensure_ascii=False, allow_nan=False))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)
