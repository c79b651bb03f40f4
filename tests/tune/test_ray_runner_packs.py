"""Packs on Ray: several trials in one actor, in step with each other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dfkd_ray.study import Resources, Study
from dfkd_ray.tune.accidents import Accident
from dfkd_ray.tune.history import History
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.tune.trials import Trial
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util.progress import silent
from tests.tune import toys
from tests.tune.holder import Holder

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with Holder(num_cpus=1) as holder:
        yield holder.address


def start(folder: Path, work: Any, made: Study, **options: Any) -> dict[int, Trial]:
    toys.start(made, work, folder, **options)
    return History(read_records(folder / NAME)[0]).trials


@dataclass(frozen=True)
class Noted(toys.Toy):
    """Writes down in a folder which epochs each trial has begun, and that it was closed."""

    folder: str = ""

    def epochs(self, job: Job) -> Iterator[Row]:
        events: list[Any] = []
        try:
            for row in super().epochs(job):
                events.append(row.epoch)
                yield row
        finally:
            (Path(self.folder) / f"{job.trial}.json").write_text(json.dumps([*events, "closed"]))


def test_who_is_stopped_or_fails_leaves_its_pack_at_once_and_the_others_go_on(address: str, tmp_path: Path) -> None:
    changes = {"sampler: {name: tpe, startup: 3}": "sampler: random", "budget: {trials: 8}": "budget: {trials: 6}"}
    made = replace(toys.study(changes), resources=Resources(gpu=0, fuse=4))
    (tmp_path / "events").mkdir()
    work = Noted(raises_at=2, only=(0,), folder=str(tmp_path / "events"))
    found = start(tmp_path / "ray", work, made, runner="ray", address=address)
    assert found[0].state == "failed"
    assert (found[0].reason or "").startswith("TrialFailed: the loss is not finite at epoch 2\n")
    assert {trial.state for trial in found.values()} == {"complete", "pruned", "failed"}
    for number, trial in found.items():
        events = json.loads((tmp_path / "events" / f"{number}.json").read_text())
        assert events == [*range(1, trial.epoch + 1), "closed"], "it is closed before the next step of its pack"
    devices = [{row["device"] for row in trial.rows.values()} for trial in found.values()]
    assert all(device == devices[0] for device in devices), "one process, and used again"
    serial = start(tmp_path / "serial", work, made, runner="serial")
    assert [(t.changes, t.state, t.epoch, t.values) for t in found.values()] == [
        (t.changes, t.state, t.epoch, t.values) for t in serial.values()
    ]


def test_with_its_process_all_of_a_pack_die_and_go_on_from_their_checkpoints(address: str, tmp_path: Path) -> None:
    made = toys.study({"stopper: {name: asha, grace: 1, reduction: 2}": "stopper: none", "tpe, startup: 3": "random"})
    made = replace(made, budget=replace(made.budget, trials=3), resources=Resources(gpu=0, fuse=3))
    work = toys.Toy(die_at=3, only=(1,))
    found = start(tmp_path / "ray", work, made, runner="ray", address=address)
    assert [(t.state, t.attempts) for t in found.values()] == [("complete", 2)] * 3
    told = [r for r in read_records(tmp_path / "ray" / NAME)[0] if r["kind"] == "accident"]
    assert [record["trial"] for record in told] == [0, 1, 2]
    assert all(record["reason"].startswith("the worker died (killed, ") for record in told)
    plain = start(tmp_path / "plain", toys.Toy(), made, runner="serial")
    assert [t.curve("sum") for t in found.values()] == [t.curve("sum") for t in plain.values()]


def test_a_row_and_an_accident_in_one_step_are_told_one_after_the_other() -> None:
    from dfkd_ray import __version__
    from dfkd_ray.tune.ray_runner import _Trial

    row = Row(1, 1.0, {})
    trial: Any = object.__new__(_Trial)
    trial._version, trial._work, trial._display = __version__, object(), silent
    trial._pack = SimpleNamespace(step=lambda: {0: row, 1: OSError("no space left")})
    assert trial.step() == {"told": [(0, row)]}
    trial._pack = None
    with pytest.raises(Accident, match=r"^OSError: no space left$"):
        trial.step()


def test_one_that_hangs_is_ended_with_its_whole_process(monkeypatch: pytest.MonkeyPatch) -> None:
    from dfkd_ray.tune import ray_runner

    killed: list[str] = []
    monkeypatch.setattr(ray_runner.ray, "kill", killed.append)
    dog = SimpleNamespace(looks=lambda: True, overdue=lambda trial: trial == 4, said="no epoch")
    packs = {"a": {0: None, 1: None}, "b": {4: None, 5: None}}
    link = SimpleNamespace(tuner=SimpleNamespace(watchdog=dog), hung={}, packs=packs)
    link.trials = {n: SimpleNamespace(temporary_state=SimpleNamespace(ray_actor=f"actor {n}")) for n in "ab"}
    watching: Any = ray_runner._Watching(link, lambda: None)  # type: ignore[arg-type]
    watching._end_what_hangs()
    assert (killed, link.hung) == (["actor b"], {"b": "no epoch"})
