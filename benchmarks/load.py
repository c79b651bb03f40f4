"""How tuner and report bear many trials: work that is simulated, nothing is trained.

    OMP_NUM_THREADS=1 python -m benchmarks load run --trials 100 1000 10000 --epochs 200 --metrics 16
    OMP_NUM_THREADS=1 python -m benchmarks load tables --trials 10000 --epochs 200 --metrics 16 --out FOLDER

`run`: a study that has so many trials behind it is reopened from its ledger and goes on for `--more` trials, each size
in a process of its own. Printed, in its own CPU time: reopening (the ledger is read, verified and folded, the sampler
told), then what
a row, a trial's end and a proposal cost beside fsync (median, and the worst), fsync itself, all tables written once,
the process's memory at its highest, and the ledger's size. Tables are not written while rows and ends are measured.

`tables` writes the tables of such a study without running it, for whoever measures a report of them.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from load_data import (
    a_study,
    changes_of,
    curves,
    ending_of,
    lengths,
    names_of,
    write_tables,
)

from dfkd_ray.tune import row_records
from dfkd_ray.tune.history import History
from dfkd_ray.tune.launch import StudyFacts, first_record
from dfkd_ray.tune.ledger import NAME, Ledger, Record
from dfkd_ray.tune.observers.live import Lines
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.tabulate import write_tables as write_all_tables
from dfkd_ray.tune.trials import Trial
from dfkd_ray.tune.tuner import Tuner
from dfkd_ray.tune.work import Row


def reports(number: int, epochs: int, metrics: int) -> Iterator[Row]:
    """What a trial says, epoch by epoch."""
    names, method = names_of(metrics), {"name": "dfkd_fgvc", **changes_of(number)}
    for epoch, values in enumerate(curves(number, epochs, metrics).tolist(), 1):
        last = epoch == epochs
        yield Row(
            epoch=epoch,
            seconds=30.0 * epoch,
            metrics=dict(zip(names, values)),
            last=last,
            final={"test_accuracy/last": values[0]} if last else {},
            peak_memory=2**31,
            host=f"node{number % 8}",
            device="cuda:0",
            fingerprint=f"{number:016x}",
            method=method,
        )


def fill(folder: Path, args: argparse.Namespace, trials: int) -> None:
    """A ledger as so many trials leave it; nothing waits for the disk."""
    study = a_study(trials + args.more, args.sampler, args.stopper)
    long = lengths(trials, args.epochs, args.stopper != "none")
    clock = {"time": round(time.time(), 3), "active": 1.0}
    sync, os.fsync = os.fsync, lambda handle: None
    with Ledger(folder) as ledger:
        ledger.append(first_record(study, StudyFacts({}, {"name": "gliders"}, {}), Options(runner="serial"), 0.0))
        for number in range(trials):
            trial = Trial(number, changes_of(number), 0)
            of, values = {**clock, "trial": number}, curves(number, args.epochs, args.metrics)[: long[number]]
            records: list[Record] = [
                {"kind": "asked", **of, "changes": trial.changes, "seed": 0, "attrs": {}, "study_attrs": {}},
                {"kind": "started", **of},
            ]
            for row, _ in zip(reports(number, args.epochs, args.metrics), range(long[number])):
                records.append({**row_records.reported(folder, trial, row), **clock})
                trial.rows.take(records[-1])
                trial.method_json = ""
            ending = ending_of(long[number], args.epochs, values, args.stopper)
            records.append({"kind": "ended", **of, **ending, "values": [float(values[-1, 0])]})
            ledger.append_all(records)
    os.fsync = sync


class Spent:
    """The process's own seconds in each call of a function, which waiting for the disk and other processes are no part
    of; and how long the disk let it wait."""

    def __init__(self) -> None:
        self.syncs: list[float] = []
        self.calls: dict[str, list[float]] = {}
        self._sync, os.fsync = os.fsync, self._timed

    def _timed(self, handle: int) -> None:
        began = time.perf_counter()
        self._sync(handle)
        self.syncs.append(time.perf_counter() - began)

    def call(self, name: str, act: Callable[..., Any], *given: Any) -> Any:
        began = time.process_time()
        found = act(*given)
        self.calls.setdefault(name, []).append(time.process_time() - began)
        return found

    def told(self, name: str) -> str:
        calls = self.calls.get(name, [0.0])
        return f"{1000 * statistics.median(calls):8.2f} {1000 * max(calls):8.2f}"


def go_on(folder: Path, args: argparse.Namespace) -> None:
    """Reopen the study, run more trials, write the tables; one line of the table."""
    spent = Spent()
    history = History()

    def reopened() -> Tuner:
        ledger = Ledger(folder, history.apply)
        history.apply(ledger.append({"kind": "resumed", "time": 0.0, "provenance": {}, "options": {}}))
        return Tuner(
            ledger, history, folder, args.epochs, Options(runner="serial"), [Lines(Path(os.devnull).open("w"))]
        )

    tuner = spent.call("open", reopened)
    behind = len(history.trials)
    for _ in range(args.more):
        job = spent.call("propose", tuner.next_job)
        tuner.started(job)
        for row in reports(job.trial, args.epochs, args.metrics):
            name = "end" if row.last else "row"
            if spent.call(name, tuner.report, job, row) == "stop":
                if not row.last:
                    spent.calls.setdefault("end", []).append(spent.calls["row"].pop())
                break
    tuner.close()
    spent.call("tables", write_all_tables, history, folder)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    size = (folder / NAME).stat().st_size / 1e6
    print(
        f"{behind:7} {spent.calls['open'][0]:7.2f} {spent.told('row')} {spent.told('end')} {spent.told('propose')} "
        f"{1000 * statistics.median(spent.syncs):6.2f} {spent.calls['tables'][0]:7.2f} {memory:7.2f} {size:8.1f}",
        flush=True,
    )


HEAD = """        reopen          row, ms           end, ms      proposal, ms  fsync  tables  memory   ledger
 trials       s   median    worst   median    worst   median    worst     ms       s     GiB       MB"""


def run(args: argparse.Namespace) -> None:
    print(f"{args.epochs} epochs, {args.metrics} metrics, sampler {args.sampler}, stopper {args.stopper}\n{HEAD}")
    for trials in args.trials:
        folder = Path(tempfile.mkdtemp(dir=args.out))
        try:
            fill(folder, args, trials)
            words = ["go-on", "--out", str(folder), "--epochs", str(args.epochs), "--metrics", str(args.metrics)]
            words += ["--more", str(args.more)]
            subprocess.run([sys.executable, __file__, *words], check=True)
        finally:
            shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "what", choices=["run", "tables", "go-on"], help="go-on: one size of `run`, in a process of its own"
    )
    parser.add_argument("--trials", type=int, nargs="+", default=[1000])
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--metrics", type=int, default=16)
    parser.add_argument("--sampler", choices=["tpe", "random", "qmc", "nsga2"], default="tpe")
    parser.add_argument("--stopper", choices=["none", "median", "asha"], default="none")
    parser.add_argument("--more", type=int, default=10, help="trials that `run` goes on for")
    parser.add_argument("--out", type=Path, help="folder of `tables`; where `run` has its own, else the system's")
    args = parser.parse_args()
    if args.what == "go-on":
        return go_on(args.out, args)
    if args.what == "run":
        return run(args)
    if args.out is None:
        parser.error("tables go to --out FOLDER")
    began = time.perf_counter()
    write_tables(args.trials[0], args.epochs, args.metrics, args.stopper, args.out)
    print(f"{args.out}: {args.trials[0]} trials in {time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
