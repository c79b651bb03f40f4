"""Being connected to Ray: quietly, and to a cluster of one's own where none is named.

Which modules `ray_*` import Ray stands in tests/test_architecture.py; they are imported when `environment` is in force.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import ray

from dfkd_ray.study import Resources
from dfkd_ray.tune import ray_address, ray_folder, ray_ports
from dfkd_ray.tune.ray_head import Head
from dfkd_ray.tune.ray_setup import new_enough, worker_environment
from dfkd_ray.tune.room import WAIT, Node, Room, settled
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.host import cores

AGAIN = "interrupted; the same command goes on"


@contextmanager
def cluster(
    address: str | None, share: Resources, insecure: bool = False, leave: Callable[[], str] = lambda: AGAIN
) -> Iterator[None]:
    """Connected to a cluster, quietly; one that was started here is gone afterwards.

    insecure: one that asks for no token may be connected to. leave: see ray_head.Head.
    """
    if ray.is_initialized():
        yield  # the caller's own
        return
    new_enough(ray.__version__)
    if address is None:
        token = os.environ.get("RAY_AUTH_MODE", "").lower() != "disabled"
    else:
        token = ray_address.check(address, insecure)
    with _quiet(), nullcontext() if address else ray_folder.session() as session:
        head = None
        try:
            _connect(address, share, session)
            _say_who_gets_in(token)
            with Head(ray.get_runtime_context().gcs_address, leave) as head:
                yield
        finally:
            if head is None or head.lost is None:
                ray.shutdown()
            else:  # it would wait for the dead
                atexit.unregister(ray.shutdown)


@contextmanager
def _quiet() -> Iterator[None]:
    logger = logging.getLogger("ray")
    level = logger.level
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _connect(address: str | None, share: Resources, session: ray_folder.Session | None) -> None:
    try:
        ray.init(
            address=address or "local",  # "local": not whatever RAY_ADDRESS names
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            runtime_env={"env_vars": dict(worker_environment(share.threads))},
            **({} if session is None else _own(session)),
        )
    except ConnectionError as error:
        why = str(error).partition("\n")[0]
        raise StudyError(f"the Ray cluster at {address} does not let this process in: {why}") from None
    except Exception as error:
        if session is None:
            raise
        session.kept = True
        why = str(error).partition("\n")[0] or type(error).__name__
        raise StudyError(f"Ray does not start: {why} (its logs: {session.logs}); or say --runner serial") from error


def _own(session: ray_folder.Session) -> dict[str, Any]:
    """How a cluster of one's own is started."""
    size, note = ray_folder.object_store()
    if note is not None:
        _say(note)
    return {
        "include_dashboard": False,
        "num_cpus": cores(),
        "object_store_memory": size,
        "_temp_dir": str(session.folder),
    }


def _say_who_gets_in(token: bool) -> None:
    """One line where others may reach what runs here: a cluster of one's own listens on the loopback alone."""
    if ports := ray_ports.open_ports():
        where = ray_ports.described(ports)
        who = "whoever has its token" if token else "everybody, without a token"
        _say(f"Ray listens on all interfaces ({where}): it lets in {who}; a firewall or --runner serial closes it")
    elif not token:
        _say("Ray lets in everybody on this machine, without a token")


def nodes() -> list[Node]:
    """The nodes that live now, of the cluster that this process is connected to."""
    return [Node(node["NodeID"], node["Resources"]) for node in ray.nodes() if node["Alive"]]


def room(share: Resources, address: str | None, wait: float | None = None, device: str | None = None) -> Room:
    """For trials that take so much, on the cluster that this process is connected to; `gpu: auto` asks its nodes.

    wait: seconds for a node that fits, where others can join; see Room, and `settled` for the device.
    """
    wait = None if address is None else WAIT if wait is None else wait
    return Room(settled(share, nodes(), device), nodes, wait, _say)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
