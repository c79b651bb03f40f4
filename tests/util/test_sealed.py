"""Seals: whatever bit flips is seen, and what is sealed is what it was but for its digits."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfkd_ray.util import sealed
from dfkd_ray.util.sealed import BLANK, is_sound, is_sound_text, seal, seal_file, seal_json, sealed_write

ZEROS = b"0" * 64
MARK = BLANK.encode()[:14]
PLAIN = st.binary(max_size=200).filter(lambda held: MARK not in held)  # hypothesis knows the texts of the code


def test_a_seal_is_the_sha256_of_the_file_with_zeros_in_its_place() -> None:
    held = b"before " + BLANK.encode() + b" between " + BLANK.encode() + b" after"
    digest = hashlib.sha256(held).hexdigest().encode()
    assert seal(held) == held.replace(ZEROS, digest)
    assert is_sound_text(seal(held)) is True
    assert is_sound_text(held) is False
    assert is_sound_text(b"nothing of the kind") is None
    assert is_sound_text(b"") is None


def test_a_file_gets_its_seal_behind_its_end(tmp_path: Path) -> None:
    with sealed_write(tmp_path / "a") as file:
        assert [file.write(part) for part in (b"one", memoryview(b"two"))] == [3, 3]
    held = (tmp_path / "a").read_bytes()
    assert held[:6] == b"onetwo"
    assert held == seal(b"onetwo\n" + BLANK.encode() + b"\n")
    assert is_sound(tmp_path / "a") is True


def test_a_file_that_is_being_written_is_sealed_wherever_it_says_so(tmp_path: Path) -> None:
    held = BLANK.encode() + b"body" + BLANK.encode()
    with (tmp_path / "a").open("wb") as file:
        file.write(held)
        seal_file(file)
    assert (tmp_path / "a").read_bytes() == seal(held)


def test_json_stays_json() -> None:
    held = seal_json({"a": 1, "b": [True]})
    assert is_sound_text(held) is True
    assert list(json.loads(held)) == ["a", "b", "seal"]
    assert is_sound_text(held.replace(b'"a": 1', b'"a": 2')) is False


@settings(deadline=None, max_examples=60)
@given(PLAIN, PLAIN, st.integers(1, 200), st.integers(1, 3))
def test_the_size_of_the_parts_that_are_read_means_nothing(before: bytes, after: bytes, size: int, seals: int) -> None:
    held = before + BLANK.encode() * seals + after
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealed, "_CHUNK", size)
        made = seal(held)
        assert is_sound_text(made) is True
    assert made == held.replace(ZEROS, hashlib.sha256(held).hexdigest().encode())


def test_any_flipped_bit_is_seen_but_one_in_the_mark_which_leaves_the_rest_as_it_was() -> None:
    made = seal(b"something " + BLANK.encode() + b" more")
    for bit in range(8 * len(made)):
        broken = bytearray(made)
        broken[bit // 8] ^= 1 << bit % 8
        within = 10 <= bit // 8 < 10 + len(MARK)
        assert is_sound_text(bytes(broken)) is (None if within else False)
