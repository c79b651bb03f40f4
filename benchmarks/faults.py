"""What accidents do to a study: each is made to happen, the study goes on, and its tables are held to the undisturbed.

    OMP_NUM_THREADS=1 python -m benchmarks faults --repeat 20             # about two hours, most of it for clusters
    OMP_NUM_THREADS=1 python -m benchmarks faults --repeat 5 --kind disk_full --seed 7

A row is a kind of accident (`fault_kinds.py`, and under Ray `fault_kinds_ray.py`, `fault_kinds_cluster.py`): how often
it was tried; epochs and trials that were lost, or are there twice; trials that were begun again from a checkpoint;
values, and students' tensors, whose bits differ; tries that ended in a traceback or another exit code than they should;
seconds until it was seen, where that is measured. The study is real training on a few small images: a sweep of three
trials, three epochs each.
"""

from __future__ import annotations

import argparse
import importlib
import random
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fault_study import Found, Place, again, found, fresh

from dfkd_ray.datasets import gliders
from dfkd_ray.runs import evaluator, measures

LOADED = [
    *(
        "torch._dynamo",
        "optuna",
        "scipy.stats",
        "PIL.Image",
        "safetensors.torch",
        "filelock",
        "rich.console",
        "pydantic",
        "yaml",
    ),
    *("dfkd_ray.runs.study_file", "dfkd_ray.runs.experiment", "dfkd_ray.tune.launch", "dfkd_ray.tune.tabulate"),
    *("dfkd_ray.tune.search", "dfkd_ray.tune.importance", "dfkd_ray.tune.repair", "dfkd_ray.runs.outcome"),
]


@dataclass
class Row:
    """What became of the tries of one kind."""

    kind: str
    tries: int = 0
    lost: int = 0
    doubled: int = 0
    differing: int = 0
    again: int = 0
    wrong: list[str] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)  # s

    @property
    def good(self) -> bool:
        return not (self.lost or self.doubled or self.differing or self.wrong)


def judged(row: Row, place: Place, wanted: Found) -> None:
    """Hold a study that has ended to the undisturbed one."""
    row.tries += 1
    try:
        facts, doubled = found(place.folder)
    except Exception as error:
        row.wrong.append(f"{type(error).__name__}: {error}\n{''.join(place.log)}")
        return
    row.doubled += doubled
    row.again += again(place.folder)
    if place.seen is not None:
        row.seen.append(place.seen)
    row.lost += len(wanted.keys() - facts.keys())
    row.differing += sum(facts[key] != wanted[key] for key in wanted.keys() & facts.keys())
    row.differing += len(facts.keys() - wanted.keys())
    if any("Traceback" in said for said in place.log):
        row.wrong.append("".join(place.log))


def tried(row: Row, place: Place, dice: random.Random, act: Any, seconds: float, wanted: Found) -> None:
    """One try of a kind; what ends as it should not is said at once."""
    try:
        wrong = act(place, dice, seconds)
    except Exception as error:
        wrong = f"{type(error).__name__}: {error}"
    if wrong:
        row.wrong.append(f"{wrong}\n{''.join(place.log)}")
        print(row.wrong[-1], file=sys.stderr, flush=True)
    judged(row, place, place.wanted or wanted)
    shutil.rmtree(place.home, ignore_errors=True)


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    head = "| kind | tries | lost | doubled | begun again | differing bits | wrong end | seen after, s | verdict |"
    told = [
        f"| {r.kind} | {r.tries} | {r.lost} | {r.doubled} | {r.again} | {r.differing} | {len(r.wrong)} | "
        f"{' '.join(f'{seconds:.1f}' for seconds in sorted(r.seen))} | {'as undisturbed' if r.good else 'NOT'} |"
        for r in rows
    ]
    return "\n".join([head, "|---" * 9 + "|", *told])


def main() -> None:
    import fault_kinds_cluster  # noqa: F401  more kinds
    import fault_kinds_ray  # noqa: F401
    from fault_kinds import KINDS

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--repeat", type=int, default=20, help="tries of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=sorted(KINDS), help="this one alone; may be given again")
    asked = parser.parse_args()
    for name in LOADED:  # once, before the processes of the study are forked
        with suppress(ImportError):  # pyarrow takes pandas where that is installed
            importlib.import_module(name)
    gliders.SPLITS = {"train": (48, 1), "val": (48, 2), "test": (60, 3)}  # type: ignore[misc]
    measures.HELD_OUT = 24  # type: ignore[misc]
    evaluator.real.cache_clear()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="faults-") as scratch:
        above = Path(scratch)
        whole, began = fresh(above, "undisturbed"), time.perf_counter()
        ended = whole.end(whole.sweep(), "sweep")
        seconds = time.perf_counter() - began
        if ended.code:
            sys.exit(f"the undisturbed study ends with {ended.code}:\n{ended.said}")
        wanted, _ = found(whole.folder)
        with suppress(KeyboardInterrupt):  # what was tried by then is told
            for kind in asked.kind or KINDS:
                rows.append(Row(kind))
                for number in range(asked.repeat):
                    place, dice = fresh(above, f"{kind}-{number}"), random.Random(f"{asked.seed}/{kind}/{number}")
                    tried(rows[-1], place, dice, KINDS[kind], seconds, wanted)
                print(table(rows[-1:]).splitlines()[-1], flush=True)
    print(f"\n{table(rows)}")
    sys.exit(0 if all(row.good for row in rows) else 1)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    main()
