"""The copy here of a study in a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.tune.copies import bring_home, publish, pull, refresh
from dfkd_ray.util.store import Store
from tests.tune.test_mirror import machine


def test_publish_puts_what_has_changed(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = machine(tmp_path, "one", monkeypatch, bucket)
    for name in ("report.html", "pictures/a.webp", "trials/0000/run.json", "ledger.jsonl", "ledger.lock"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    publish(folder)
    held = Store(bucket)
    assert held.names() == ["pictures/a.webp", "report.html"]
    held.remove(["pictures/a.webp"])
    (folder / "report.html").write_text("another")
    publish(folder)
    assert held.names() == ["report.html"], "the picture has not changed"
    assert held.get("report.html")[0] == b"another"
    publish(tmp_path)  # the copy of nothing
    two = machine(tmp_path, "two", monkeypatch, bucket)
    assert pull(two, held) == 0
    (two / "report.html").unlink()
    refresh(two)
    refresh(tmp_path)
    assert Path("reports", *bucket.replace("://", "/").split("/"), "report.html").read_text() == "another"


@pytest.mark.parametrize("memory", [b"", b"[1]", b"{}", b"\xff"])
def test_a_memory_that_cannot_be_read_is_none(
    memory: bytes, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = machine(tmp_path, "one", monkeypatch, bucket)
    (folder / "report.html").write_text("page")
    (folder / "store.pushed").write_bytes(memory)
    publish(folder)
    assert Store(bucket).names() == ["report.html"]


def test_what_a_trial_has_left_comes_home(bucket: str, tmp_path: Path) -> None:
    held = Store(bucket)
    for name in ("run.json", "student.safetensors", "checkpoint-000003.pt"):
        held.put(f"trials/0004/{name}", name.encode())
    home = tmp_path / "trials" / "0004"
    home.mkdir(parents=True)
    (home / "run.json").write_text("here")
    bring_home(tmp_path, held, 4)
    assert {path.name: path.read_text() for path in home.iterdir()} == {
        "run.json": "here",
        "student.safetensors": "student.safetensors",
    }
