"""Everything that is in a pool, read and held against its card."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from dfkd_ray.datasets.pools.pictures import side
from dfkd_ray.datasets.pools.pool import Pool
from dfkd_ray.datasets.pools.stream import Held, trajectory_of
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.progress import progress
from dfkd_ray.util.words import counted


@dataclass
class PoolReport:
    """What was found. trajectories, images: how many; classes: images of each, by number.

    broken: what is wrong, a line each. noted: what is not, and worth knowing.
    """

    trajectories: int = 0
    images: int = 0
    classes: Counter[int] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)


def complete(pool: Pool) -> list[bool]:
    """Whether each shard has all of its trajectories up to the last one of the pool; DataError for damage."""
    done = [{trajectory_of(batch) for batch in pool.held(index).batches} for index in _shards(pool)]
    end = max((number + 1 for numbers in done for number in numbers), default=0)
    return [numbers >= {*range(index, end, len(done))} for index, numbers in enumerate(done)]


def verify(pool: Pool) -> PoolReport:
    """Read every image of every shard."""
    report, seen = PoolReport(), _Seen()
    wanted = {pool.path(index).name for index in _shards(pool)}
    strange = sorted(path.name for path in pool.folder.glob("shard-*.arrows") if path.name not in wanted)
    report.noted += [f"{name}: no shard of this pool, nobody reads it" for name in strange]
    held = {}
    for index in _shards(pool):
        try:
            held[index] = pool.held(index)
        except DataError as error:
            report.broken.append(str(error))
    report.noted += _behind(pool, held)
    total = sum(batch.num_rows for each in held.values() for batch in each.batches)
    with progress("images", total, "images") as tell:
        for index, each in held.items():
            name = pool.path(index).name
            report.broken += [f"{name}: {what}" for what in _numbering(each, index, pool.card.shards)]
            if each.torn:
                left = f"{each.torn:,} bytes of a trajectory that was not finished"
                report.noted.append(f"{name}: ends in {left}; whoever writes on cuts them off")
            for batch in each.batches:
                report.trajectories += 1
                report.images += batch.num_rows
                report.classes.update(batch.column("label").to_pylist())
                what = f"{name}: trajectory {trajectory_of(batch)}"
                report.broken += [f"{what}: {wrong}" for wrong in _wrong(pool, batch)]
                report.noted += [f"{what}: {twice}" for twice in seen.again(batch)]
                tell(report.images)
    return report


def _shards(pool: Pool) -> Iterable[int]:
    return range(1, pool.card.shards + 1)


def _numbering(held: Held, index: int, of: int) -> Iterator[str]:
    """Gaps and trajectories that are there twice."""
    counts = Counter(map(trajectory_of, held.batches))
    if twice := sorted(number for number, count in counts.items() if count > 1):
        yield f"twice there: trajectory {_some(twice)}"
    if foreign := sorted(number for number in counts if number % of != index - 1):
        yield f"of another shard: trajectory {_some(foreign)}"
    if gaps := sorted({*range(index - 1, max(counts, default=0), of)} - {*counts}):
        yield f"not there, but later ones: trajectory {_some(gaps)}"


def _behind(pool: Pool, held: Mapping[int, Held]) -> Iterator[str]:
    """Shards that end before the last trajectory of the others: not filled yet, or lost."""
    last = {index: max(map(trajectory_of, each.batches), default=-1) for index, each in held.items()}
    end, of = max(last.values(), default=-1) + 1, pool.card.shards
    for index, own in last.items():
        if behind := len([number for number in range(index - 1, end, of) if number > own]):
            what = counted(behind, "trajectory", "trajectories")
            yield f"{pool.path(index).name}: {what} behind the other shards; the same `dfkd-ray synthesize` goes on"


def _some(numbers: list[int], shown: int = 8) -> str:
    more = f" and {len(numbers) - shown:,} more" if len(numbers) > shown else ""
    return ", ".join(map(str, numbers[:shown])) + more


def _wrong(pool: Pool, batch: pa.RecordBatch) -> Iterator[str]:
    """What of one trajectory is not as the card says; pictures are decoded."""
    card, number = pool.card, trajectory_of(batch)
    if {*batch.column("trajectory").to_pylist()} != {number}:
        yield "has images of another trajectory"
    if batch.num_rows != card.per_trajectory:
        yield f"has {counted(batch.num_rows, 'image')}, not {card.per_trajectory}"
    asked = number % len(card.classes)
    if others := sorted({*batch.column("label").to_pylist()} - {asked}):
        yield f"asks for class {asked}, and has images of {_some(others)}"
    for row, picture in enumerate(batch.column("image").to_pylist()):
        try:
            size = side(picture)
        except DataError as error:
            yield f"image {row} {error}"
        else:
            if size != (card.pixels, card.pixels):
                yield f"image {row} is {size[0]}x{size[1]}, not {card.pixels}x{card.pixels}"


class _Seen:
    """The images so far, by their bytes."""

    def __init__(self) -> None:
        self.first: dict[bytes, tuple[int, int]] = {}

    def again(self, batch: pa.RecordBatch) -> Iterator[str]:
        """Those of a trajectory that were there before, a line each."""
        for row, picture in enumerate(batch.column("image").to_pylist()):
            here = trajectory_of(batch), row
            first = self.first.setdefault(hashlib.blake2b(picture, digest_size=16).digest(), here)
            if first != here:
                yield f"image {row} is the same as image {first[1]} of trajectory {first[0]}"
