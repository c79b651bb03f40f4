"""Rings of images in files of their own: what is new is written, and nothing else; the same bits come back."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dfkd_ray.runs import rings
from dfkd_ray.runs.rings import Rings, _touched
from dfkd_ray.util.generations import Unsound

ROW = 1 << 10  # bytes


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four rows to a block."""
    monkeypatch.setattr(rings, "LEAST", 2 * ROW)
    monkeypatch.setattr(rings, "_BLOCK", 4 * ROW)


def ring(added: int, capacity: int = 10) -> Tensor:
    """Rows as `added` of them have left them: each is its own number, all over; float16 as in a pool."""
    held = torch.zeros(min(added, capacity), ROW // 2, dtype=torch.float16)
    for number in range(added):
        held[number % capacity] = number
    return held


def state(added: int) -> dict[str, Any]:
    held = ring(added)
    labels = held[:, 0].long()
    return {
        "memory": {"pools": [{"images": held, "labels": labels, "added": added}], "seed": 3},
        "student": torch.ones(3),
    }


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    return torch.equal(one, other) and one.dtype == other.dtype if isinstance(one, Tensor) else bool(one == other)


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    for added in (3, 10, 14):
        cut = Rings(tmp_path).split(state(added))
        assert cut["memory"]["pools"][0]["images"]["like"].shape == (0, ROW // 2)
        torch.save(cut, tmp_path / "file")
        assert (tmp_path / "file").stat().st_size < 8 * ROW
        assert same(Rings(tmp_path).join(torch.load(tmp_path / "file", weights_only=True)), state(added))


def test_an_epoch_writes_what_is_new(tmp_path: Path) -> None:
    held = Rings(tmp_path)
    sizes = {}
    for added in (8, 9, 9, 10, 11, 30):
        before = files(tmp_path)
        held.split(state(added))
        sizes[added, len(before)] = len(files(tmp_path) - before)
    assert list(sizes.values()) == [2, 1, 0, 1, 1, 3], "blocks of rows 0-3, 4-7, 8-9"


def test_nothing_is_read_of_a_ring_that_did_not_move(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held = Rings(tmp_path)
    first = held.split(state(14))

    def refuse(*about: Any) -> None:
        raise AssertionError("read")

    monkeypatch.setattr(Rings, "_write", refuse)
    assert (
        held.split(state(14))["memory"]["pools"][0]["images"]["files"] == first["memory"]["pools"][0]["images"]["files"]
    )
    again = Rings(tmp_path)
    again.join(first)
    again.split(state(14))


def test_files_are_called_by_their_digest_and_go_when_two_checkpoints_do_not_name_them(tmp_path: Path) -> None:
    held = Rings(tmp_path)
    named = []
    for added in (10, 20, 30):
        named.append(set(held.split(state(added))["memory"]["pools"][0]["images"]["files"]))
        held.prune()
    assert files(tmp_path) == named[1] | named[2] == held.used
    for path in tmp_path.iterdir():
        assert path.name == f"checkpoint-{hashlib.sha256(path.read_bytes()).hexdigest()}.rows"


@given(st.integers(1, 30), st.integers(0, 60), st.integers(0, 60), st.integers(1, 9))
def test_the_blocks_that_are_touched(capacity: int, before: int, new: int, count: int) -> None:
    added = before + new
    if size := min(added, capacity):
        asked = {number % capacity // count for number in range(before, added)}
        assert _touched(before, added, size, count) == asked


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 25), min_size=1, max_size=6))
def test_whatever_is_added_between_checkpoints(tmp_path_factory: pytest.TempPathFactory, steps: list[int]) -> None:
    folder = tmp_path_factory.mktemp("blocks")
    held, added = Rings(folder), 0
    for step in steps:
        added += step
        if added:
            cut = held.split(state(added))
            held.prune()
            assert same(Rings(folder).join(cut), state(added))


@pytest.mark.parametrize("how", ["lost", "damaged"])
def test_a_file_that_is_not_what_it_was_makes_the_checkpoint_damaged(how: str, tmp_path: Path) -> None:
    cut = Rings(tmp_path).split(state(10))
    path = next(tmp_path.iterdir())
    if how == "lost":
        path.unlink()
    else:
        held = bytearray(path.read_bytes())
        held[7] ^= 1
        path.write_bytes(held)
    with pytest.raises(Unsound, match=f"^{path.name} is {how}$"):
        Rings(tmp_path).join(cut)
    assert not path.exists(), "so that it is written again"


def test_what_is_not_there_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    cut = Rings(tmp_path / "there").split(state(10))
    asked: list[str] = []

    def fetch(name: str) -> None:
        asked.append(name)
        (tmp_path / name).write_bytes((tmp_path / "there" / name).read_bytes())

    assert same(Rings(tmp_path, fetch).join(cut), state(10))
    assert len(asked) == 3
