"""The seam: plain data that travels between processes and comes back the same."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from dfkd_ray.tune.work import Job, Row
from tests.tune import toys

JOB = Job(3, {"a.b": [1, {"c": None}]}, 7, "folder", "full", 2, "demo")
ROW = Row(4, 1.5, {"val_accuracy": 0.5}, b"x", True, {"test_accuracy/last": 0.4}, 10, "host", "cpu", "f", {"m": 1})


@pytest.mark.parametrize("sent", [JOB, ROW])
def test_it_travels(sent: object) -> None:
    assert pickle.loads(pickle.dumps(sent)) == sent


def test_a_work_goes_through_its_rows_and_the_last_one_carries_what_is_taken_once(tmp_path: Path) -> None:
    """The toys, which stand for every work in these tests, keep the protocol."""
    work = toys.Toy(max_epochs=3)
    rows = list(work.epochs(Job(0, {}, 0, str(tmp_path))))
    assert [row.epoch for row in rows] == [1, 2, 3]
    assert [row.last for row in rows] == [False, False, True]
    assert [bool(row.final) for row in rows] == [False, False, True]
    assert work.fingerprint({"a": 1, "b": 2}) == work.fingerprint({"b": 2, "a": 1}) != work.fingerprint({"a": 2})
