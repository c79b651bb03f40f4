"""The rows of a trial, compact: ten thousand trials of two hundred epochs and sixteen metrics fit into 350 MB.

A row that the tuner writes has its metrics as `names` (joined by spaces) and `values` (their doubles, little-endian, in
base64): reading decimals back would be most of what reopening a large study takes. A name with a space in it is not
packed: then the row has `metrics`, a mapping.
"""

from __future__ import annotations

import sys
from array import array
from base64 import b64encode
from binascii import a2b_base64
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

ROW = ("epoch", "seconds", "metrics", "last", "final", "host", "device", "peak_memory")
Facts = tuple[tuple[str, ...], str | None, str | None]  # names of metrics, host, device
NOWHERE: Facts = ((), None, None)
split = lru_cache(maxsize=1024)(lambda names: tuple(names.split(" ")))  # one tuple for all rows that have these names


def packed(metrics: Mapping[str, float]) -> dict[str, Any]:
    """Metrics as a record has them; TypeError where one is no number."""
    values = array("d", metrics.values())
    if not metrics or any(" " in name or not name for name in metrics):
        return {"metrics": dict(zip(metrics, values))}
    if sys.byteorder == "big":
        values.byteswap()
    return {"names": " ".join(metrics), "values": b64encode(values.tobytes()).decode()}


def unpacked(record: Mapping[str, Any]) -> tuple[tuple[str, ...], Sequence[float]]:
    """Names and values of a row's metrics."""
    if "values" not in record:
        return tuple(record["metrics"]), array("d", record["metrics"].values())
    values = array("d", a2b_base64(record["values"]))
    if sys.byteorder == "big":
        values.byteswap()
    return split(record["names"]), values


class Rows(Mapping[int, dict[str, Any]]):
    """Epoch -> row, in the order of epochs; a row is made when it is asked for, and has the keys `ROW`."""

    __slots__ = ("_epochs", "_facts", "_kinds", "_last", "_peaks", "_seconds", "_starts", "_values")

    def __init__(self) -> None:
        self._epochs, self._seconds, self._peaks = array("i"), array("d"), array("q")
        self._values = array("d")  # of all rows, as they came
        self._starts, self._kinds = array("I"), array("I")  # where a row's values begin, and which facts it has
        self._facts: list[Facts] = []
        self._last: dict[int, Any] = {}  # epoch -> the final metrics, of rows that are the last ones

    def take(self, record: Mapping[str, Any]) -> tuple[tuple[str, ...], Sequence[float]] | None:
        """Take a row in and return its names and values; None, and nothing taken in, if its epoch is known."""
        epoch, epochs = record["epoch"], self._epochs
        late = bool(epochs) and epoch <= epochs[-1]
        if late and epoch in self:
            return None
        names, values = unpacked(record)
        before = self._facts[-1] if self._facts else NOWHERE
        facts = (names, record.get("host", before[1]), record.get("device", before[2]))
        if facts != before or not self._facts:
            self._facts.append(facts)
        epochs.append(epoch)
        self._seconds.append(record["seconds"])
        self._peaks.append(record.get("peak_memory") or 0)
        self._starts.append(len(self._values))
        self._kinds.append(len(self._facts) - 1)
        self._values.extend(values)
        if record.get("last"):
            self._last[epoch] = record.get("final")
        if late:  # of a ledger that was repaired
            self._sort()
        return names, values

    def _sort(self) -> None:
        order = sorted(range(len(self._epochs)), key=self._epochs.__getitem__)
        for name in ("_epochs", "_seconds", "_peaks", "_starts", "_kinds"):
            column = getattr(self, name)
            setattr(self, name, array(column.typecode, (column[i] for i in order)))

    @property
    def host(self) -> str | None:
        """Where the row came from that was taken in last; a record says it where that has changed."""
        return self._facts[-1][1] if self._facts else None

    @property
    def device(self) -> str | None:
        return self._facts[-1][2] if self._facts else None

    @property
    def epoch(self) -> int:
        """The latest; 0 where there is none."""
        return self._epochs[-1] if self._epochs else 0

    @property
    def seconds(self) -> float | None:
        """At the latest epoch."""
        return self._seconds[-1] if self._seconds else None

    @property
    def peak_memory(self) -> int | None:
        """At its highest."""
        return max(self._peaks, default=None)

    def curve(self, metric: str) -> dict[int, float]:
        """Epoch -> value of a metric, where it was reported."""
        places = [names.index(metric) if metric in names else -1 for names, _, _ in self._facts]
        starts, kinds, values = self._starts, self._kinds, self._values
        return {e: values[starts[i] + p] for i, e in enumerate(self._epochs) if (p := places[kinds[i]]) >= 0}

    def blocks(self) -> Iterator[tuple[tuple[str, ...], array[int], array[float], array[float]]]:
        """Runs of rows that have one set of metrics: their names, the epochs, seconds, and the values row by row."""
        for kind, run in groupby(range(len(self._epochs)), key=lambda i: self._kinds[i]):
            rows, names = list(run), self._facts[kind][0]
            starts = [self._starts[i] for i in rows]
            if starts == [*range(starts[0], starts[0] + len(rows) * len(names), len(names) or 1)]:  # as they came
                values = self._values[starts[0] : starts[-1] + len(names)]
            else:
                values = array("d", (v for start in starts for v in self._values[start : start + len(names)]))
            yield names, self._epochs[rows[0] : rows[-1] + 1], self._seconds[rows[0] : rows[-1] + 1], values

    def __getitem__(self, epoch: int) -> dict[str, Any]:
        i = bisect_left(self._epochs, epoch)
        if i == len(self._epochs) or self._epochs[i] != epoch:
            raise KeyError(epoch)
        names, host, device = self._facts[self._kinds[i]]
        start, final = self._starts[i], self._last.get(epoch)
        metrics = dict(zip(names, self._values[start : start + len(names)]))
        told = (epoch, self._seconds[i], metrics, epoch in self._last, final, host, device, self._peaks[i])
        return dict(zip(ROW, told))

    def __contains__(self, epoch: object) -> bool:
        i = bisect_left(self._epochs, epoch) if isinstance(epoch, int) else len(self._epochs)
        return i < len(self._epochs) and self._epochs[i] == epoch

    def __iter__(self) -> Iterator[int]:
        return iter(self._epochs)

    def __len__(self) -> int:
        return len(self._epochs)

    def __repr__(self) -> str:
        return f"Rows({dict(self)})"
