"""Lines that fit a terminal, tables, and JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.cli import printing
from dfkd_ray.util.words import DASH
from tests.util.test_terminal import narrow


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
