"""Where trials fit: counted a node at a time, and again while nodes join and leave. Imports no Ray itself."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.registry import did_you_mean
from dfkd_ray.util.words import counted, roughly

if TYPE_CHECKING:
    from dfkd_ray.study import Resources

LOOK = 1.0  # seconds between two looks at the nodes
SAY = 60.0  # seconds between two lines while no node fits
WAIT = 3600.0  # seconds for a node that fits to join a cluster
_GB = 1e9  # bytes
_TYPE = "accelerator_type:"  # how Ray calls the resource that a node with such a GPU has


@dataclass(frozen=True)
class Node:
    """A machine that can run trials: its id, and how much it has of each resource, by Ray's names."""

    id: str
    has: Mapping[str, float]

    @property
    def gpus(self) -> int:
        return int(self.has.get("GPU", 0))


def settled(share: Resources, nodes: Sequence[Node], device: str | None = None) -> Resources:
    """The share of a trial with a number of GPUs, where it says `auto`."""
    return share.settled(any(node.gpus for node in nodes), device)


def demand(share: Resources) -> dict[str, float]:
    """What a trial asks of one node, by Ray's names; its `gpu` is a number, see `settled`."""
    asks = {"CPU": share.cpu, "GPU": float(share.gpu), **share.custom}
    if share.memory is not None:
        asks["memory"] = share.memory * _GB
    if share.accelerator is not None:
        asks[_TYPE + share.accelerator] = 0.001  # Ray's way to ask for a kind, of which a node has 1
    return {name: amount for name, amount in asks.items() if amount}


def fit(node: Node, share: Resources) -> int:
    """How many trials, or packs, a node has room for. A fraction of a GPU is one of a single GPU: two of 0.6 take
    two."""
    return min(_times(name, node.has.get(name, 0.0), amount) for name, amount in demand(share).items())


def _times(name: str, has: float, amount: float) -> int:
    if name == "GPU" and amount < 1:
        return int(has) * _times("", 1.0, amount)
    return _units(has) // max(1, _units(amount))


def _units(amount: float) -> int:
    """As Ray counts: no sum of fractions is off by a rounding."""
    return round(amount * 10_000)


def fitting(nodes: Sequence[Node], share: Resources) -> int:
    """How many trials, or packs, there is room for."""
    return sum(fit(node, share) for node in nodes)


def idle_gpus(nodes: Sequence[Node], share: Resources) -> int:
    """How many GPUs get no trial although all that fit are there; those of a type that is not asked for aside."""
    kind = None if share.accelerator is None else _TYPE + share.accelerator
    return sum(node.gpus - _taken(node, share) for node in nodes if kind is None or kind in node.has)


