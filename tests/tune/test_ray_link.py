"""The tuner and the room as the parts of Tune see them: how many are asked for, where they go, and who waits."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dfkd_ray.study import Resources, Study
from dfkd_ray.tune import room as rooms
from dfkd_ray.tune.interrupts import Interrupted
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.ray_link import Leave, Link
from dfkd_ray.tune.room import Node, Room
from dfkd_ray.util import tables
from dfkd_ray.util.errors import StudyError
from tests.tune import toys
from tests.tune.holder import Holder

QUIET = SimpleNamespace(check=lambda: None)


def link(nodes: list[Node], share: Resources, wait: float = 60, **options: Any) -> tuple[Link, list[float]]:
    """With a clock that is set by hand."""
    clock = [0.0]
    tuner = SimpleNamespace(check=lambda: None, folder=Path("there"), concurrency=0)
    there = Room(share, lambda: list(nodes), wait, lambda line: None, lambda: clock[0])
    return Link(tuner, QUIET, there, Options(**options)), clock  # type: ignore[arg-type]


def names(count: int) -> list[str]:
    return [f"t{number}" for number in range(count)]


@pytest.mark.parametrize(
    ("options", "most", "at_once"),
    [
        ({}, 2, 2),
        ({"address": "auto"}, 3, 2),
        ({"address": "auto", "concurrency": 1}, 1, 1),
        ({"address": "auto", "concurrency": 3}, 3, 2),
        ({"address": "auto", "concurrency": 9}, 3, 2),
        ({"concurrency": 1}, 1, 1),
    ],
)
def test_of_a_cluster_one_more_is_asked_for_than_fits(options: dict[str, Any], most: int, at_once: int) -> None:
    made, _ = link([Node("a", {"CPU": 2})], Resources(gpu=0), **options)
    made.check()
    for number in range(most):
        assert not made.full
        made.packs[f"t{number}"] = {number: None}  # type: ignore[dict-item]
    assert made.full
    assert made.tuner.concurrency == at_once


@pytest.mark.parametrize(
    ("options", "packs", "at_once"),
    [
        ({}, [4, 4], 8),  # two places
        ({"address": "auto"}, [4, 4, 4], 8),
        ({"concurrency": 6}, [4, 2], 6),
        ({"concurrency": 3, "address": "auto"}, [3], 3),
        ({"concurrency": 9, "address": "auto"}, [4, 4, 1], 8),
    ],
)
def test_trials_at_a_time_are_in_packs(options: dict[str, Any], packs: list[int], at_once: int) -> None:
    made, _ = link([Node("a", {"CPU": 2})], Resources(gpu=0, fuse=4), **options)
    made.check()
    asked: list[int] = []
    while not made.full:
        asked.append(made.most)
        made.packs[f"t{len(asked)}"] = dict.fromkeys(range(made.most))  # type: ignore[arg-type]
    assert (asked, made.tuner.concurrency) == (packs, at_once)
    made.packs["t1"].popitem()
    assert made.full, "a pack is not filled again, nor is there another one for what it has left"


def test_the_room_is_told_whether_trials_wait_and_none_runs() -> None:
    made, _ = link([Node("a", {"CPU": 2})], Resources(gpu=0), address="auto")
    told: list[bool] = []
    made.room = SimpleNamespace(look=lambda still: told.append(still) or 2)  # type: ignore[assignment, func-returns-value]
    for states in ((), ("P",), ("P", "R"), ("P", "P")):
        made.trials = dict.fromkeys(map(str, range(len(states))))
        made.waiting = {name: None for name, state in zip(made.trials, states) if state == "P"}
        made.check()
    assert told == [False, True, False, True]


def test_where_there_is_no_room_yet_one_is_asked_for() -> None:
    nodes = [Node("head", {})]
    made, clock = link(nodes, Resources(gpu=1), address="auto")
    made.check()
    assert (made.full, made.tuner.concurrency) == (False, 1)
    made.packs["t0"] = {0: None}  # type: ignore[dict-item]
    assert made.full
    nodes.append(Node("a", {"CPU": 4, "GPU": 4}))
    clock[0] = 2
    made.check()
    assert (made.full, made.tuner.concurrency) == (False, 4)


def test_without_room_for_too_long_the_study_is_interrupted() -> None:
    nodes = [Node("a", {"CPU": 2})]
    made, clock = link(nodes, Resources(cpu=2, gpu=0), wait=30, address="auto")
    made.check()
    nodes[:] = [Node("b", {"CPU": 1})]
    for clock[0] in (10, 39):
        made.check()
    clock[0] = 40
    with pytest.raises(Leave) as left:
        made.check()
    assert isinstance(left.value.error, Interrupted)
    assert str(left.value.error) == (
        "the study cannot go on: a trial takes 2 cpu (resources), and the only node has 1 cpu, also after 30 s; "
        "--wait says how long to wait for another node\ninterrupted; resume with: dfkd-ray resume there"
    )


def test_a_trial_that_takes_no_gpu_is_sent_where_there_is_none() -> None:
    nodes = [Node("g", {"CPU": 8, "GPU": 2}), Node("a", {"CPU": 2}), Node("b", {"CPU": 1})]
    made, _ = link(nodes, Resources(gpu=0))
    asked = [made.share(name) for name in names(4)]
    assert [each.get("_soft_target_node_id") for each in asked] == ["a", "a", "b", None]
    assert asked[0] == {"bundles": [{"CPU": 1}], "strategy": "STRICT_PACK", "_soft_target_node_id": "a"}
    made.nodes.pop("t1")
    assert made.share("t9")["_soft_target_node_id"] == "a"
    made, _ = link(nodes, Resources(gpu=0.5, memory=2, accelerator="T4", custom={"licence": 1}))
    bundle = {"CPU": 1, "GPU": 0.5, "memory": 2e9, "accelerator_type:T4": 0.001, "licence": 1}
    assert made.share("t0") == {"bundles": [bundle]}


@pytest.mark.parametrize(
    ("running", "waiting", "chosen"),
    [
        ((), names(5)[:3], None),  # being started
        ((), names(5), "t3"),  # three are being started, and the place of one that has ended is free
        (("t0",), ["t1", "t2", "t3", "t4"], "t3"),
        (("t0", "t1", "t2"), ["t3", "t4"], "t3"),
        (names(4), ["t4"], "t4"),
        (names(4), [], None),
        (("t0",), ["t1"], None),
    ],
)
def test_a_process_that_has_ended_its_trial_goes_to_one_that_waits(
    running: tuple[str, ...], waiting: list[str], chosen: str | None
) -> None:
    made, _ = link([Node("a", {"CPU": 4})], Resources(gpu=0), address="auto")
    for number, name in enumerate((*running, *waiting)):
        made.packs[name] = {number: None}  # type: ignore[dict-item]
        made.trials[name] = SimpleNamespace(name=name)
    made.waiting = {name: made.trials[name] for name in waiting}
    found = made.without_a_process()
    assert (found and found.name) == chosen


# ---- on a cluster whose nodes come and go


@pytest.fixture(scope="module")
def holder() -> Iterator[Holder]:
    with Holder() as made:
        yield made


def study(trials: int, **changes: Any) -> Study:
    made = toys.study({"stopper: {name: asha, grace: 1, reduction: 2}": "stopper: none"})
    return replace(made, budget=replace(made.budget, trials=trials), **changes)


def run(folder: Path, work: Any, made: Study, holder: Holder, **options: Any) -> list[dict[str, Any]]:
    summary = toys.start(made, work, folder, runner="ray", address=holder.address, **options)
    assert (summary.complete, summary.finished) == (made.trials, True)
    found: list[dict[str, Any]] = tables.read(folder / "trials.arrow").to_pylist()
    return found


def when(said: Callable[[], bool], act: Callable[[], None]) -> threading.Thread:
    """act() in a thread, as soon as something can be seen."""

    def go() -> None:
        deadline = time.monotonic() + 120
        while not said() and time.monotonic() < deadline:
            time.sleep(0.1)
        act()

    thread = threading.Thread(target=go)
    thread.start()
    return thread


@pytest.mark.slow
@pytest.mark.ray
def test_nodes_that_join_are_used_and_one_that_is_killed_is_done_without(
    holder: Holder, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From no node at all to two, to one: every trial is complete, and nobody asks for anything meanwhile."""
    with pytest.raises(StudyError) as refused:
        run(tmp_path / "refused", toys.Toy(), study(1), holder, wait=0)
    assert str(refused.value) == (
        "a trial takes 1 cpu (resources), and the only node has 0 cpu; --wait says how long to wait for another node"
    )
    monkeypatch.setattr(rooms, "SAY", 0.5)
    capfd.readouterr()
    seen: list[str] = []

    def waits() -> bool:
        seen.append(capfd.readouterr().err)
        return "".join(seen).count("waiting for another node") >= 2

    place = tmp_path / "place"
    place.mkdir()
    first = when(waits, lambda: holder.add("a", num_cpus=1))
    second = when(lambda: len(list(place.iterdir())) == 1, lambda: holder.add("b", num_cpus=1))
    found = run(tmp_path / "study", toys.Meeting(folder=str(place)), study(6), holder, wait=120)
    for thread in (first, second):
        thread.join()
    said = "".join([*seen, capfd.readouterr().err])
    assert "a trial takes 1 cpu (resources), and the only node has 0 cpu: waiting for another node, " in said
    assert re.search("the cluster has 2 nodes now: 1 at a time\n.*the cluster has 3 nodes now: 2", said, re.S)
    assert len({trial["device"] for trial in found}) == 2, "a process on each"
    assert [trial["attempts"] for trial in found] == [1] * 6

    place = tmp_path / "again"
    place.mkdir()
    third = when(lambda: len(list(place.iterdir())) == 2, lambda: holder.kill("b"))
    found = run(tmp_path / "killed", toys.Meeting(folder=str(place), pause=1.5), study(4), holder)
    third.join()
    assert sorted(trial["attempts"] for trial in found) == [1] * 3 + [2]
    assert "the cluster has 2 nodes now: 1 at a time\n" in capfd.readouterr().err


@pytest.mark.slow
@pytest.mark.ray
def test_trials_go_where_what_they_take_is(holder: Holder, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """GPUs by default where there are any; none of a GPU's node while another has room."""
    holder.add("c", num_cpus=1)
    holder.add("g", num_cpus=2, num_gpus=2)
    auto = run(tmp_path / "auto", toys.Probe(), study(3), holder)
    assert {json.loads(trial["device"])["now"]["CUDA_VISIBLE_DEVICES"] for trial in auto} <= {"0", "1"}
    assert "idle" not in capfd.readouterr().err
    none = run(tmp_path / "none", toys.Probe(), study(3, resources=Resources(gpu=0)), holder, concurrency=1)
    nodes = {json.loads(trial["device"])["node"] for trial in none}
    assert not nodes & {json.loads(trial["device"])["node"] for trial in auto}
    assert "warning: 2 of 2 GPUs will be idle: a trial takes 1 cpu; " in capfd.readouterr().err
