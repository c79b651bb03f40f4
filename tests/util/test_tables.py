"""Tables are written whole or not at all, and everybody can read them."""

from __future__ import annotations

import datetime
import json
import math
import random
from array import array
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dfkd_ray.util import tables
from dfkd_ray.util.errors import StudyError

NOTE = {"study": {"name": "demo", "seed": 0}, "provenance": {"python": "3.11"}, "finished": True}
STEPS = [
    {"trial": 0, "epoch": 1, "seconds": 0.5, "metric": "val_accuracy", "value": 0.25},
    {"trial": 0, "epoch": 2, "seconds": 1.0, "metric": "val_accuracy", "value": float("nan")},
    {"trial": 1, "epoch": 1, "seconds": 0.7, "metric": "loss/student/kd", "value": None},
]
TRIAL = {
    "study": "demo",
    "trial": 0,
    "seed": 2**40,
    "changes": '{"student_loss.kd.weight": 2.0}',
    "state": "complete",
    "objectives": [0.9, 0.1],
    "started": datetime.datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=datetime.UTC),
    "final": {"test_accuracy/last": 0.5, "test_accuracy/best": 0.625},
}
ROWS: dict[str, list[dict[str, Any]]] = {
    "trials": [TRIAL],
    "steps": STEPS,
    "images": [{"trial": 0, "epoch": 1, "format": "webp", "picture": b"\x00\xffRIFF"}],
    "effects": [{"component": "mhad", "difference": 0.5, "pairs": 3, "aliases": ["a x b"], "exact": True}],
    "evaluation": [{"index": 0, "label": 2, "student": 1, "student_confidence": 0.5, "student_rank": 1, "kl": None}],
    "dense": [{"index": 0, "student": 0.5, "teacher": None}],
    "examples": [{"index": 0, "what": "image", "format": "webp", "picture": b"\x00\xffRIFF"}],
}


@pytest.mark.parametrize("kind", tables.ALL)
@pytest.mark.parametrize("empty", [False, True])
def test_rows_and_metadata_survive(kind: str, empty: bool, tmp_path: Path) -> None:
    rows = [] if empty else ROWS[kind]
    path = tmp_path / f"{kind}.arrow"
    tables.write(tables.table(kind, rows, NOTE), path, parquet=True)
    for back in (tables.read(path), pq.read_table(path.with_suffix(".parquet"))):
        assert tables.metadata(back) == {"schema": tables.SCHEMA_VERSION, **NOTE}
        assert back.schema.equals(tables.ALL[kind])
        got = back.to_pylist(maps_as_pydicts="strict")
        got = [{key: row[key] for key in given} for row, given in zip(got, rows)]
        assert json.dumps(got, default=str) == json.dumps(rows, default=str), "as text, since nan is not nan"
        assert back.num_rows == len(rows)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"{kind}.arrow", f"{kind}.parquet"]


def test_columns_in_batches_are_the_rows(tmp_path: Path) -> None:
    codes = (array("i", [0, 0, 1]), ["val_accuracy", "loss/student/kd"])
    columns: dict[str, Any] = {
        "trial": array("i", [0, 0, 1]),
        "epoch": [1, 2, 1],
        "seconds": array("d", [0.5, 1.0, 0.7]),
    }
    columns |= {"metric": codes, "value": [0.25, math.nan, None]}
    some = {"trial": [2], "epoch": [1], "seconds": [0.1], "metric": ["kl"], "value": [0.5]}
    tables.write(tables.batched("steps", [columns, some], NOTE), tmp_path / "steps.arrow", parquet=True)
    last = {"trial": 2, "epoch": 1, "seconds": 0.1, "metric": "kl", "value": 0.5}
    for back in (tables.read(tmp_path / "steps.arrow"), pq.read_table(tmp_path / "steps.parquet")):
        assert tables.metadata(back) == {"schema": tables.SCHEMA_VERSION, **NOTE}
        assert back.schema.equals(tables.STEPS)
        assert json.dumps(back.to_pylist()) == json.dumps([*STEPS, last])


