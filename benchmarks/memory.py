"""The highest memory of each arm of the shipped study of methods, in a process of its own.

    python -m benchmarks memory [ARM ...]

Each arm runs with seed 0 to the end of its first epoch in which the student learns.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile

from dfkd_ray.runs.study_file import open_study
from dfkd_ray.tune.work import Job
from dfkd_ray.util import shipped

ALONE = "--alone"


def alone(name: str) -> float:
    """GB of one arm."""
    study, work = open_study(shipped.find("methods"))
    assert study.ablation is not None
    changes = dict(next(arm.changes for arm in study.ablation.arms if arm.name == name))
    schedule = work.resolve(changes).schedule
    changes["schedule.epochs"] = schedule.warmup + 1
    if schedule.source_epochs:
        changes["schedule.source_epochs"] = min(schedule.source_epochs, schedule.warmup + 1)
    with tempfile.TemporaryDirectory() as folder:
        rows = list(work.epochs(Job(trial=0, changes=changes, seed=0, folder=folder, threads=1)))
    return rows[-1].peak_memory / 1e9


def main(words: list[str]) -> None:
    if words[:1] == [ALONE]:
        print(f"{words[1]:<14} {alone(words[1]):.2f} GB")
        return
    study, _ = open_study(shipped.find("methods"))
    assert study.ablation is not None
    for name in words or [arm.name for arm in study.ablation.arms]:
        subprocess.run([sys.executable, __file__, ALONE, name], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
