"""Lines that fit a terminal, tables, and JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.cli import printing
from dfkd_ray.util.words import DASH


def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output as a terminal of forty columns; called by the test itself, since each phase has its own."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((40, 24)))


def test_a_pipe_gets_one_line() -> None:
    text = "name  " + "word " * 40
    assert printing.wrapped(text, 6) == text.rstrip()


def test_a_terminal_gets_lines_that_fit_and_no_word_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow(monkeypatch)
    long = "/a/path/" + "x" * 60
    text = "  first " + "word " * 20 + long + "\nsecond\n"
    lines = printing.wrapped(text).splitlines()
    assert (lines[0][:8], lines[-1]) == ("  first ", "second")
    assert all(line.startswith("    ") for line in lines[1:-1]), "under what they belong to"
    assert f"    {long}" in lines
    assert max(len(line) for line in lines if long not in line) <= 40
    assert " ".join(" ".join(lines).split()) == " ".join(text.split())


def test_the_last_column_stands_under_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow(monkeypatch)
    printing.table([("a", "what"), ("name", "many words that do not fit on a line of forty columns")])
    assert capsys.readouterr().out.splitlines() == [
        "a     what",
        "name  many words that do not fit on a",
        "      line of forty columns",
    ]


def test_a_table_as_json_has_the_names_of_its_head(capsys: pytest.CaptureFixture[str]) -> None:
    printing.table([("a", "b"), ("1", "é")], json=True)
    assert json.loads(capsys.readouterr().out) == [{"a": "1", "b": "é"}]


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.lists(inner).map(tuple),
    max_leaves=10,
)


def strict(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


@given(PLAIN)
def test_json_is_what_every_reader_takes(data: object) -> None:
    told = json.loads(json.dumps(printing._plain(data), allow_nan=False), parse_constant=strict)
    assert told == printing._plain(told), "and reading it gives the same again"


def test_what_is_no_plain_value_is_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    printing.as_json({"path": Path("a/b"), 3: float("nan"), "of": (1, True)})
    assert json.loads(capsys.readouterr().out) == {"path": "a/b", "3": None, "of": [1, True]}


def test_columns_share_the_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    narrow(monkeypatch)
    printing.columns([("path", "one", "other"), ("p", "x" * 90, "y")])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 40
    assert lines[1].split()[1].count("x") == 15


def test_a_value_is_as_in_a_file() -> None:
    assert printing.value({"a": [1, "b"]}) == "{a: [1, b]}"
    assert printing.value(None) == DASH
