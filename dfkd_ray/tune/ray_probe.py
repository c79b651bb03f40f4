"""Asks a Ray cluster whether it lets this process in: a program of its own, run by ray_address.py.

Ray's client ends the process that it is in when nobody answers, and says so in lines of C++. Reads the address when
it is ready to ask, and prints one object in JSON: address, and `ray` and `python` (the cluster's versions), or
`refused`, or `nowhere`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

METADATA = (b"CLUSTER_METADATA", b"cluster")  # key and namespace, in the store of the GCS


def asked(address: str) -> dict[str, Any]:
    """What the cluster says; does not return where it says nothing."""
    from ray._private.services import canonicalize_bootstrap_address_or_die
    from ray._raylet import GcsClient  # type: ignore[attr-defined]
    from ray.exceptions import AuthenticationError

    try:
        found = canonicalize_bootstrap_address_or_die(address)
    except (ConnectionError, ValueError) as error:
        return {"nowhere": str(error).partition("\n")[0]}
    try:
        told = json.loads(GcsClient(address=found).internal_kv_get(*METADATA, timeout=15) or b"{}")
    except AuthenticationError:
        return {"address": found, "refused": True}
    return {"address": found, "ray": told.get("ray_version"), "python": told.get("python_version")}


if __name__ == "__main__":
    import ray._raylet  # before it is asked, since it takes the longest  # noqa: F401

    print(json.dumps(asked(sys.stdin.readline().strip())), flush=True)
    os._exit(0)  # the client's threads may wait for their cluster
