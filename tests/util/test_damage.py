"""What damaged bytes do to Arrow happens in another process, and is one line in this one."""

from __future__ import annotations

import struct
from pathlib import Path

import pyarrow as pa
import pytest

from dfkd_ray.util import damage, tables
from dfkd_ray.util.errors import StudyError

TRIAL = {"study": "demo", "trial": 0, "seed": 1, "state": "complete", "final": {"test_accuracy/last": 0.5}}
NOTE = {"study": {"name": "demo"}}


def without(path: Path) -> bytes:
    """The same table as an earlier version wrote it: without a seal."""
    data = tables.read(path)
    kept = {key: value for key, value in data.schema.metadata.items() if key != b"seal"}
    with pa.ipc.new_file(path, (data := data.replace_schema_metadata(kept)).schema) as writer:
        writer.write_table(data)
    return path.read_bytes()


def test_a_table_without_a_seal_is_tried_in_a_process_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "trials.arrow"
    tables.write(tables.table("trials", [TRIAL] * 9, NOTE), path)
    whole = without(path)
    assert tables.read(path).num_rows == 9
    offsets = struct.pack("<10i", *range(0, 40, 4))  # of the texts "demo" in the column `study`
    assert offsets in whole
    path.write_bytes(whole.replace(offsets, struct.pack("<10i", 0, 2**31 - 1, *range(8, 40, 4))))
    with pytest.raises(StudyError, match=rf"^{path}: damaged: pyarrow\.lib\.ArrowInvalid: .*; take it from a copy, or"):
        tables.read(path)


def test_what_crashes_arrow_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "trials.arrow"
    tables.write(tables.table("trials", [TRIAL], NOTE), path)
    without(path)
    monkeypatch.setattr(damage, "_TRY", "import os; os.abort()")
    with pytest.raises(StudyError, match=rf"^{path}: damaged: Arrow crashes where it reads it; take it from a copy"):
        tables.read(path)