def _taken(node: Node, share: Resources) -> int:
    gpu, trials = float(share.gpu), fit(node, share)
    return -(-trials // _times("", 1.0, gpu)) if 0 < gpu < 1 else int(trials * gpu)


def misfit(nodes: Sequence[Node], share: Resources, whose: str = "") -> str:
    """Why no trial fits: what one asks for, and what the node has that comes nearest to it, or `whose` that is."""
    asks = demand(share)
    takes = f"{taker(share)} takes {_said(asks, asks)} (resources)"
    if not nodes:
        return f"{takes}, and the cluster has no node"
    nearest = max(nodes, key=lambda node: (min(_part(node, asks)), sum(_part(node, asks))))
    whose = whose or (f"the largest of {_many(nodes)}" if len(nodes) > 1 else "the only node")
    has = f"{takes}, and {whose} has {_said(asks, nearest.has)}"
    kinds = {name.removeprefix(_TYPE) for node in nodes for name in node.has if name.startswith(_TYPE)}
    if share.accelerator is not None and share.accelerator not in kinds:
        has += f"; no GPU is a {share.accelerator}{did_you_mean(share.accelerator, kinds)}"
    return has


def taker(share: Resources) -> str:
    """What takes a share, in words."""
    return "a trial" if share.fuse == 1 else f"a process with {share.fuse} trials"


def _many(nodes: Sequence[Node]) -> str:
    return f"{len(nodes)} node{'' if len(nodes) == 1 else 's'}"


def _part(node: Node, asks: Mapping[str, float]) -> list[float]:
    """What of each thing that is asked for a node has, at most all."""
    return [min(1.0, node.has.get(name, 0.0) / amount) for name, amount in asks.items()]


def _said(asks: Mapping[str, float], has: Mapping[str, float]) -> str:
    """`4 cpu, 1 gpu, 16 GB of memory`: of all that is asked for, what there is; types of GPUs are told apart."""
    parts = []
    for name in asks:
        amount = has.get(name, 0.0)
        if name == "memory":
            parts.append(f"{amount / _GB:.3g} GB of memory")
        elif name.startswith(_TYPE):
            parts.append(f"{'' if amount else 'no '}{name.removeprefix(_TYPE)}")
        else:
            parts.append(f"{amount:g} {name.lower() if name in ('CPU', 'GPU') else name}")
    return ", ".join(parts)


class Room:
    """How many trials, or packs, fit now. Looks at the nodes again as they join and leave, and says what has become of
    them.

    nodes: those that live when it is asked. wait: seconds without room after which `look` raises StudyError; 0: at
    once; None: likewise, since no other can join this machine.
    """

    def __init__(
        self,
        share: Resources,
        nodes: Callable[[], Sequence[Node]],
        wait: float | None,
        say: Callable[[str], None],
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.share, self.nodes = share, tuple[Node, ...]()
        self._ask, self._wait, self._say, self._ticks = nodes, wait, say, ticks
        self._looked = self._said = -math.inf
        self._without: float | None = None  # since when nothing fits
        self._still: float | None = None  # since when trials wait and none runs, although some fit
        self.count = self._idle = 0
        self.look()

    def look(self, still: bool = False) -> int:
        """How many trials fit; the nodes are asked once a second at most. still: trials wait, and none runs."""
        now = self._ticks()
        if now < self._looked + LOOK:
            return self.count
        first, before = self._looked < 0, self.count
        self._looked, self.nodes = now, tuple(self._ask())
        self.count = fitting(self.nodes, self.share)
        if not self.count:
            self._nothing(now)
        else:
            self._without = None
            if self.count != before and not first:
                self._say(f"the cluster has {_many(self.nodes)} now: {self.count * self.share.fuse} at a time")
            self._look_for_idle()
        self._taken(now, still and self.count > 0)
        return self.count

    def _nothing(self, now: float) -> None:
        if self._without is None:
            self._without, self._said = now, -math.inf
        if self._wait is None:
            raise StudyError(misfit(self.nodes, self.share, "this machine"))
        waited, why = now - self._without, misfit(self.nodes, self.share)
        if waited >= self._wait:
            waited_for = f", also after {roughly(waited)}" if waited else ""
            raise StudyError(f"{why}{waited_for}; --wait says how long to wait for another node")
        if now >= self._said + SAY:
            self._said = now
            self._say(f"{why}: waiting for another node, {roughly(self._wait - waited)} more (--wait)")

    def _taken(self, now: float, still: bool) -> None:
        if not still:
            self._still = None
        elif self._still is None:
            self._still = self._said = now
        elif now >= self._said + SAY:
            self._said, waited = now, roughly(now - self._still)
            many = self.count * self.share.fuse
            held = f"others hold the room for {many} at a time, or processes start slowly"
            self._say(f"no trial has begun for {waited}: {held}")

    def _look_for_idle(self) -> None:
        idle = idle_gpus(self.nodes, self.share)
        if idle > self._idle:
            of = counted(sum(node.gpus for node in self.nodes), "GPU")
            takes = f"{taker(self.share)} takes {_said(asks := demand(self.share), asks)}"
            self._say(f"warning: {idle} of {of} will be idle: {takes}; --gpu and --cpu say otherwise")
        self._idle = idle

    def preferred(self, busy: Mapping[str, int]) -> str | None:
        """The node where a trial that takes no GPU should go: one without GPUs that has room, while others have some.

        busy: how many trials are on a node already, by its id. None where it is all the same.
        """
        if self.share.gpu or not any(node.gpus for node in self.nodes):
            return None
        free = {node.id: fit(node, self.share) - busy.get(node.id, 0) for node in self.nodes if not node.gpus}
        best = max(free, key=free.__getitem__, default=None)
        return best if best is not None and free[best] > 0 else None
