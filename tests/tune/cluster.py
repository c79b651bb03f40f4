"""A process that holds a Ray cluster of two nodes behind a token: prints its address, ends with its input."""

from __future__ import annotations

import os
import sys

from dfkd_ray.tune.ray_setup import ensure_token

os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.update(ensure_token())


def main() -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    cluster.add_node(num_cpus=1)
    print(cluster.address, flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main()
