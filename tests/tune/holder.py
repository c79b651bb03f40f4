"""A Ray cluster behind a token whose nodes come and go: `Holder` here, the cluster in a process of its own.

That process reads `add NAME {options}` and `kill NAME`, prints its address and a line for each command that it has
done, and ends with its input. It begins with a head that runs nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Holder:
    """`with Holder() as holder:`; `holder.address` is of the cluster."""

    def __enter__(self) -> Holder:
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        command = [sys.executable, "-m", "tests.tune.holder"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes)
        self.address = self._line()
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate("")

    def add(self, name: str, **options: Any) -> None:
        """A node joins; options: of `Cluster.add_node`."""
        self._do(f"add {name} {json.dumps(options)}")

    def kill(self, name: str) -> None:
        """kill -9 of a node's raylet."""
        self._do(f"kill {name}")

    def _do(self, command: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        assert command.startswith(self._line())

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


def main() -> None:
    from dfkd_ray.tune.ray_setup import ensure_token

    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.update(ensure_token())
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    nodes = {}
    print(cluster.address, flush=True)
    for line in sys.stdin:
        what, name, *options = line.split(None, 2)
        if what == "add":
            nodes[name] = cluster.add_node(**json.loads(options[0]))
        else:
            cluster.remove_node(nodes.pop(name), allow_graceful=False)
        print(what, name, flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
