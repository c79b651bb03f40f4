from __future__ import annotations

import sys

import pytest

from dfkd_ray.datasets import progress


@pytest.mark.parametrize(
    ("terminal", "total", "said"),
    [
        (True, 2000, "\rfiles: 1,000 of 2,000 read\rfiles: 2,000 of 2,000 read\n"),
        (True, None, "\rfiles: 1,000 read\n"),  # the second follows too soon
        (False, 2000, ""),
    ],
)
def test_a_terminal_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], terminal: bool, total: int | None, said: str
):
    monkeypatch.setattr(progress, "_SLOW", -1.0)
    monkeypatch.setattr(progress, "_PAUSE", 1000.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    with progress.telling("files", total, "read") as tell:
        tell(1000)
        tell(2000)
    assert capsys.readouterr().err == said


def test_what_is_quick_is_not_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(progress, "_SLOW", 1000.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with progress.telling("files", 2, "read") as tell:
        tell(2)
    assert capsys.readouterr().err == ""
