"""Small pools, made as a source would."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch

from dfkd_ray.datasets.pools import Pool, PoolCard, PoolRow, TeacherFacts
from dfkd_ray.datasets.pools.stream import SCHEMA, head, message, read_shard

CARD = PoolCard(
    task="shapes",
    classes=("a", "b", "c", "d", "e"),
    image=(3, 16, 16),
    mean=(0.5,) * 3,
    std=(0.25,) * 3,
    teacher=TeacherFacts("toy", "0123456789abcdef"),
    method={"source": {"name": "diffusion", "steps": [10, 20]}, "schedule": {"epochs": 3}},
    fingerprint="f" * 16,
    seed=7,
    shards=2,
    per_trajectory=4,
    pixels=16,
    versions={"torch": "2"},
)


def trajectory(card: PoolCard, number: int) -> list[PoolRow]:
    """Two estimates of each of its latents, the second finished; its number decides every pixel."""
    rng = torch.Generator().manual_seed(number)
    label = number % len(card.classes)

    def row(place: int) -> PoolRow:
        image = torch.randint(256, (3, card.pixels, card.pixels), generator=rng, dtype=torch.uint8)
        final = bool(place % 2)
        losses = {} if final else {"onehot": number + place / 8, "batchnorm": 2.5}
        return PoolRow(place // 2, 10 * (1 + final), final, label, f"A photo {number}.", 100 + number, losses, image)

    return [row(place) for place in range(card.per_trajectory)]


def fill(folder: Path, count: int, card: PoolCard = CARD, only: Iterable[int] | None = None) -> Pool:
    """A pool with the first `count` trajectories; only: those of these shards."""
    pool = Pool.create(folder, card)
    for index in only or range(1, card.shards + 1):
        with pool.shard(index, card.shards) as shard:
            for number in range(index - 1, count, card.shards):
                if number not in shard.done:
                    shard.append(number, trajectory(card, number))
    return pool


def starts(path: Path) -> list[int]:
    """At which byte each trajectory of a shard starts, and the last one ends."""
    sizes = [len(head()), *(len(message(batch)) for batch in read_shard(path).batches)]
    return list(accumulate(sizes))


def rewrite(path: Path, batches: Iterable[pa.RecordBatch]) -> None:
    """A shard with these trajectories, whatever they are; those that were read from it stay what they are.

    Nothing is sealed in it: so an earlier version wrote it.
    """
    path.unlink()
    path.write_bytes(SCHEMA.serialize().to_pybytes() + b"".join(batch.serialize().to_pybytes() for batch in batches))


def changed(batch: pa.RecordBatch, **columns: Any) -> pa.RecordBatch:
    """The same trajectory with other columns."""
    held = {name: columns.get(name, batch.column(name).to_pylist()) for name in SCHEMA.names}
    return pa.RecordBatch.from_pydict(held, schema=SCHEMA)
