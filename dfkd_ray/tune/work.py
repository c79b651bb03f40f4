"""The seam between a sweep and what it runs: a sweep knows jobs, rows and a Work, and nothing of tensors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Job:
    """One trial to run: the changes to the study's method, the seed, and a folder for the trial's own checkpoint.

    `folder` is the absolute path of `reports/<study>/trials/<0000>`; if a checkpoint stands there, the work goes on
    from it. `threads` is how many threads the trial may compute with, 0 where torch may choose; `ranks`, how many
    processes share it, each with a GPU of its own.
    """

    trial: int
    changes: Mapping[str, Any]
    seed: int
    folder: str | None
    arm: str | None = None
    threads: int = 1
    study: str = ""
    ranks: int = 1


@dataclass(frozen=True)
class Row:
    """What a trial reports after an epoch (from 1): `seconds` of its own work since its start, and its metrics.

    Of a trial in a pack these are seconds of the clock, of which the others took their part, and memory of all. The
    last row has `last` set and carries `final`, the metrics taken once: test accuracy, say. `picture` is an encoded
    grid of synthetic images (PNG or WebP); `peak_memory` in bytes; `parameters` of the student; `method` is the
    resolved method, plain.
    """

    epoch: int
    seconds: float
    metrics: Mapping[str, float]
    picture: bytes | None = None
    last: bool = False
    final: Mapping[str, float] = field(default_factory=dict)
    peak_memory: int = 0
    parameters: int | None = None
    host: str = ""
    device: str = ""
    fingerprint: str = ""
    method: Mapping[str, Any] = field(default_factory=dict)


class Pack(Protocol):
    """Trials in one process, by number and in step with each other; one that has ended is in it no more."""

    def step(self) -> dict[int, Row | Exception]:
        """The next row of each; its error where it raised one, StopIteration where there is none: so it has ended."""
        ...

    def leave(self, trial: int, /) -> None:
        """Close one; the others go on."""
        ...

    def close(self) -> None:
        """Close all."""
        ...


class Work(Protocol):
    """What a trial does. It is pickled once and sent to every worker, so what is heavy in it travels once."""

    @property
    def max_epochs(self) -> int:
        """How many epochs a trial has."""
        ...

    def fingerprint(self, changes: Mapping[str, Any]) -> str:
        """The same for changes that resolve to the same method."""
        ...

    def epochs(self, job: Job) -> Iterator[Row]:
        """Yield one row an epoch; raise TrialFailed (or anything) if the trial cannot go on.

        After a resume it goes on with the epoch after its checkpoint; an epoch that was reported already may come
        again. Closing the iterator early releases everything.
        """
        ...

    def fused(self, jobs: Sequence[Job]) -> Pack:
        """The same of several jobs in this process, each with its folder; nothing is opened before the first step.

        Asked for where `resources.fuse` is more than 1.
        """
        ...
