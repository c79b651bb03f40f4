"""What changes in a folder goes to a store, in a thread."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.util.store import Store, StoreError
from dfkd_ray.util.uploads import Seen, Uploads, changed


class Held(Store):
    """A store in memory that waits for `go` before it takes anything."""

    def __init__(self) -> None:
        super().__init__("s3://bucket/x")
        object.__setattr__(self, "there", {})
        object.__setattr__(self, "order", [])
        object.__setattr__(self, "go", threading.Event())
        object.__setattr__(self, "fails", [])

    def put(self, name: str, data: Any) -> None:
        self.go.wait(60)
        if self.fails:
            raise self.fails.pop()
        self.order.append(name)
        self.there[name] = data.read()


@pytest.fixture
def made(tmp_path: Path) -> tuple[Any, Uploads, Path]:
    held = Held()
    return held, Uploads(held), tmp_path


def write(folder: Path, name: str, text: str) -> Path:
    (folder / f".{name}").write_text(text)
    (folder / f".{name}").replace(folder / name)
    return folder / name


def test_files_go_as_they_were_when_they_were_offered(made: tuple[Any, Uploads, Path]) -> None:
    held, uploads, folder = made
    uploads.offer({"a": write(folder, "a", "one")}, {"z": write(folder, "z", "last")})
    write(folder, "a", "two")
    (folder / "z").unlink()
    held.go.set()
    uploads.finish()
    assert held.there == {"a": b"one", "z": b"last"}
    assert held.order == ["a", "z"]
    uploads.close()


def test_of_what_waits_the_newest_is_enough(made: tuple[Any, Uploads, Path]) -> None:
    held, uploads, folder = made
    done: list[int] = []
    uploads.offer({"begun": write(folder, "a", "0")})
    while uploads._waiting is not None:
        pass
    for number in (1, 2, 3):
        files = {"curve": write(folder, "c", f"{number}"), f"block{number}": write(folder, "b", f"{number}")}
        last = {f"checkpoint{number}": write(folder, "k", f"{number}")} if number < 3 else {}
        uploads.offer(files, last, lambda number=number: done.append(number))  # type: ignore[misc]
    held.go.set()
    uploads.finish()
    assert held.there["curve"] == b"3"
    assert {name for name in held.there if name.startswith("block")} == {"block1", "block2", "block3"}
    assert [name for name in held.order if name.startswith("checkpoint")] == ["checkpoint2"] == held.order[-1:]
    assert done == [2]
    uploads.close()


def test_what_fails_is_told_by_the_next_call(made: tuple[Any, Uploads, Path]) -> None:
    held, uploads, folder = made
    held.fails.append(StoreError("no"))
    held.go.set()
    uploads.offer({"a": write(folder, "a", "1")})
    with pytest.raises(StoreError, match=r"^no$"):
        uploads.finish()
    uploads.offer({"b": folder / "a"})
    uploads.finish()
    assert held.there == {"b": b"1"}
    uploads.close()


def test_what_waits_is_given_up_at_the_end(made: tuple[Any, Uploads, Path]) -> None:
    held, uploads, folder = made
    uploads.offer({"a": write(folder, "a", "1")})
    while uploads._waiting is not None:
        pass
    uploads.offer({"b": folder / "a"})
    threading.Timer(0.1, held.go.set).start()
    uploads.close()
    assert held.there == {"a": b"1"}


def test_what_has_changed(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / ".hidden").mkdir()
    for name in ("a", "deep/b", ".c", ".hidden/d", "skipped"):
        (tmp_path / name).write_text("1")
    seen: Seen = {}
    assert changed(tmp_path, seen, lambda name: name == "skipped") == {
        "a": tmp_path / "a",
        "deep/b": tmp_path / "deep" / "b",
    }
    assert changed(tmp_path, seen, lambda name: name == "skipped") == {}
    (tmp_path / "a").write_text("22")
    assert [*changed(tmp_path, seen, lambda name: name == "skipped")] == ["a"]
