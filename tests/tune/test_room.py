"""How many trials fit where: counted by hand, node by node; what is said while none does, and of GPUs without work."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.study import Resources
from dfkd_ray.tune.room import LOOK, SAY, WAIT, Node, Room, demand, fit, fitting, idle_gpus, misfit, settled
from dfkd_ray.util.errors import StudyError


def node(cpu: float = 0, gpu: float = 0, **more: float) -> Node:
    has = {"CPU": cpu, "GPU": gpu, **{name.replace("__", ":"): amount for name, amount in more.items()}}
    return Node(f"{cpu}-{gpu}", {name: amount for name, amount in has.items() if amount})


@pytest.mark.parametrize(
    ("there", "share", "count"),
    [
        (node(8), Resources(cpu=3, gpu=0), 2),
        (node(2), Resources(cpu=0.5, gpu=0), 4),
        (node(1), Resources(cpu=0.1, gpu=0), 10),  # 1 / 0.1 = 10 also where floats say 9.99
        (node(0.3), Resources(cpu=0.1, gpu=0), 3),
        (node(64, 2), Resources(cpu=4, gpu=0.25), 8),
        (node(64, 2), Resources(gpu=0.4), 4),  # two on each, not five on both
        (node(64, 3), Resources(gpu=0.6), 3),
        (node(64, 8), Resources(gpu=4), 2),
        (node(64, 3), Resources(gpu=4), 0),
        (node(64), Resources(gpu=1), 0),
        (node(64, memory=64e9), Resources(gpu=0, memory=24), 2),
        (node(64), Resources(gpu=0, memory=24), 0),
        (node(64, 8, accelerator_type__H100=1), Resources(gpu=1, accelerator="H100"), 8),
        (node(64, 8, accelerator_type__A100=1), Resources(gpu=1, accelerator="H100"), 0),
        (node(64, licence=3), Resources(gpu=0, custom={"licence": 1}), 3),
        (node(), Resources(gpu=0), 0),
    ],
)
def test_how_many_fit_on_a_node(there: Node, share: Resources, count: int) -> None:
    assert fit(there, share) == count


def test_a_trial_is_on_one_node() -> None:
    """Two nodes of 2 are no node of 4."""
    assert fitting([node(2), node(2)], Resources(cpu=4, gpu=0)) == 0
    assert fitting([node(3), node(5, 1)], Resources(cpu=2, gpu=0)) == 3
    assert fitting([], Resources(gpu=0)) == 0


amounts = st.sampled_from([0.1, 0.25, 0.3, 0.5, 0.7, 1.0, 2.0, 3.0])


@given(st.integers(0, 16), st.integers(0, 8), amounts, st.sampled_from([0, 0.1, 0.3, 0.5, 0.7, 1, 2, 4]))
def test_what_fits_fits_and_one_more_does_not(cpus: int, gpus: int, cpu: float, gpu: float) -> None:
    """By placing one after another, each on a GPU of its own choice."""
    places, left = [10_000] * gpus, cpus * 10_000
    count, need = 0, round(cpu * 10_000)
    while left >= need:
        if 0 < gpu < 1:
            free = [i for i, place in enumerate(places) if place >= round(gpu * 10_000)]
            if not free:
                break
            places[free[0]] -= round(gpu * 10_000)
        elif gpu >= 1:
            if len(places) < gpu:
                break
            del places[: int(gpu)]
        left, count = left - need, count + 1
    assert fit(node(cpus, gpus), Resources(cpu=cpu, gpu=gpu)) == count


def test_what_a_trial_asks_ray_for() -> None:
    assert demand(Resources(cpu=2, gpu=0)) == {"CPU": 2}
    assert demand(Resources(1, 0.5, 16, "H100", {"licence": 2})) == {
        "CPU": 1,
        "GPU": 0.5,
        "memory": 16e9,
        "accelerator_type:H100": 0.001,
        "licence": 2,
    }


@pytest.mark.parametrize(
    ("share", "nodes", "device", "gpu"),
    [
        (Resources(), [node(4)], None, 0),
        (Resources(), [node(4), node(1, 2)], None, 1),
        (Resources(), [node(4), node(1, 2)], "auto", 1),
        (Resources(), [node(1, 2)], "cpu", 0),
        (Resources(accelerator="H100"), [node(4)], None, 1),  # a node that is yet to come
        (Resources(gpu=0), [node(1, 2)], None, 0),
        (Resources(gpu=0.25), [node(4)], "cpu", 0.25),
    ],
)
def test_auto_is_one_gpu_where_there_are_any(
    share: Resources, nodes: list[Node], device: str | None, gpu: float
) -> None:
    assert settled(share, nodes, device).gpu == gpu


def test_on_a_cpu_no_type_of_gpu_is_asked_for() -> None:
    assert demand(settled(Resources(accelerator="H100"), [], "cpu")) == {"CPU": 1}


@pytest.mark.parametrize(
    ("nodes", "share", "idle"),
    [
        ([node(4, 2)], Resources(gpu=0), 2),
        ([node(4, 2)], Resources(gpu=1), 0),
        ([node(4, 8)], Resources(gpu=1), 4),
        ([node(4, 8)], Resources(cpu=2, gpu=0.5), 7),  # two trials, both on one
        ([node(4, 2)], Resources(gpu=0.4), 0),
        ([node(4, 3)], Resources(gpu=2), 1),
        ([node(4, 2), node(4, 4, accelerator_type__T4=1)], Resources(gpu=1, accelerator="T4"), 0),
        ([node(4)], Resources(gpu=0), 0),
    ],
)
def test_gpus_without_work(nodes: list[Node], share: Resources, idle: int) -> None:
    assert idle_gpus(nodes, share) == idle


A = "a trial takes "


@pytest.mark.parametrize(
    ("nodes", "share", "said"),
    [
        ([], Resources(gpu=0), "1 cpu (resources), and the cluster has no node"),
        ([node(2)], Resources(cpu=4, gpu=0), "4 cpu (resources), and the only node has 2 cpu"),
        (
            [node(16), node(2, 1), node(1)],
            Resources(cpu=4, gpu=1),
            "4 cpu, 1 gpu (resources), and the largest of 3 nodes has 2 cpu, 1 gpu",
        ),
        (
            [node(8, memory=16.4e9)],
            Resources(gpu=0, memory=64),
            "1 cpu, 64 GB of memory (resources), and the only node has 8 cpu, 16.4 GB of memory",
        ),
        (
            [node(8, 4, accelerator_type__H200=1)],
            Resources(gpu=1, accelerator="H100"),
            "1 cpu, 1 gpu, H100 (resources), and the only node has 8 cpu, 4 gpu, no H100; no GPU is a H100; "
            "did you mean 'H200'? (known: H200)",
        ),
        ([node(8)], Resources(gpu=0, custom={"x": 1}), "1 cpu, 1 x (resources), and the only node has 8 cpu, 0 x"),
    ],
)
def test_why_none_fits(nodes: list[Node], share: Resources, said: str) -> None:
    assert misfit(nodes, share) == A + said


class Cluster:
    """Nodes and a clock that are set by hand, and what was said."""

    def __init__(self, *nodes: Node) -> None:
        self.nodes, self.clock, self.said, self.asked = list(nodes), 0.0, list[str](), 0

    def room(self, share: Resources, wait: float | None = WAIT) -> Room:
        def nodes() -> list[Node]:
            self.asked += 1
            return list(self.nodes)

        return Room(share, nodes, wait, self.said.append, lambda: self.clock)


def test_nodes_that_join_and_leave_are_counted_and_told() -> None:
    cluster = Cluster(node(2))
    room = cluster.room(Resources(gpu=0))
    assert (room.count, cluster.said) == (2, [])
    cluster.nodes.append(node(3))
    assert room.look() == 2, "not before a second has passed"
    for cluster.clock in (LOOK, 2 * LOOK, 3 * LOOK):
        assert room.look() == 5
    del cluster.nodes[0]
    cluster.clock = 9
    assert room.look() == 3
    assert cluster.said == [
        "the cluster has 2 nodes now: 5 at a time",
        "the cluster has 1 node now: 3 at a time",
    ]
    assert cluster.asked == 5


def test_waiting_is_told_every_minute_and_has_an_end() -> None:
    cluster = Cluster(node(1))
    room = cluster.room(Resources(cpu=2, gpu=0), wait=300)
    why = "a trial takes 2 cpu (resources), and the only node has 1 cpu"
    for second in range(1, 150):
        cluster.clock = float(second)
        assert room.look() == 0
    lines = [f"{why}: waiting for another node, {left} more (--wait)" for left in ("5 min", "4 min", "3 min")]
    assert cluster.said == lines
    cluster.nodes.append(node(4))
    cluster.clock = 200
    assert room.look() == 2
    assert cluster.said[3:] == ["the cluster has 2 nodes now: 2 at a time"]
    cluster.nodes.pop()
    for cluster.clock in (250, 549):
        assert room.look() == 0
    cluster.clock = 550
    with pytest.raises(StudyError) as gone:
        room.look()
    assert str(gone.value) == f"{why}, also after 5 min; --wait says how long to wait for another node"
    assert SAY == 60


def test_room_that_others_hold_is_told_every_minute() -> None:
    cluster = Cluster(node(2))
    room = cluster.room(Resources(gpu=0))
    for second in range(1, 130):
        cluster.clock = float(second)
        room.look(still=True)
    held = "others hold the room for 2 at a time, or processes start slowly"
    assert cluster.said == [f"no trial has begun for {waited}: {held}" for waited in ("60 s", "2 min")]
    cluster.clock = 200
    room.look(still=False)
    for second in range(201, 260):
        cluster.clock = float(second)
        room.look(still=True)
    assert len(cluster.said) == 2, "a minute begins again when one has run"


def test_no_waiting() -> None:
    why = re.escape("a trial takes 2 cpu (resources), and the only node has 1 cpu")
    with pytest.raises(StudyError, match=f"^{why}; --wait says how long to wait for another node$"):
        Cluster(node(1)).room(Resources(cpu=2, gpu=0), wait=0)
    with pytest.raises(StudyError, match=r"^a trial takes 2 cpu \(resources\), and this machine has 1 cpu$"):
        Cluster(node(1)).room(Resources(cpu=2, gpu=0), wait=None)


def test_gpus_that_will_be_idle_are_told_once() -> None:
    cluster = Cluster(node(4, 2))
    room = cluster.room(Resources(cpu=2, gpu=0))
    told = "of 2 GPUs will be idle: a trial takes 2 cpu; --gpu and --cpu say otherwise"
    assert cluster.said == [f"warning: 2 {told}"]
    for cluster.clock in (2, 4):
        room.look()
    assert len(cluster.said) == 1
    cluster.nodes.append(node(0, 1))
    cluster.clock = 6
    room.look()
    assert cluster.said[1:] == [f"warning: 3 {told.replace('2 GPUs', '3 GPUs')}"]


def test_trials_without_a_gpu_keep_off_gpus_while_others_have_room() -> None:
    gpus, small, large = node(8, 2), node(1), node(4)
    room = Cluster(gpus, small, large).room(Resources(cpu=1, gpu=0))
    busy: dict[str, int] = {}
    went = []
    for _ in range(7):
        place = room.preferred(busy)
        went.append(place)
        if place is not None:
            busy[place] = busy.get(place, 0) + 1
    assert went == [large.id] * 3 + [small.id, large.id, None, None]
    assert Cluster(small, large).room(Resources(gpu=0)).preferred({}) is None, "all the same"
    assert Cluster(gpus, large).room(Resources(gpu=1)).preferred({}) is None


def test_of_fused_trials_a_process_takes_room_and_trials_are_counted() -> None:
    share = Resources(cpu=2, gpu=0, fuse=4)
    assert misfit([node(1)], share) == "a process with 4 trials takes 2 cpu (resources), and the only node has 1 cpu"
    assert fitting([node(5)], share) == 2
    cluster = Cluster(node(2))
    room = cluster.room(share)
    cluster.nodes.append(node(2))
    cluster.clock = LOOK
    assert room.look() == 2
    assert cluster.said == ["the cluster has 2 nodes now: 8 at a time"]


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"gpu": "all"}, "gpu must be auto or a number, got 'all'"),
        ({"gpu": 0, "accelerator": "T4"}, "accelerator T4 is a type of GPU, and gpu is 0"),
        ({"memory": 0}, "memory must be > 0, got 0"),
        ({"custom": {"x": -1}}, "x must be > 0, got -1"),
        ({"custom": {"GPU": 1}}, "custom is for what a cluster calls its own, and Ray has GPU itself"),
        ({"fuse": 0}, "fuse must be >= 1, got 0"),
        ({"fuse": 4, "gpu": 2}, "fuse 4 is for trials on one GPU, or a part of it, and gpu is 2"),
    ],
)
def test_what_no_trial_can_take(parts: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        Resources(**parts)
