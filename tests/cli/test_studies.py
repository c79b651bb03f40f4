"""What is said of studies that are there: `ls runs`. Of one alone it is tested with `status`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dfkd_ray.tune import standing
from tests.cli.commands import dfkd, refused
from tests.tune.test_history import ended
from tests.tune.test_standing import STORY, write


def test_runs_are_listed_the_latest_last_and_damage_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing.time, "time", lambda: 165.0)
    assert dfkd("ls", "runs", tmp_path).out == f"no study and no run in {tmp_path}\n"
    write(tmp_path / "b", [*STORY, ended(3, "complete", [0.5], time=120.0)])
    write(tmp_path / "a", STORY)
    (write(tmp_path / "c") / "ledger.jsonl").write_text("{}\n")
    lines = dfkd("ls", "runs", tmp_path).out.splitlines()
    assert [line.split()[:5] for line in lines] == [
        ["folder", "kind", "state", "trials", "best"],
        [f"{tmp_path}/c", "–", "unreadable", "–", "–"],
        [f"{tmp_path}/a", "sweep", "interrupted", "3/8", "val_accuracy"],
        [f"{tmp_path}/b", "sweep", "interrupted", "4/8", "val_accuracy"],
    ]
    told = json.loads(dfkd("ls", "runs", tmp_path, "--json").out)
    assert [Path(each["folder"]).name for each in told] == ["c", "a", "b"]
    assert "no record of a ledger can be read" in told[0]["why"]
    assert refused("ls", "runs", tmp_path / "none") == f"{tmp_path / 'none'}: there is no such folder"
    assert dfkd("ls", "methods", tmp_path).code == 2
