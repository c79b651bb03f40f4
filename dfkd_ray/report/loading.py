"""The tables of a study as they are read from the disk: no more of them than a page looks at."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dfkd_ray.report import steps
from dfkd_ray.util import tables, words
from dfkd_ray.util.errors import StudyError

# columns that the first tables of this schema did not have
LATER = {
    "trials": ("draw", "tuning", "phase", "setting", "changed", "proposed_by", "unmet", "parameters"),
    "effects": ("low", "high"),
}


def whole(kind: str, path: Path) -> pa.Table:
    """A table with all columns of its kind; StudyError if it is damaged or of another kind."""
    loaded, schema = tables.read(path), tables.ALL[kind]
    for name in LATER.get(kind, ()):
        if name not in loaded.schema.names:
            loaded = loaded.append_column(name, pa.nulls(len(loaded), schema.field(name).type))
    _known(kind, path, loaded.schema)
    return loaded


def learning(kind: str, path: Path) -> pa.Table:
    """The columns of `steps` that a report looks at, the metrics by number: 20 bytes a row."""
    with tables.opened(path) as file:
        schema = file.schema
    _known(kind, path, schema)
    parts = list(steps.merged(tables.batches(path, steps.COLUMNS)))
    return pa.concat_tables(parts) if parts else schema.empty_table().select(steps.COLUMNS)


def unread(kind: str, path: Path) -> Path:
    """Where a table stands that is read for one trial alone, see `of_trial`; its columns are looked at."""
    with tables.opened(path) as file:
        _known(kind, path, file.schema)
    return path


_OWN: Mapping[str, Callable[[str, Path], Any]] = {"steps": learning, "images": unread}


def read(kind: str, path: Path) -> Any:
    """A table as the page takes it: whole, but `steps` and `images`."""
    return _OWN.get(kind, whole)(kind, path)


def of_trial(table: pa.Table | Path, number: int) -> pa.Table:
    """The rows of one trial."""
    return of_trials(table, {number})


def of_trials(table: pa.Table | Path, numbers: Collection[int]) -> pa.Table:
    """The rows of some trials."""
    wanted = pa.array(sorted(numbers), pa.int32())
    if isinstance(table, Path):
        with tables.opened(table) as file:
            schema = file.schema
        found = [b.filter(pc.is_in(b["trial"], wanted)) for b in tables.batches(table, schema.names)]
        return pa.Table.from_batches(found, schema)
    return table.filter(pc.is_in(table["trial"], wanted))


def _known(kind: str, path: Path, schema: pa.Schema) -> None:
    absent = [name for name in tables.ALL[kind].names if name not in schema.names]
    if absent:
        raise StudyError(f"{path}: not a table of {kind}: no column {words.listed(absent)}")
