"""Works without tensors: learning curves that are formulas, checkpoints that are JSON, ways to go wrong."""

from __future__ import annotations

import json
import math
import os
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfkd_ray import study as studies
from dfkd_ray.errors import TrialFailed
from dfkd_ray.study import Study
from dfkd_ray.sweep.work import Job, Row
from dfkd_ray.yamls import loads

PNG = b"\x89PNG\r\n\x1a\nnot really"
CALLS = 0  # how many trials this process has begun: survives between trials where actors are reused

STUDY = """
study: toy
method: m
task: t
objective: {metric: val_accuracy}
search:
  x: {uniform: [0, 1]}
  kind: {choice: [good, bad]}
  extra: {log: [0.1, 10], when: {kind: [good]}}
sampler: {name: tpe, startup: 3}
stopper: {name: asha, grace: 1, reduction: 2}
budget: {trials: 8}
"""


def study(changes: Mapping[str, str] = {}, text: str = STUDY) -> Study:
    """The toy study with some of its text replaced."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return studies.parse(loads(text, "toy.yaml"))


@dataclass(frozen=True)
class Toy:
    """val_accuracy grows towards a value that depends on x and kind; the checkpoint keeps a running sum."""

    max_epochs: int = 4
    pause: float = 0.0  # s an epoch
    raises_at: int = 0  # epoch
    nan_at: int = 0
    die_at: int = 0  # kill -9 of the own process at this epoch, once a trial (a file remembers)
    ends_at: int = 0  # stop yielding before the last row
    only: tuple[int, ...] = ()  # the trials that go wrong; empty: all
    note: Mapping[str, Any] = field(default_factory=dict)

    def epochs(self, job: Job) -> Iterator[Row]:
        global CALLS
        CALLS += 1
        folder = Path(job.folder or ".")
        checkpoint = folder / "checkpoint.json"
        state = json.loads(checkpoint.read_text()) if checkpoint.exists() else {"epoch": 0, "sum": 0.0}
        wrong = not self.only or job.trial in self.only
        for epoch in range(state["epoch"] + 1, self.max_epochs + 1):
            time.sleep(self.pause)
            if wrong and epoch == self.raises_at:
                raise TrialFailed(f"the loss is not finite at epoch {epoch}")
            if wrong and epoch == self.die_at and not (folder / "died").exists():
                (folder / "died").write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            if epoch == self.ends_at:
                return
            state = {"epoch": epoch, "sum": state["sum"] + job.changes.get("x", 0.5)}
            last = epoch == self.max_epochs
            value = math.nan if wrong and epoch == self.nan_at else self.value(job, epoch)
            metrics = {"val_accuracy": value, "kl/noise": 1 - value, "sum": state["sum"]}
            yield Row(
                epoch=epoch,
                seconds=0.5 * epoch,
                metrics=metrics,
                picture=PNG if epoch == 1 else None,
                last=last,
                final={"test_accuracy/last": value, "calls": float(CALLS)} if last else {},
                peak_memory=1000 * epoch,
                host="here",
                device=str(os.getpid()),
                fingerprint="f",
                method={"name": "m", "changes": dict(job.changes)},
            )
            folder.mkdir(parents=True, exist_ok=True)
            temporary = folder / ".tmp"
            temporary.write_text(json.dumps(state))
            os.replace(temporary, checkpoint)  # after the row was taken: a row that was lost comes again

    def value(self, job: Job, epoch: int) -> float:
        top = 0.9 - (job.changes.get("x", 0.5) - 0.7) ** 2 - (0.2 if job.changes.get("kind") == "bad" else 0.0)
        return float(top * (1 - 0.5**epoch) + 0.001 * job.seed)
