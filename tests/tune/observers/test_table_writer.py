"""The tables follow the study, and are there whatever ends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.tune.observers import table_writer
from dfkd_ray.util import tables
from dfkd_ray.util.errors import StudyError
from tests.tune import toys

pytestmark = pytest.mark.usefixtures("no_fsync")


def test_they_are_written_at_the_end_of_a_trial_but_not_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(10_000))
    written: list[int] = []
    monkeypatch.setattr(table_writer.time, "perf_counter", lambda: float(next(clock)))
    monkeypatch.setattr(
        "dfkd_ray.tune.tabulate.write_tables",
        lambda history, folder, parquet: written.append(len(history.trials) - len(history.running())),
    )
    toys.start(toys.study(), toys.Toy(), tmp_path)
    assert written == [1, 8], "the next time is due after 20 times of what the last writing took; then at the end"


def test_they_are_there_where_the_study_was_given_up(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="have all failed alike"):
        toys.start(toys.study(), toys.Toy(raises_at=1), tmp_path)
    assert len(tables.read(tmp_path / "trials.arrow")) == 3


def test_a_disk_that_is_full_is_said_and_does_not_end_the_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device", "trials.arrow")

    monkeypatch.setattr("dfkd_ray.tune.tabulate.write_tables", full)
    assert toys.start(toys.study(), toys.Toy(), tmp_path).finished
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(
        "warning: TableWriter: [Errno 28] No space left on device: 'trials.arrow'; the study goes on"
    )
