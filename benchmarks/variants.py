"""How the files of each kind are changed, so that what is hostile comes past the parser: see `kinds.py`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO
from random import Random
from typing import Any

import hostile
import pyarrow as pa

from dfkd_ray.tune import ledger
from dfkd_ray.util.tables import METADATA_KEY


def of_yaml(text: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    if rng.random() < 0.3:
        return hostile.scribbled(text, rng, others)
    return hostile.as_yaml(hostile.mutated(hostile.of_yaml(text), rng, [hostile.of_yaml(rng.choice(others))]))


def of_json(text: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    if rng.random() < 0.3:
        return hostile.scribbled(text, rng, others)
    data = json.loads(text)
    if rng.random() < 0.8:
        data.pop("seal", None)  # as one does who edits it: else nothing but the seal is looked at
    return hostile.as_json(hostile.mutated(data, rng, [json.loads(rng.choice(others))]))


def assignments(text: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """Lines of `--set`, of which some have a hostile path or value."""
    lines = []
    for line in rng.sample(text.split(b"\n"), rng.randint(1, 3)):
        path, _, _ = line.partition(b"=")
        new = rng.choice([hostile.as_json(hostile.value(rng)), rng.choice(hostile.TEXTS).encode("utf-8", "replace")])
        lines.append(rng.choice([line, line, hostile.scribbled(line, rng, others), path + b"=" + new]))
    return b"\n".join(lines)


def ledger_lines(text: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """Bytes that are damaged, or records that were never written, with the checksums that belong to them."""
    if rng.random() < 0.6:
        return hostile.broken(text, rng, others)
    lines = text.split(b"\n")
    at = rng.randrange(len(lines) - 1)
    record = hostile.mutated(ledger.decode(lines[at]), rng)
    lines[at] = ledger.encode(record)[:-1] if isinstance(record, dict) else hostile.as_json(record)
    return b"\n".join(lines)


def of_arrow(data: bytes, rng: Random, others: Sequence[bytes]) -> bytes:
    """Bytes that are damaged, or a sound table with hostile cells of the right types, or with another note in it."""
    if rng.random() < 0.6:
        return hostile.broken(data, rng, others)
    table = pa.ipc.open_file(data).read_all()
    if rng.random() < 0.5:
        note = hostile.mutated(json.loads(table.schema.metadata[METADATA_KEY]), rng)
        table = table.replace_schema_metadata({METADATA_KEY: hostile.as_json(note)})
    else:
        place = rng.randrange(table.num_columns)
        column = table.schema.field(place)
        cells = table.column(place).to_pylist()
        for _ in range(rng.choice([1, 3, 30])):
            cells[rng.randrange(len(cells))] = rng.choice([None, hostile.value(rng), rng.choice(cells)])
        try:
            changed = table.set_column(place, column, pa.array(cells, column.type))
            table = changed.replace_schema_metadata({METADATA_KEY: table.schema.metadata[METADATA_KEY]})
        except (pa.ArrowException, TypeError, ValueError, OverflowError):  # no cell of this type
            return hostile.broken(data, rng, others)
    out = BytesIO()
    with pa.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def leaves(data: Any, at: str = "") -> list[tuple[str, Any]]:
    if not isinstance(data, dict) or not data:
        return [(at, data)]
    return [leaf for key, value in data.items() for leaf in leaves(value, f"{at}.{key}" if at else str(key))]
