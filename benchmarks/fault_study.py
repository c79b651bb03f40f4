"""The study that accidents happen to in `faults.py`: its folder, its processes, and what it says at its end.

A process is a fork of this one, where all is imported.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfkd_ray import cli, report
from dfkd_ray.util import tables

STUDY = """study: faults
method: dfkd_fgvc
task: gliders
fixed: {schedule.epochs: 3, schedule.rounds: 1, schedule.source_steps: 1, schedule.student_steps: 2, schedule.batch: 4,
  source.latent: 8, source.width: 8}
objective: {metric: val_accuracy}
search: {student_loss.kd.temperature: {log: [1, 20]}}
sampler: {name: tpe, startup: 2}
stopper: {name: asha, grace: 2, reduction: 2}
budget: {trials: 3}
"""
OF_A_TRIAL = ("seed", "changes", "state", "rung", "epochs", "objectives", "best_epoch", "fingerprint", "final")
Found = dict[tuple[Any, ...], str]


@dataclass
class Ended:
    """A process that has ended: exit code (negative: the signal that killed it) and what it said."""

    code: int
    said: str


@dataclass
class Place:
    """A study's folder, and processes of `dfkd-ray` that work on it. `log`: what was run, and how it ended; `wanted`:
    what it should come to, where that is not what the others do; `seen`: seconds until an accident was seen."""

    home: Path
    wanted: Found | None = None
    seen: float | None = None
    log: list[str] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.home / "out"

    @property
    def begun(self) -> bool:
        """Whether its ledger has a record: else there is nothing to resume."""
        path = self.folder / "ledger.jsonl"
        return path.exists() and b"\n" in path.read_bytes()

    def begin(self, *words: str) -> int:
        """The process of `dfkd-ray WORDS`, in a group of its own."""
        if pid := os.fork():
            return pid
        os.setsid()
        os.chdir(self.home)
        said = os.open(self.home / f"said.{os.getpid()}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(said, 1)
        os.dup2(said, 2)
        sys.argv = ["dfkd-ray", *words]
        if words[0] != "report":  # pages take longer than such a study, and are not what is tried
            report.build = lambda folder, *which: folder  # type: ignore[assignment]
        code: Any = 1
        try:
            cli.main()
            code = 0
        except SystemExit as stop:
            code = stop.code or 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        sys.stdout.flush()
        os._exit(code)

    def end(self, pid: int, words: str = "") -> Ended:
        """Wait for a process."""
        _, status = os.waitpid(pid, 0)
        path = self.home / f"said.{pid}"
        said = path.read_text(errors="replace") if path.exists() else ""
        path.unlink(missing_ok=True)
        ended = Ended(os.waitstatus_to_exitcode(status), said)
        self.log.append(f"{words}: {ended.code}\n{said}")
        return ended

    def run(self, *words: str) -> Ended:
        return self.end(self.begin(*words), " ".join(words))

    def sweep(self) -> int:
        return self.begin("sweep", "study.yaml", "--runner", "serial", "--out", "out")

    def resume(self) -> Ended:
        return self.run("resume", "out")

    def struck(self, after: float, number: int) -> Ended:
        """A sweep that gets a signal after some seconds."""
        pid = self.sweep()
        time.sleep(after)
        os.kill(pid, number)
        return self.end(pid, f"sweep, signal {number} after {after:.2f} s")


def found(folder: Path) -> tuple[Found, int]:
    """What a study's tables and students say, in a form in which bits can be compared; and how much is there twice."""
    keys: list[tuple[Any, ...]] = []
    facts: Found = {}
    for row in tables.read(folder / "trials.arrow").to_pylist():
        keys.append((row["trial"],))
        facts[keys[-1]] = json.dumps([row[name] for name in OF_A_TRIAL])
    for row in tables.read(folder / "steps.arrow").to_pylist():
        keys.append((row["trial"], row["epoch"], row["metric"]))
        facts[keys[-1]] = float(row["value"]).hex()
    for path in folder.glob("trials/*/student*.safetensors"):
        data = path.read_bytes()
        keys.append((path.parent.name, path.name))
        facts[keys[-1]] = hashlib.sha256(data[8 + int.from_bytes(data[:8], "little") :]).hexdigest()
    return facts, sum(count - 1 for count in Counter(keys).values())


def again(folder: Path) -> int:
    """How often a trial was begun again, from its last checkpoint."""
    return sum(row["attempts"] - 1 for row in tables.read(folder / "trials.arrow").to_pylist())


def fresh(above: Path, name: str) -> Place:
    home = above / name
    home.mkdir(parents=True)
    (home / "study.yaml").write_text(STUDY)
    return Place(home)
