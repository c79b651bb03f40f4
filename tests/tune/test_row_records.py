"""What stands in the record of a row: the same once, what changes each time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.tune import row_records
from dfkd_ray.tune.history import History
from dfkd_ray.tune.pictures import Picture, load
from dfkd_ray.tune.reuse import Finished
from dfkd_ray.tune.work import Row
from tests.tune import toys
from tests.tune.test_history import asked, records

pytestmark = pytest.mark.usefixtures("no_fsync")


def reported(history: History, folder: Path, epoch: int, **more: Any) -> dict[str, Any]:
    row = Row(epoch, 2.0, {"a": 0.5}, host="h", device="cpu", peak_memory=7, fingerprint="f", method={"m": 1}, **more)
    record = row_records.reported(folder, history.trials[0], row)
    history.apply(record)
    return record


def test_method_host_and_device_are_written_once(tmp_path: Path) -> None:
    history = History([*records(), asked(0)])
    first = reported(history, tmp_path, 1, picture=toys.PNG)
    assert {*first} - {*reported(history, tmp_path, 2)} == {
        *("method", "fingerprint", "parameters", "host", "device", "picture")
    }
    last = reported(history, tmp_path, 3, last=True, final={"x": 1.0})
    assert (last["last"], last["final"]) == (True, {"x": 1.0})
    trial = history.trials[0]
    assert (trial.method, trial.fingerprint) == ({"m": 1}, "f")
    assert [row["host"] for row in trial.rows.values()] == ["h"] * 3
    assert load(tmp_path, Picture(**first["picture"])) == toys.PNG
    assert trial.pictures == {1: Picture(**first["picture"])}


def test_the_rows_of_an_earlier_study_become_this_ones(tmp_path: Path) -> None:
    history = History([*records(), asked(0)])
    rest = {"host": "h", "device": "cpu", "peak_memory": 7}
    rows = tuple(
        {"epoch": e, "seconds": 2.0 * e, "metrics": {"a": 0.5 * e}, "last": e == 2, "final": {"x": e}, **rest}
        for e in (1, 2)
    )
    found = Finished(rows, {2: toys.PNG}, {"m": 1}, "f", "there")
    made = row_records.taken_over(tmp_path, history.trials[0], found)
    assert ["method" in record for record in made] == [True, False]
    for record in made:
        history.apply(record)
    trial = history.trials[0]
    assert [row["metrics"] for row in trial.rows.values()] == [{"a": 0.5}, {"a": 1.0}]
    assert trial.rows[2]["final"] == {"x": 2}
    assert [*trial.pictures] == [2]
