"""Folders that are gone when their process is."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from dfkd_ray.util.scratch import scratch


@pytest.fixture(autouse=True)
def own_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_it_is_there_for_the_block(tmp_path: Path) -> None:
    with scratch() as one, scratch() as other:
        (one / "file").write_text("1")
        assert (one.is_dir(), other.is_dir(), one != other) == (True, True, True)
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_over_goes(tmp_path: Path) -> None:
    code = "import os; from dfkd_ray.util.scratch import scratch\nwith scratch() as s: os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], env={**__import__("os").environ, "TMPDIR": str(tmp_path)}, check=False)
    others = tmp_path / "dfkd-ray-scratch-being-made"
    others.mkdir()
    assert len(list(tmp_path.iterdir())) == 2
    with scratch() as there:
        assert {*tmp_path.iterdir()} == {there.parent, others}
