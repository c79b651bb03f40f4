"""A Ray cluster behind a token whose nodes come and go: `Holder` here, the cluster in a process of its own.

It begins with a head that runs nothing, in a folder of its own: Ray keeps a note there of the newest cluster, and tells
jobs to join that. The process reads a command a line, says when it is done, and ends with its input.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CANNOT = "cannot"
_NEWNS, _REC, _PRIVATE = 0x00020000, 0x4000, 0x40000  # CLONE_NEWNS, MS_REC, MS_PRIVATE


class Holder:
    """`with Holder() as holder:`; `address` is of the cluster, `dashboard` of its dashboard where it has one.

    environment: of all its processes, over this one's. head: options of `Cluster.add_node` for the head's own node.
    """

    def __init__(self, environment: dict[str, str] | None = None, **head: Any) -> None:
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
        self._head = head

    def __enter__(self) -> Holder:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        command = [sys.executable, "-m", "tests.tune.holder", json.dumps(self._head)]
        self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment, text=True, **pipes)
        self.address, *more = self._line().split()
        self.dashboard = more[0] if more else ""
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate("")

    def add(self, name: str, apart: Path | None = None, **options: Any) -> None:
        """A node joins; options: of `Cluster.add_node`. apart: a folder in whose place the node has an empty one of
        its own, as a machine without a shared disk; PermissionError where that may not be."""
        self._do("add", name, {"apart": apart and str(apart), **options})

    def kill(self, name: str) -> None:
        """kill -9 of a node's raylet, or of the `head`."""
        self._do("kill", name)

    def drain(self, name: str) -> None:
        """What SIGTERM to `ray start --block` does: the node is drained, and leaves when it is, or after its time."""
        self._do("drain", name)

    def _do(self, what: str, name: str, options: Any = None) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps([what, name, options or {}])}\n")
        self._process.stdin.flush()
        said = self._line()
        if said.startswith(CANNOT):
            raise PermissionError(said)
        assert said == f"{what} {name}", said

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


class Nodes:
    """The cluster, where the process holds it."""

    def __init__(self, head: dict[str, Any]) -> None:
        from ray.cluster_utils import Cluster

        # the agent that starts jobs has any free port, as those of other nodes: of a fixed one a machine has one alone
        own = {"num_cpus": 0, "include_dashboard": False, "dashboard_agent_listen_port": None, **head}
        self.cluster = Cluster(initialize_head=True, head_node_args=own)
        self.named: dict[str, Any] = {}

    def add(self, name: str, apart: str | None, **options: Any) -> None:
        if apart is None:
            self.named[name] = self.cluster.add_node(**options)
            return

        def added() -> Any:
            _alone(apart)
            return self.cluster.add_node(**options)

        self.cluster._shutdown_at_exit = False  # signals are for the main thread, and this one ends before the node
        try:
            with ThreadPoolExecutor(1) as thread:
                self.named[name] = thread.submit(added).result()
        finally:
            self.cluster._shutdown_at_exit = True

    def kill(self, name: str) -> None:
        if name == "head":
            (gcs,) = self.cluster.head_node.all_processes["gcs_server"]
            os.kill(gcs.process.pid, signal.SIGKILL)
        else:
            self.cluster.remove_node(self.named.pop(name), allow_graceful=False)

    def drain(self, name: str) -> None:
        node = self.named.pop(name)
        node._drain_node_before_shutdown()
        self.cluster.remove_node(node)


def _alone(folder: str) -> None:
    """This thread, and what it starts, in a mount namespace of its own, in which `folder` is empty."""
    libc = ctypes.CDLL(None, use_errno=True)
    private = (b"none", b"/", None, _REC | _PRIVATE, None)
    if libc.unshare(_NEWNS) or libc.mount(*private) or libc.mount(b"none", folder.encode(), b"tmpfs", 0, None):
        raise PermissionError(f"have no mount namespace of its own here: {os.strerror(ctypes.get_errno())}")


def main() -> None:
    from dfkd_ray.tune.ray_setup import ensure_token

    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.update(ensure_token())
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        os.environ["RAY_TMPDIR"] = folder
        nodes = Nodes(json.loads(sys.argv[1]))
        board = nodes.cluster.head_node.webui_url
        print(nodes.cluster.address, *([f"http://{board}"] if board else []), flush=True)
        for line in sys.stdin:
            what, name, options = json.loads(line)
            try:
                getattr(nodes, what)(name, **options)
            except PermissionError as error:
                print(CANNOT, error, flush=True)
            else:
                print(what, name, flush=True)
        nodes.cluster.shutdown()


if __name__ == "__main__":
    main()
