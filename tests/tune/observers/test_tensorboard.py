"""Event files, read by TensorBoard's own reader."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.tune.observers.sending import About, Curve, Point
from tests.tune import toys
from tests.tune.observers import killed

loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
tensorboard = pytest.importorskip("dfkd_ray.tune.observers.tensorboard")


def scalars(folder: Path) -> Counter[tuple[str, int, float]]:
    """How often each (tag, step, value) stands in the files of one folder."""
    found: Counter[tuple[str, int, float]] = Counter()
    for file in folder.glob("events.out.tfevents.*"):
        for event in loader.EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                if value.tag == tensorboard.IMAGES:
                    continue
                if value.tag.startswith("_hparams_"):
                    found[value.tag, event.step, 0.0] += 1
                else:
                    found[value.tag, event.step, value.tensor.float_val[0]] += 1
    return found


def images(folder: Path) -> Counter[tuple[int, tuple[bytes, ...]]]:
    """How often each (step, (width, height, file)) does."""
    found: Counter[tuple[int, tuple[bytes, ...]]] = Counter()
    for file in folder.glob("events.out.tfevents.*"):
        for event in loader.EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                if value.tag == tensorboard.IMAGES:
                    assert value.metadata.plugin_data.plugin_name == "images"
                    found[event.step, tuple(value.tensor.string_val)] += 1
    return found


def close(value: float) -> Any:
    return pytest.approx(value, rel=1e-6)  # event files have single precision


def test_after_kill_and_resume_each_point_is_there_once(tmp_path: Path) -> None:
    killed.run(tmp_path, "tensorboard")
    points, final = killed.in_the_ledger(tmp_path), killed.final(tmp_path)
    for number in range(3):
        shown = images(tmp_path / "tensorboard" / f"trial-{number:04d}")
        (((step, (width, height, file)), count),) = shown.items()
        assert (step, width, height, count) == (1, b"3", b"2", 1), "the one epoch with a picture, once"
        assert killed.pixels(file) == killed.pixels(toys.PNG)
        found = scalars(tmp_path / "tensorboard" / f"trial-{number:04d}")
        assert set(found.values()) == {1}, "nothing is doubled"
        wanted = {(name, epoch): v for (n, epoch), told in points.items() if n == number for name, v in told.items()}
        wanted |= {(name, 4): value for name, value in final[number].items()}
        wanted["_hparams_/session_start_info", 0] = 0.0
        assert {(tag, step): value for tag, step, value in found} == {key: close(v) for key, v in wanted.items()}
    assert len(list((tmp_path / "tensorboard" / "trial-0001").iterdir())) == 2, "the resume wrote another file"


def curve(epochs: int, state: str = "running") -> Curve:
    return Curve("trial-0000", {"x": 0.5, "kind": [1]}, epochs, lambda e: Point({"a": e / 2}, float(e)), 100.0, state)


def test_what_a_crash_cut_off_is_written_again(tmp_path: Path) -> None:
    about = About("mhad", "12345678", tmp_path)
    for epochs, cut in ((2, 5), (3, 0)):
        tracker = tensorboard.open_tracker("", about)
        tracker.begin(curve(epochs))
        for epoch in range(1, epochs + 1):
            tracker.point(curve(epochs), epoch, Point({"a": epoch / 2}, float(epoch)))
        tracker.close()
        newest = max((tmp_path / "tensorboard" / "trial-0000").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        newest.write_bytes(newest.read_bytes()[: -cut or None])
    found = scalars(tmp_path / "tensorboard" / "trial-0000")
    assert found == {("_hparams_/session_start_info", 0, 0.0): 1, ("a", 1, 0.5): 1, ("a", 2, 1.0): 1, ("a", 3, 1.5): 1}


def test_a_folder_that_was_named_holds_others_too(tmp_path: Path) -> None:
    tracker = tensorboard.open_tracker(str(tmp_path / "all"), About("mhad", "12345678", tmp_path))
    assert tracker.folder == tmp_path / "all" / "mhad-12345678"
