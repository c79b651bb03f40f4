"""A trial's folder in a store: what is there after each epoch, and what comes back of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dfkd_ray.datasets import gliders
from dfkd_ray.methods import config
from dfkd_ray.runs import evaluator, measures, rings
from dfkd_ray.runs.checkpoint import Checkpoint
from dfkd_ray.runs.depot import Depot, opened
from dfkd_ray.runs.preparing import prepare
from dfkd_ray.train.run import Run
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util.every import Every
from dfkd_ray.util.store import Store, StoreError
from tests.tiny import CPU, differing, small, walked
from tests.tiny import opened as run_of

pytestmark = pytest.mark.usefixtures("no_fsync")
POOL = {"memory": {"name": "pool", "capacity": 10, "batches": 1}, "schedule.epochs": 6}


def pooled() -> Run:
    """Two rounds of four images an epoch, into a pool of ten."""
    return run_of(small(POOL))


def go(run: Run, place: str, until: int, every: Every = Every()) -> list[int]:  # noqa: B008  frozen
    """Run until after an epoch, as a worker that is killed then; the epochs that were there before."""
    with opened(place) as (folder, depot):
        assert depot is not None
        checkpoint = Checkpoint(run, folder, every=every, depot=depot)
        found = [row.epoch for row in checkpoint.restore(CPU)]
        for epoch in walked(run):
            checkpoint.note(epoch.number, {"val_accuracy": 0.5}, "val_accuracy", 1)
            checkpoint.save(Row(epoch.number, 60.0 * epoch.number, {}, last=epoch.number == run.method.schedule.epochs))
            if epoch.number == until:
                depot.finish()
                break
        return found


def straight(run: Run) -> dict[str, Any]:
    for _ in walked(run):
        pass
    return run.state_dict()


def test_a_path_is_that_folder_and_nothing_is_kept_elsewhere(tmp_path: Path) -> None:
    with opened(str(tmp_path)) as (folder, depot):
        assert (folder, depot) == (tmp_path, None)
    with opened(None) as (folder, depot):
        assert (folder, depot) == (None, None)


def test_two_checkpoints_stay_and_the_next_worker_goes_on_in_the_same_bits(bucket: str) -> None:
    assert go(pooled(), bucket, 1) == []
    assert go(pooled(), bucket, 4) == [1]
    assert Store(bucket).names() == ["checkpoint-000003.pt", "checkpoint-000004.pt", "curve.json"]
    last = pooled()
    assert go(last, bucket, 6) == [1, 2, 3, 4]
    assert not differing(last.state_dict(), straight(pooled()))


def test_of_a_pool_what_is_new_goes_there_and_what_nobody_needs_goes(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = 3 * 16 * 16 * 2
    monkeypatch.setattr(rings, "LEAST", row)
    monkeypatch.setattr(rings, "_BLOCK", 2 * row)
    put: list[str] = []
    kept = Store.put
    monkeypatch.setattr(Store, "put", lambda self, name, data: (put.append(name), kept(self, name, data))[1])
    assert go(pooled(), bucket, 1) == []
    assert len([name for name in put if name.endswith(".rows")]) == 4
    put.clear()
    assert go(pooled(), bucket, 2) == [1]
    assert len([name for name in put if name.endswith(".rows")]) == 4, "rows 8, 9, and 0 to 5"
    for until in (3, 4, 5):
        go(pooled(), bucket, until)
    assert len([name for name in Store(bucket).names() if name.endswith(".rows")]) <= 5 + 4
    last = pooled()
    assert go(last, bucket, 6) == [1, 2, 3, 4, 5]
    assert not differing(last.state_dict(), straight(pooled()))


@pytest.mark.parametrize("what", ["checkpoint-000003.pt", ".rows"])
def test_where_the_newest_is_damaged_the_one_before_goes_on(
    what: str, bucket: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rings, "LEAST", 1)
    go(pooled(), bucket, 2)
    held = Store(bucket)
    before = {*held.names()}
    go(pooled(), bucket, 3)
    name = next(name for name in sorted({*held.names()} - before) if name.endswith(what))
    held.put(name, held.get(name)[0][:-1] + b"\x99")
    last = pooled()
    assert go(last, bucket, 6) == [1, 2]
    assert "a damaged checkpoint, removed: the one before it goes on" in capsys.readouterr().err
    assert not differing(last.state_dict(), straight(pooled()))


def test_what_is_saved_at_once_is_there_before_anything_else(bucket: str) -> None:
    """Also before the first epoch is done, and of nothing but where the run stands."""
    with opened(bucket) as (folder, depot):
        Checkpoint(pooled(), folder, depot=depot).write()
        assert Store(bucket).names() == ["checkpoint-000000.pt"]
    last = pooled()
    assert go(last, bucket, 6) == []
    assert not differing(last.state_dict(), straight(pooled()))


def test_it_is_saved_as_often_as_is_said_and_after_the_last_epoch(bucket: str) -> None:
    go(pooled(), bucket, 3, Every(2))
    assert "checkpoint-000002.pt" in Store(bucket).names()
    assert go(pooled(), bucket, 6, Every(0, 240)) == [1, 2]
    names = [name for name in Store(bucket).names() if name.startswith("checkpoint")]
    assert names == ["checkpoint-000002.pt", "checkpoint-000006.pt"]


def test_a_store_that_refuses_is_an_accident_of_the_trial(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*about: Any) -> None:
        raise StoreError("no room")

    monkeypatch.setattr(Store, "put", refuse)
    with pytest.raises(StoreError, match=r"^no room$"):
        go(pooled(), bucket, 6)


def test_the_card_is_the_one_that_is_there(bucket: str, tmp_path: Path) -> None:
    Store(bucket).put("run.json", b"a card")
    depot = Depot(Store(bucket), tmp_path)
    depot.close()
    assert (tmp_path / "run.json").read_bytes() == b"a card"


def test_a_job_by_uri_leaves_there_what_it_leaves_in_a_folder(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gliders, "SPLITS", {"train": (48, 1), "val": (24, 2), "test": (24, 3)})
    monkeypatch.setattr(measures, "HELD_OUT", 12)
    evaluator.real.cache_clear()
    threads = torch.get_num_threads()
    plan = {"epochs": 2, "rounds": 1, "student_steps": 1, "batch": 4}
    made = prepare(config.change(config.load("noise_kd"), {"schedule": plan}), "gliders", Options(device="cpu"))
    work = replace(made, metric="lr/student")
    for place in (str(tmp_path), bucket, bucket):
        assert [row.epoch for row in work.epochs(Job(0, {}, 3, place))] == [1, 2]
    evaluator.real.cache_clear()
    torch.set_num_threads(threads)
    held = Store(bucket)
    for name in ("student.safetensors", "student_best.safetensors", "run.json"):
        assert held.get(name)[0] == (tmp_path / name).read_bytes()
