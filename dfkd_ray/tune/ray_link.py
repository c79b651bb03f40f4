"""What the parts of Ray Tune share with one another and with the tuner. Imports no Ray itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Any

from dfkd_ray.tune.interrupts import Interrupted, Interrupts
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.packs import Members
from dfkd_ray.tune.room import Room, demand
from dfkd_ray.tune.tuner import Tuner
from dfkd_ray.util.errors import StudyError


class Leave(BaseException):
    """Carries an error out of Tune, which would wrap or swallow it, without its slow clean-up: the cluster is left."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class Link:
    """The tuner, the room, which trial of Tune's is which pack, and the first error."""

    def __init__(self, tuner: Tuner, interrupts: Interrupts, there: Room, options: Options) -> None:
        self.tuner, self.interrupts, self.room = tuner, interrupts, there
        self._limit = math.inf if options.concurrency is None else options.concurrency
        self._fuse = there.share.fuse
        self._ahead = int(options.address is not None)  # one more than fits: an autoscaler sees what is wanted
        self.nodes: dict[str, str] = {}  # where a running trial was sent to, if it is not all the same
        self.packs: dict[str, Members] = {}  # that run, by Tune's id
        self.trials: dict[str, Any] = {}
        self.waiting: dict[str, Any] = {}  # those of them that no process has begun with
        self.hung: dict[str, str] = {}  # trials that were ended since they hang, and what is said of it
        self.error: BaseException | None = None

    def call(self, act: Callable[..., Any], *args: Any) -> Any:
        """act(*args); an error is kept until `check`, since Tune calls this from where it would swallow it."""
        if self.error is None:
            try:
                return act(*args)
            except BaseException as error:
                self.error = error
        return None

    def check(self) -> None:
        try:
            if self.error is not None:
                raise self.error
            self.interrupts.check()
            self.tuner.check()
            self._look()
        except BaseException as error:
            raise Leave(error) from None

    def _look(self) -> None:
        """As many trials at a time as there is room for now."""
        try:
            still = bool(self.trials) and len(self.waiting) == len(self.trials)
            self.tuner.concurrency = int(max(1, min(self._limit, self.room.look(still) * self._fuse)))
        except StudyError as error:
            raise Interrupted(self.tuner.folder, str(error)) from None

    @property
    def full(self) -> bool:
        """Whether as many packs are asked for as may be."""
        return len(self.packs) >= min(self._limit / self._fuse, self.room.count + self._ahead) or self.most < 1

    @property
    def most(self) -> int:
        """How many trials the next pack may have."""
        return int(min(self._fuse, self._limit - sum(map(len, self.packs.values()))))

    def without_a_process(self) -> Any:
        """The first trial that waits for room. None where those that wait have processes that are being started.

        Tune's own rule gives the first that waits the process of one that has ended, and drops its own half-way: then
        short trials on a slow machine keep the others from ever being ready. Of the places that no trial runs on one
        may hold a process that has just ended its trial; on the others they are being started.
        """
        running = len(self.packs) - len(self.waiting)
        starting = max(0, self.room.count - running - 1)
        return next(islice(self.waiting.values(), starting, None), None)

    def share(self, name: str) -> dict[str, Any]:
        """What a trial asks Ray for: of any node, unless one is better (a hint: Ray takes another where it is full)."""
        asks: dict[str, Any] = {"bundles": [demand(self.room.share)]}
        if (node := self.room.preferred(Counter(self.nodes.values()))) is not None:
            self.nodes[name] = node
            asks |= {"strategy": "STRICT_PACK", "_soft_target_node_id": node}
        return asks
