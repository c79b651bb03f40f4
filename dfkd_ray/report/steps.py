"""Learning curves as columns: the 32 million rows of a large study's `steps.arrow` never become Python objects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

COLUMNS = ("trial", "epoch", "metric", "value")  # of the table: what a report looks at
MERGED = 1 << 20  # rows


@dataclass(frozen=True, eq=False)
class CurveTable(Mapping[int, Mapping[int, float]]):
    """The finite values of one metric: trial -> epoch -> value; and as columns, sorted by trial, then by epoch."""

    trial: NDArray[np.int32]
    epoch: NDArray[np.int32]
    value: NDArray[np.float64]

    @cached_property
    def _places(self) -> dict[int, tuple[int, int]]:
        """Trial -> its first row, and the first behind it."""
        numbers, first = np.unique(self.trial, return_index=True)
        return dict(zip(numbers.tolist(), zip(first.tolist(), [*first[1:].tolist(), len(self.trial)])))

    def __getitem__(self, trial: int) -> dict[int, float]:
        first, end = self._places[trial]
        return dict(zip(self.epoch[first:end].tolist(), self.value[first:end].tolist()))

    def __iter__(self) -> Iterator[int]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, trial: object) -> bool:
        return trial in self._places

    @property
    def longest(self) -> int:
        """How many epochs the trial with the most of them has."""
        return max((end - first for first, end in self._places.values()), default=0)

    def last(self, trial: int) -> tuple[int, float]:
        """The last epoch of a trial that there is, and the value there."""
        end = self._places[trial][1] - 1
        return int(self.epoch[end]), float(self.value[end])

    def at(self, trial: int, epoch: int | None) -> float | None:
        """One value; None where it is missing."""
        first, end = self._places.get(trial, (0, 0))
        if epoch is None or first == end:
            return None
        place = first + int(np.searchsorted(self.epoch[first:end], epoch))
        return float(self.value[place]) if place < end and self.epoch[place] == epoch else None


def coded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Rows of `steps` whose metrics are numbers of their names: a tenth of the memory."""
    if pa.types.is_dictionary(batch["metric"].type):
        return batch
    columns = [batch[name].dictionary_encode() if name == "metric" else batch[name] for name in batch.schema.names]
    return pa.RecordBatch.from_arrays(columns, batch.schema.names)


def merged(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Rows of `steps`, coded, about MERGED of them in one piece: a writer may have written them trial by trial."""
    waiting: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        waiting.append(coded(batch))
        count += batch.num_rows
        if count >= MERGED:
            yield pa.Table.from_batches(waiting).unify_dictionaries().combine_chunks()
            waiting, count = [], 0
    if waiting:
        yield pa.Table.from_batches(waiting).unify_dictionaries().combine_chunks()


def named(steps: pa.Table) -> set[str]:
    """Every metric of a table of steps."""
    held: set[str | None] = set()
    for chunk in steps["metric"].chunks:
        held.update((chunk.dictionary if pa.types.is_dictionary(chunk.type) else chunk.unique()).to_pylist())
    return {name for name in held if name is not None}


def curves(steps: pa.Table, metric: str) -> CurveTable:
    """The curves of a metric; of rows that are there twice the later one counts."""
    parts = [_chosen(batch, metric) for batch in steps.select(COLUMNS).to_batches()]
    columns = [np.concatenate(found) for found in zip(*parts)] if parts else [np.empty(0)] * 3
    order = np.lexsort((columns[1], columns[0]))
    trials, epochs, values = (column[order].astype(kind) for column, kind in zip(columns, (np.int32, np.int32, float)))
    last = np.ones(len(trials), dtype=bool)
    last[:-1] = (np.diff(trials) != 0) | (np.diff(epochs) != 0)
    return CurveTable(trials[last], epochs[last], values[last])


def _chosen(batch: pa.RecordBatch, metric: str) -> tuple[NDArray[np.generic], ...]:
    """Trial, epoch and value of the rows of a metric that have all three, the value finite."""
    kept = coded(batch)
    code = kept["metric"].dictionary.index(metric).as_py()
    wanted = pc.and_(pc.equal(kept["metric"].indices, code), pc.is_finite(kept["value"]))
    known = pc.and_(pc.is_valid(kept["trial"]), pc.is_valid(kept["epoch"]))
    rows = kept.filter(pc.and_(wanted, known))
    return tuple(rows[name].to_numpy(zero_copy_only=False) for name in ("trial", "epoch", "value"))
