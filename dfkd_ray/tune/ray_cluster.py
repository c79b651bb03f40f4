"""Being connected to Ray: quietly, and to a cluster of one's own where none is named.

The modules `ray_*` but `ray_setup` import Ray, and are imported when that is in force.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray

from dfkd_ray.study import Resources
from dfkd_ray.tune.ray_setup import answering, worker_environment
from dfkd_ray.util.errors import StudyError


@contextmanager
def cluster(address: str | None, share: Resources) -> Iterator[None]:
    """Connected to a cluster, quietly; one that was started here is gone afterwards."""
    if ray.is_initialized():
        yield  # the caller's own
        return
    if address is not None:
        answering(address)
    logger = logging.getLogger("ray")
    level = logger.level
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _connect(address, share)
            yield
    finally:
        ray.shutdown()
        logger.setLevel(level)


def _connect(address: str | None, share: Resources) -> None:
    options: dict[str, Any] = {"include_dashboard": False} if address is None else {}
    try:
        ray.init(
            address=address or "local",  # "local": not whatever RAY_ADDRESS names
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            runtime_env={"env_vars": dict(worker_environment(share.threads))},
            **options,
        )
    except ConnectionError as error:
        why = str(error).partition("\n")[0]
        raise StudyError(
            f"the Ray cluster at {address} does not let this process in: {why} (it needs the cluster's token, in "
            f"RAY_AUTH_TOKEN or ~/.ray/auth_token, and the same version of Ray)"
        ) from None
