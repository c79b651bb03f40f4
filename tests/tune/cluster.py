"""A process that holds a Ray cluster behind a token, of nodes with so many cpus each (1 and 1), the head first: prints
its address, ends with its input."""

from __future__ import annotations

import os
import sys

from dfkd_ray.tune.ray_setup import ensure_token

os.environ.setdefault("RAY_AUTH_MODE", "token")
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.update(ensure_token())


def main(cpus: list[int]) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cpus[0], "include_dashboard": False})
    for count in cpus[1:]:
        cluster.add_node(num_cpus=count)
    print(cluster.address, flush=True)
    sys.stdin.read()
    cluster.shutdown()


if __name__ == "__main__":
    main([int(count) for count in sys.argv[1:]] or [1, 1])
