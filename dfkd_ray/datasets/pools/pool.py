"""A pool: its card and its shards."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from dfkd_ray.datasets.pools import card as cards
from dfkd_ray.datasets.pools.card import PoolCard
from dfkd_ray.datasets.pools.images import Images, decoded
from dfkd_ray.datasets.pools.shard import Shard
from dfkd_ray.datasets.pools.stream import SCHEMA, Held, read_shard, shard_name, trajectory_of
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.files import remove_leftovers
from dfkd_ray.util.locks import alone
from dfkd_ray.util.words import counted


class Pool:
    """A folder of shards, all made of what its card says."""

    def __init__(self, folder: Path, card: PoolCard, still: list[pa.RecordBatch] | None = None) -> None:
        self.folder, self.card, self._still = folder, card, still

    @classmethod
    def create(cls, folder: Path, card: PoolCard) -> Pool:
        """A new pool, or the one that is there, to go on with; DataError if that is of another card."""
        folder.mkdir(parents=True, exist_ok=True)
        with alone(folder):
            remove_leftovers(folder / cards.NAME)
            there = [path.name for path in folder.iterdir()]
            if not there:
                cards.write(folder, card)
            elif cards.NAME not in there:
                raise DataError(f"{folder} exists and holds no pool: name another folder")
        pool = cls.open(folder)
        if (other := pool.card.other(card)) is not None:
            raise DataError(f"{folder} is a pool of {other}: name another folder")
        return pool

    @classmethod
    def open(cls, folder: Path) -> Pool:
        """The pool that is there; DataError if there is none, or its card is damaged."""
        return cls(folder, cards.read(folder))

    def path(self, index: int) -> Path:
        """Of the shard with that number, from 1."""
        return self.folder / shard_name(index, self.card.shards)

    def path_of(self, trajectory: int) -> Path:
        """Of the shard that a trajectory belongs to."""
        return self.path(trajectory % self.card.shards + 1)

    def shard(self, index: int, of: int) -> Shard:
        """A shard to write to, from 1; DataError if the pool has not `of` of them, or somebody writes to it."""
        if of != self.card.shards:
            shards = counted(self.card.shards, "shard")
            raise DataError(f"{self.folder} is a pool of {shards}, not of {of}: name another folder")
        if not 1 <= index <= of:
            raise DataError(f"{self.folder}: there is no shard {index} of {of}")
        return Shard(self.path(index), self.card, index)

    def held(self, index: int) -> Held:
        """What is in a shard, from 1."""
        return read_shard(self.path(index))

    def still(self) -> Pool:
        """The pool as it is now: of what is written to it later nothing is in its digest or its images."""
        return Pool(self.folder, self.card, self.batches())

    def batches(self) -> list[pa.RecordBatch]:
        """The complete trajectories of all shards, by their numbers: the same images however many shards there are."""
        if self._still is not None:
            return self._still
        found = [batch for index in range(1, self.card.shards + 1) for batch in self.held(index).batches]
        return sorted(found, key=trajectory_of)

    @property
    def size(self) -> int:
        """Images."""
        return sum(batch.num_rows for batch in self.batches())

    @property
    def digest(self) -> str:
        """64 bits of SHA-256 over the card (without versions) and the numbers of the trajectories, in hexadecimal."""
        said = {key: value for key, value in self.card.plain().items() if key != "versions"}
        said["trajectories"] = [trajectory_of(batch) for batch in self.batches()]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]

    def rows(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All images, by the numbers of their trajectories; what is not asked for stays on the disk."""
        table = pa.Table.from_batches(self.batches(), schema=SCHEMA)
        return table if columns is None else table.select(list(columns))

    def images(
        self, intermediate: bool = True, per_class: int | None = None, classes: Collection[int] | None = None
    ) -> Images:
        """Decoded, those of one latent together; intermediate: the estimates on the way too.

        per_class: at most so many of a class, the first. classes: these alone. DataError names the shard of a picture
        that cannot be decoded.
        """
        seen: Counter[int] = Counter()
        parts = []
        for batch in self.batches():
            latents, labels, finals = (batch.column(name).to_pylist() for name in ("latent", "label", "final"))
            rows = []
            for row in sorted(range(batch.num_rows), key=latents.__getitem__):
                label = labels[row]
                wanted = (finals[row] or intermediate) and (classes is None or label in classes)
                if wanted and (per_class is None or seen[label] < per_class):
                    seen[label] += 1
                    rows.append(row)
            parts.append((batch, rows))
        return decoded(parts, self.card, self.path_of)

    def each(self) -> Iterator[Images]:
        """The images of one trajectory after another: no more of the pool is in memory than that."""
        for batch in self.batches():
            yield decoded([(batch, range(batch.num_rows))], self.card, self.path_of)
