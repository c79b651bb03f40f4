"""A worker on Ray leaves in time: after SIGTERM, and when its node is drained, it saves its trial and ends.

Who ends machines says so before: a batch system by a signal, an autoscaler or `ray drain-node` by draining the node.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import FrameType

import ray
from ray._private.state import state

from dfkd_ray.util import leaving

LOOK = 5.0  # seconds between two looks at the nodes
TERMINATED = "SIGTERM"
DRAINED = "its node is being drained"


def watch() -> None:
    """From now on: called once, in the main thread of a worker."""
    if signal.getsignal(signal.SIGTERM) is _terminate:
        return
    signal.signal(signal.SIGTERM, _terminate)
    node, asked = ray.get_runtime_context().get_node_id(), state.get_draining_nodes
    threading.Thread(target=look, args=(node, asked), name="is the node drained?", daemon=True).start()


def look(node: str, asked: Callable[[], Mapping[str, int]], pause: float = LOOK) -> None:
    """Look until the node is drained, or nobody knows any more."""
    while True:
        time.sleep(pause)
        with suppress(Exception):  # the head is gone: the driver sees to that
            if node in asked():
                leaving.tell(DRAINED)
                return


def _terminate(number: int, frame: FrameType | None) -> None:
    if leaving.told() == TERMINATED:  # who says it twice does not want to wait
        os._exit(1)
    leaving.tell(TERMINATED)
