"""Two generations of a checkpoint, at most two on the disk, and never none because a write has failed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dfkd_ray.util import generations
from dfkd_ray.util.sealed import is_sound


def put(path: Path, content: bytes) -> None:
    generations.write(path, lambda file: file.write(content))


def got(path: Path) -> bytes | None:
    found: bytes | None = generations.read(path, lambda each: each.read_bytes().partition(b"\nsealed")[0])
    return found


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("links", [True, False])
def test_the_newest_is_read_and_the_one_before_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    if not links:
        monkeypatch.setattr(os, "link", lambda *paths: (_ for _ in ()).throw(OSError("not supported")))
    path = tmp_path / "c.pt"
    assert got(path) is None
    for number in range(3):
        put(path, b"%d" % number)
        assert got(path) == b"%d" % number
    assert names(tmp_path) == ["c.pt", "c_before.pt"]
    path.unlink()
    assert got(path) == b"1"
    generations.remove(path)
    assert names(tmp_path) == []


def test_a_write_that_fails_leaves_the_newest(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    put(path, b"0")
    put(path, b"1")

    def full(file: object) -> None:
        assert sum(each.stat().st_size for each in {e.stat().st_ino: e for e in tmp_path.glob("c*")}.values()) < 100
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        generations.write(path, full)
    assert got(path) == b"1"


def test_what_goes_on_from_the_one_before_keeps_it_while_it_writes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.pt"
    put(path, b"0")
    put(path, b"1")
    path.write_bytes(b"damaged")
    assert got(path) == b"0"
    assert capsys.readouterr().err == (
        f"warning: {path}: a damaged checkpoint, removed: the one before it goes on, to the same end\n"
    )

    def killed(file: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generations.write(path, killed)
    assert got(path) == b"0"
    assert capsys.readouterr().err == ""
    put(path, b"1")
    assert is_sound(path)
    assert is_sound(generations.before(path))


def test_one_that_lacks_what_it_needs_is_damaged_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.pt"
    put(path, b"0")
    put(path, b"1")

    def load(each: Path) -> bytes:
        if each == path:
            raise generations.Unsound("a part is lost")
        return each.read_bytes()

    assert generations.read(path, load).startswith(b"0")
    assert names(tmp_path) == ["c_before.pt"]
    assert "a damaged checkpoint, removed: the one before it goes on" in capsys.readouterr().err
