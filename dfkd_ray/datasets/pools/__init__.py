"""Pools of synthetic images on the disk: made once from one teacher, read by any number of runs.

    POOL/pool.json                 the card: of what everything in it was made
    POOL/shard-1-of-4.arrows       an Arrow IPC stream, append-only: one record batch is one trajectory

A trajectory is what one call of the source makes: images of one class, each with its way there. It is there completely
or not at all, whoever is killed.
"""

from __future__ import annotations

from dfkd_ray.datasets.pools.card import PoolCard, TeacherFacts
from dfkd_ray.datasets.pools.images import Images
from dfkd_ray.datasets.pools.pool import Pool
from dfkd_ray.datasets.pools.shard import PoolRow, Shard

__all__ = ["Images", "Pool", "PoolCard", "PoolRow", "Shard", "TeacherFacts"]
