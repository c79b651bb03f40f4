"""A process that holds a Ray cluster whose nodes may be lost: a head without a cpu, and two of one. It prints the
address, and ends with its input; its folder is its own, which Ray keeps a note of the newest cluster in."""

from __future__ import annotations

import os
import sys
import tempfile

from dfkd_ray.tune.ray_setup import ensure_token

os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.update(ensure_token())


def main() -> None:
    from ray.cluster_utils import Cluster

    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        os.environ["RAY_TMPDIR"] = folder
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        print(cluster.address, flush=True)
        sys.stdin.read()
        cluster.shutdown()


if __name__ == "__main__":
    main()