def test_pandas_polars_and_duckdb_read_both_files(tmp_path: Path) -> None:
    pd, pl, duckdb = (pytest.importorskip(name) for name in ("pandas", "polars", "duckdb"))
    for kind in tables.SCHEMAS:
        rows = ROWS[kind]
        path = tmp_path / f"{kind}.arrow"
        tables.write(tables.table(kind, rows, NOTE), path, parquet=True)
        parquet = path.with_suffix(".parquet")
        assert list(pd.read_feather(path)["trial"]) == [row["trial"] for row in rows]
        assert pl.read_ipc(path)["trial"].to_list() == [row["trial"] for row in rows]
        assert pl.read_parquet(parquet).height == pd.read_parquet(parquet).shape[0] == len(rows)
        arrow = tables.read(path)
        for origin in (f"'{parquet}'", "arrow"):
            found = duckdb.sql(f"select count(*), max(trial) from {origin}").fetchall()
            assert found == [(arrow.num_rows, max(row["trial"] for row in rows))]
    steps = tmp_path / "steps.parquet"
    assert duckdb.sql(f"select value from '{steps}' where metric = 'val_accuracy' and epoch = 1").fetchall() == [
        (0.25,)
    ]


@pytest.mark.parametrize("parquet", [False, True])
def test_a_write_that_fails_leaves_the_old_file_and_no_litter(
    parquet: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "steps.arrow"
    old, new = tables.table("steps", STEPS[:1], NOTE), tables.table("steps", STEPS, NOTE)
    tables.write(old, path, parquet=True)

    def fail(*args: Any, **options: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(pq.ParquetWriter if parquet else pa.ipc.RecordBatchFileWriter, "write_batch", fail)
    with pytest.raises(OSError, match="no space left"):
        tables.write(new, path, parquet=True)
    monkeypatch.undo()
    assert tables.read(path).num_rows == (3 if parquet else 1)
    assert pq.read_table(path.with_suffix(".parquet")).num_rows == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["steps.arrow", "steps.parquet"]


def test_a_reader_keeps_what_it_has_while_the_file_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "steps.arrow"
    tables.write(tables.table("steps", STEPS, NOTE), path)
    before = tables.read(path)
    tables.write(tables.table("steps", [], NOTE), path)
    assert before.column("trial").to_pylist() == [0, 0, 1]
    assert tables.read(path).num_rows == 0


def test_missing_damaged_and_foreign_files_are_study_errors(tmp_path: Path) -> None:
    path = tmp_path / "steps.arrow"
    with pytest.raises(StudyError, match=r"steps\.arrow: there is no such table"):
        tables.read(path)
    tables.write(tables.table("steps", STEPS, NOTE), path)
    whole = path.read_bytes()
    for length in range(0, len(whole) - 1, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(StudyError, match=r"not an Arrow file|damaged: "):
            tables.read(path)
    path.write_bytes(b"trial,epoch\n0,1\n" * 20)
    with pytest.raises(StudyError, match="not an Arrow file"):
        tables.read(path)
    with pytest.raises(StudyError, match="not an Arrow file"):
        tables.read(tmp_path)


@pytest.mark.parametrize("note", [None, b"{}", b'{"schema": 2}', b'{"schema": null}', b'{"schema": "1"}', b"[1]", b"{"])
def test_another_schema_is_refused(note: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "steps.arrow"
    data = tables.table("steps", STEPS, NOTE)
    tables.write(data.replace_schema_metadata({tables.METADATA_KEY: note} if note else None), path)
    with pytest.raises(StudyError, match=r"steps\.arrow: schema version"):
        tables.read(path)


def test_any_flipped_bit_is_told_before_arrow_sees_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "trials.arrow"
    tables.write(tables.table("trials", [TRIAL], NOTE), path)
    whole, draw = path.read_bytes(), random.Random(0)
    monkeypatch.setattr(pa, "memory_map", lambda path: pytest.fail("Arrow has seen it"))
    says = rf"^{path}: damaged: its checksum does not fit; take it from a copy, or write it again: dfkd-ray resume "
    for place in draw.sample(range(len(whole)), 400):
        broken = bytearray(whole)
        broken[place] ^= 1 << draw.randrange(8)
        path.write_bytes(broken)
        with pytest.raises(StudyError, match=says):
            tables.read(path)


def test_a_column_of_another_type_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "steps.arrow"
    data = tables.table("steps", STEPS, NOTE)
    tables.write(data.set_column(1, "epoch", data["epoch"].cast(pa.string())), path)
    says = rf"^{path}: of another schema: column epoch is string, not int32; take it from a copy, or write it again: "
    with pytest.raises(StudyError, match=says):
        tables.read(path)
    tables.write(data.set_column(3, "metric", data["metric"].dictionary_encode()), path)
    assert tables.read(path)["metric"].to_pylist() == data["metric"].to_pylist()


def test_a_row_of_the_wrong_type_is_refused_before_anything_is_written() -> None:
    with pytest.raises(pa.ArrowException):
        tables.table("steps", [{"trial": "zero"}], NOTE)
