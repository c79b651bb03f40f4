"""A study that is tracked, killed by kill -9 within its second trial, and gone on with here."""

from __future__ import annotations

import os
import signal
from io import BytesIO
from pathlib import Path

from PIL import Image

from dfkd_ray.tune.curves import unpacked
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.tune.summing import Summary
from tests.tune import toys

Points = dict[tuple[int, int], dict[str, float]]  # (trial, epoch) -> its metrics
ONE = {"budget: {trials: 8}": "budget: {trials: 1}"}
THREE = {"budget: {trials: 8}": "budget: {trials: 3}", "name: asha, grace: 1, reduction: 2": "name: none"}


def run(folder: Path, track: str) -> Summary:
    """Three trials; what the second had done was told before the kill, and the third begins after the resume."""
    kill(folder, track)
    return toys.resume(folder, toys.Toy())


def kill(folder: Path, track: str) -> None:
    """A fork spares the imports, which take longer than the study: what comes before it makes them."""
    toys.start(toys.study(ONE), toys.Toy(max_epochs=1), folder.with_name("before"))
    if (child := os.fork()) == 0:
        try:
            toys.start(toys.study(THREE), toys.Toy(die_at=3, only=(1,)), folder, track=(track,))
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the study was killed"
    assert os.WTERMSIG(status) == signal.SIGKILL


def in_the_ledger(folder: Path) -> Points:
    """What there is to send, from the records alone."""
    rows = [record for record in read_records(folder / NAME)[0] if record["kind"] == "row"]
    assert len(rows) == 12, "three trials of four epochs"
    return {(row["trial"], row["epoch"]): dict(zip(*unpacked(row))) for row in rows}


def pixels(file: bytes) -> tuple[str | None, tuple[int, int], bytes]:
    """Format and pixels of a picture, whoever has written it."""
    with Image.open(BytesIO(file)) as opened:
        return opened.format, opened.size, opened.convert("RGB").tobytes()


def final(folder: Path) -> dict[int, dict[str, float]]:
    """By trial, the metrics that are taken once."""
    return {each["trial"]: each["final"] for each in read_records(folder / NAME)[0] if each["kind"] == "ended"}
