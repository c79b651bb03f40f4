"""Lines that fit a terminal."""

from __future__ import annotations

import os
import sys

import pytest

from dfkd_ray.util.terminal import wrapped


def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output as a terminal of forty columns; called by the test itself, since each phase has its own."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((40, 24)))


def test_a_pipe_gets_one_line() -> None:
    text = "name  " + "word " * 40
    assert wrapped(text, sys.stdout, 6) == text.rstrip()


def test_a_terminal_gets_lines_that_fit_and_no_word_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow(monkeypatch)
    long = "/a/path/" + "x" * 60
    text = "  first " + "word " * 20 + long + "\nsecond\n"
    lines = wrapped(text, sys.stdout).splitlines()
    assert (lines[0][:8], lines[-1]) == ("  first ", "second")
    assert all(line.startswith("    ") for line in lines[1:-1]), "under what they belong to"
    assert f"    {long}" in lines
    assert max(len(line) for line in lines if long not in line) <= 40
    assert " ".join(" ".join(lines).split()) == " ".join(text.split())
