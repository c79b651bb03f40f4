"""Random streams by name, so that one part of a run cannot shift the random numbers of another."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def stream_seed(seed: int, *names: str | int) -> int:
    """A seed in [0, 2^63) for the stream with these names: `stream_seed(0, "source")`, `stream_seed(0, "epoch", 3)`."""
    label = ".".join(map(str, names)).encode()
    return (seed * 0x9E3779B97F4A7C15 + (zlib.crc32(label) << 31) + zlib.crc32(label[::-1])) % (1 << 63)


@contextmanager
def stream(seed: int, *names: str | int) -> Iterator[None]:
    """Within the block torch's own CPU generator is the named stream; afterwards it is as it was.

    Two methods that differ in one component initialise all others alike under one seed: arms are paired.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(stream_seed(seed, *names))
        yield
