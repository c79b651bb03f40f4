"""A work without tensors that keeps its checkpoint where a trial's folder is, and a process that runs it:
`stored.py PLACE start|resume WORK-JSON`."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dfkd_ray.runs.depot import CHECKPOINT, opened
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util import store
from dfkd_ray.util.sealed import TRAILER, seal
from dfkd_ray.util.store import Store
from tests.tune import toys

STUDY = """
study: kept
method: m
task: t
objective: {metric: val_accuracy}
search: {x: {uniform: [0, 1]}}
sampler: {name: random, seed: 1}
budget: {trials: 4}
"""


@dataclass(frozen=True)
class Kept:
    """A sum over epochs, whose value depends on each of them: lost or doubled ones would show."""

    max_epochs: int = 4
    pause: float = 0.0  # s an epoch
    ends_node: int = 0  # the epoch of trial 0 in which the raylet of its worker is killed, once

    def fingerprint(self, changes: Mapping[str, Any]) -> str:
        return json.dumps(changes, sort_keys=True)

    def epochs(self, job: Job) -> Iterator[Row]:
        with opened(job.folder) as (folder, depot):
            assert folder is not None
            path = folder / CHECKPOINT
            state = json.loads(path.read_text().partition("\n")[0]) if path.exists() else {"epoch": 0, "sum": 0.0}
            begun = state["epoch"]
            for epoch in range(begun + 1, self.max_epochs + 1):
                time.sleep(self.pause)
                state = {"epoch": epoch, "sum": 0.5 * state["sum"] + job.changes["x"] * epoch}
                last = epoch == self.max_epochs
                if last:
                    (folder / "student.safetensors").write_text(repr(state["sum"]))
                path.write_bytes(seal(json.dumps(state).encode() + TRAILER))
                if depot is not None:
                    depot.keep(epoch, set())
                    depot.finish()
                    if epoch == self.ends_node and job.trial == 0 and Store(str(job.folder)).put_if("died", b"1", None):
                        os.kill(os.getppid(), signal.SIGKILL)
                        time.sleep(600)
                metrics = {"val_accuracy": state["sum"]}
                yield Row(epoch, float(epoch), metrics, last=last, device=f"from {begun}", fingerprint="f")


def main(arguments: list[str]) -> int:
    place, how, work = arguments
    folder = store.folder_of(place)
    print(folder, flush=True)
    if how == "start":
        toys.start(toys.study(text=STUDY), Kept(**json.loads(work)), folder)
    else:
        toys.resume(folder, Kept(**json.loads(work)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
