"""What is larger than any honest user writes is refused, in a line, before anything is built from it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.util import limits
from dfkd_ray.util.limits import TooLarge


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", 10**12, "must be at most 1,000,000, got 1,000,000,000,000"),
        ("epochs", -(10**7), "must be at most 1,000,000, got -10,000,000"),
        ("batch", 65_537, "must be at most 65,536, got 65,537"),
        ("threads", 10**30, "must be at most 1,024, got one of 31 digits"),
        ("seed", 2**63, "must be at most 9,223,372,036,854,775,807, got one of 19 digits"),
        ("image", (3, 10**6, 32), "must be at most 8,192, got 1,000,000"),
        ("lr", 1e101, r"must be at most 1e\+100, got 1e\+101"),
        ("lr", math.inf, r"must be at most 1e\+100, got inf"),
        ("cpu", math.nan, "must be at most 100,000, got nan"),
    ],
)
def test_a_number_has_the_bound_of_its_name(name: str, value: Any, message: str) -> None:
    with pytest.raises(TooLarge, match=f"^{message}$"):
        limits.check(name, value)


def test_what_is_no_number_has_none() -> None:
    for value in (None, True, "x" * 10**6, {"a": 10**30}, (), ("a", None), 65_536, [1.5, 65_536]):
        limits.check("batch", value)


def test_the_fields_of_a_dataclass() -> None:
    @dataclass
    class Recipe:
        batch: int
        lr: float

    limits.check_fields(Recipe(1, 0.1))
    with pytest.raises(TooLarge, match=r"^batch must be at most 65,536, got 100,000$"):
        limits.check_fields(Recipe(100_000, 0.1))


def test_several() -> None:
    limits.count("arms", range(1_000))
    with pytest.raises(TooLarge, match=r"^at most 1,000 arms, got 1,001$"):
        limits.count("arms", range(1_001))


@given(st.integers(-limits.WHOLE, limits.WHOLE))
def test_whole_numbers_are_read_as_python_reads_them(value: int) -> None:
    assert limits.whole(str(value)) == value


@pytest.mark.parametrize("digits", ["9" * 5_000, "9" * 400, "-" + "9" * 30, str(2**63), "0" * 40])
def test_whole_numbers_that_are_too_large(digits: str) -> None:
    with pytest.raises(TooLarge, match=r" is too large$") as refused:
        limits.whole(digits)
    assert len(str(refused.value)) < 80


def test_real_numbers() -> None:
    assert limits.real("-1e100") == -1e100
    for text in ("1e101", "-1e999", "Infinity", "9" * 300):
        with pytest.raises(TooLarge, match=r" is too large$"):
            limits.real(text)
    with pytest.raises(ValueError, match="NaN is no number"):
        limits.real("NaN")


def test_texts() -> None:
    assert limits.text("Grüße,\n\t雪 \u2028") == "Grüße,\n\t雪 \u2028"
    for odd in ("\0", "\x1b[2J", "\x7f", "\ud800"):
        with pytest.raises(TooLarge, match=rf"has the character U\+{ord(odd[0]):04X} in it"):
            limits.text(f"a{odd}b")
    with pytest.raises(TooLarge, match=r"has 11 characters, more than 10: 'a{11}'"):
        limits.text("a" * 11, 10)


def test_files_are_read_up_to_a_size(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 2_000_000)
    assert limits.read(path, 2_000_000) == b"x" * 2_000_000
    with pytest.raises(TooLarge, match=r"^has 2 MB, more than the 1 MB that such a file may have$"):
        limits.read(path, 1_000_000)
    with pytest.raises(TooLarge, match=r"^has more than the 1 MB that such a file may have$"):
        limits.read(Path("/dev/zero"), 1_000_000)
    with pytest.raises(FileNotFoundError):
        limits.read(tmp_path / "b", 1)


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-limits.WHOLE, limits.WHOLE)
    | st.floats(-limits.REAL, limits.REAL)
    | st.text(st.characters(exclude_categories=["Cc", "Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
    max_leaves=9,
)


@given(plain)
def test_json_is_what_python_reads(value: Any) -> None:
    assert limits.json_of(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("[" * 100_000, "nested too deep"),
        ("[" * 33 + "]" * 33, "nested too deep"),
        ('{"a":' * 33 + "1" + "}" * 33, "nested too deep"),
        ('{"a": NaN}', "NaN is no number"),
        ("[-Infinity]", "-Infinity is too large"),
        ("9" * 5_000, "9+…9+ is too large"),
        ("1e400", "1e400 is too large"),
        (r'{"a": "\u0000"}', r"has the character U\+0000 in it"),
        (r'{"\ud800": 1}', r"has the character U\+D800 in it"),
        ('{"a": 1', "Expecting ',' delimiter"),
        ("", "Expecting value"),
    ],
)
def test_json_that_is_refused(written: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(written)
    with pytest.raises(ValueError, match=message):
        limits.read_json(tmp_path / "a.json")
