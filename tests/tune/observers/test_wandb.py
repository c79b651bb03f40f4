"""What W&B keeps offline, read record by record."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.tune.observers.sending import About
from tests.tune import toys
from tests.tune.observers import killed

wandb = pytest.importorskip("wandb")
open_tracker = pytest.importorskip("dfkd_ray.tune.observers.wandb").open_tracker
BLOCK = 32768  # bytes of LevelDB's log format


def chunks(data: bytes) -> Iterator[bytes]:
    """The records of a .wandb file: seven bytes of its own, then a log of LevelDB (crc, length, kind, bytes)."""
    assert data[:4] == b":W&B"
    place, whole = 7, b""
    while place + 7 <= len(data):
        if BLOCK - place % BLOCK < 7:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part of one
            yield whole
            whole = b""


def records(folder: Path, kind: str) -> list[tuple[int, Any]]:
    """(trial, record) of one kind, from all files."""
    from wandb.proto.wandb_internal_pb2 import Record

    found = []
    for file in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        for chunk in chunks(file.read_bytes()):
            record = Record.FromString(chunk)
            if record.WhichOneof("record_type") == kind:
                found.append((int(file.stem.rpartition("-")[2]), getattr(record, kind)))
    return found


def items(of: Any) -> dict[str, Any]:
    return {item.key or item.nested_key[0]: json.loads(item.value_json) for item in of}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wandb") / "toy"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_MODE", "offline")
        killed.run(folder, "wandb:lab")
    wandb.teardown()
    return folder


def test_after_kill_and_resume_each_point_is_there_once(study: Path) -> None:
    rows = [(trial, items(record.item)) for trial, record in records(study, "history")]
    own = ("_step", "_runtime", "_timestamp", "seconds", "images")
    found = [((trial, row["_step"]), {k: v for k, v in row.items() if k not in own}) for trial, row in rows]
    wanted = killed.in_the_ledger(study)
    assert sorted(found, key=lambda each: each[0]) == sorted(wanted.items())


def test_the_images_of_a_run_are_in_its_folder(study: Path) -> None:
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for trial, record in records(study, "history"):
        image = {
            each.nested_key[1]: json.loads(each.value_json) for each in record.item if each.nested_key[:1] == ["images"]
        }
        if image:
            found[trial, items(record.item)["_step"]] = image
    assert set(found) == {(0, 1), (1, 1), (2, 1)}, "the one epoch with a picture"
    for (trial, _), image in found.items():
        assert (image["_type"], image["width"], image["height"]) == ("image-file", 3, 2)
        (held,) = study.glob(f"wandb/offline-run-*-{trial:04d}/files/{image['path']}")
        assert killed.pixels(held.read_bytes()) == killed.pixels(toys.PNG)


def test_a_run_has_the_settings_and_the_outcome_of_its_trial(study: Path) -> None:
    runs = dict(records(study, "run"))
    assert {run.project for run in runs.values()} == {"lab"}
    assert len({run.run_group for run in runs.values()}) == 1
    assert runs[0].run_group.startswith("toy-")
    config = {item.key: json.loads(item.value_json) for item in runs[1].config.update}
    assert config["method"] == "m"
    assert {"x", "kind", "seed"} <= set(config["settings"])
    told: dict[int, dict[str, Any]] = {0: {}, 1: {}, 2: {}}
    for trial, summary in records(study, "summary"):
        told[trial] |= items(summary.update)
    for trial, final in killed.final(study).items():
        assert told[trial]["state"] == "complete"
        assert {name: told[trial][name] for name in final} == final
    assert {trial: record.exit_code for trial, record in records(study, "exit")} == {0: 0, 1: 0, 2: 0}


def test_a_place_is_a_project_with_or_without_who_owns_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = About("mhad", "12345678", tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    for place, entity, project in (("", "", ""), ("lab", "", "lab"), ("us/lab", "us", "lab")):
        tracker = open_tracker(place, about)
        assert (tracker.entity, tracker.project) == (entity, project)
    wandb.teardown()


def test_nobody_is_asked_to_log_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A study that waits for a key to be typed is a study that stands still."""
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    wandb.teardown()
    with pytest.raises(ValueError, match="nobody is logged in: wandb login, or set WANDB_API_KEY, or WANDB_MODE=off"):
        open_tracker("", About("mhad", "12345678", tmp_path))
    wandb.teardown()
