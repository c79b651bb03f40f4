"""Durations as people write them."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.util.durations import seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("90", 90),
        ("90s", 90),
        ("10 min", 600),
        ("10m", 600),
        ("1.5h", 5400),
        ("2d", 172_800),
        (" 1 h ", 3600),
    ],
)
def test_a_number_and_a_unit(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "-1", "h", "1 week", "1h30", "inf", "nan", "1e9", "1..5s", "\u0663", "9" * 30])
def test_what_is_no_duration(text: str) -> None:
    said = f"a duration is a number with s, min, h or d, such as 30min; got {text!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        seconds(text)


@given(st.text(max_size=12))
def test_any_text_is_one_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert seconds(text) >= 0
