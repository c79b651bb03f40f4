"""A study whose ledger cannot be written, and one whose clock jumps."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from dfkd_ray.tune.history import History
from dfkd_ray.tune.interrupts import Interrupted
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.util import tables
from tests.tune import toys

pytestmark = pytest.mark.usefixtures("no_fsync")


def test_a_ledger_that_cannot_be_written_interrupts_the_study_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = os.pwrite, [12]

    def written(handle: int, data: bytes, at: int) -> int:
        left[0] -= 1
        return real(handle, data if left[0] > 0 else data[:5], at)

    monkeypatch.setattr(os, "pwrite", written)
    with pytest.raises(Interrupted) as stopped:
        toys.start(toys.study(), toys.Toy(), tmp_path / "full")
    why, way = str(stopped.value).splitlines()
    assert why.startswith(f"the study cannot go on: {tmp_path}/full/ledger.jsonl: no space left on /")
    assert way == f"interrupted; resume with: dfkd-ray resume {tmp_path}/full"
    monkeypatch.setattr(os, "pwrite", real)
    toys.resume(tmp_path / "full", toys.Toy())
    toys.start(toys.study(), toys.Toy(), tmp_path / "plain")
    found, wanted = (History(read_records(tmp_path / name / NAME)[0]).trials for name in ("full", "plain"))
    assert [(t.state, t.changes, t.values) for t in found.values()] == [
        (t.state, t.changes, t.values) for t in wanted.values()
    ]


def test_a_clock_that_jumps_ends_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To before the epoch of Unix, to the year 300,000, and back; the hours of a budget go by another clock."""
    jumps = itertools.cycle([-1e15, 1.0, 9.3e12, 1.7e9])
    monkeypatch.setattr("time.time", lambda: next(jumps))
    made = toys.study({"budget: {trials: 8}": "budget: {trials: 4, hours: 1}"})
    summary = toys.start(made, toys.Toy(), tmp_path)
    assert (summary.complete + summary.pruned, summary.failed) == (4, 0)
    assert 0 <= summary.seconds < 60
    assert tables.read(tmp_path / "trials.arrow").num_rows == 4
