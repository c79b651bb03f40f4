"""A process that holds a Ray cluster of two nodes behind a token: prints its address, ends with its input.

With the word `dashboard` it is one node, and has one, which takes jobs, and whose address is printed too (extra
`cluster`). It has a folder of its own then: Ray tells a job to join the cluster that was started last in the same one.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from typing import Any

from dfkd_ray.tune.ray_setup import ensure_token

os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.update(ensure_token())


def main() -> None:
    from ray.cluster_utils import Cluster

    wanted = "dashboard" in sys.argv[1:]
    folder = tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) if wanted else None
    where: dict[str, Any] = {"temp_dir": folder.name} if folder else {}
    head: dict[str, Any] = {"num_cpus": 1 + wanted, "include_dashboard": wanted, **where}
    if wanted:
        with socket.create_server(("127.0.0.1", 0)) as free:
            head["dashboard_port"] = free.getsockname()[1]
    cluster = Cluster(initialize_head=True, head_node_args=head)
    if not wanted:
        cluster.add_node(num_cpus=1)
    print(cluster.address, *([f"http://{cluster.head_node.webui_url}"] if wanted else []), flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main()
