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
import json
import math
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

import numpy as np
import pyarrow as pa

from dfkd_ray import study as studies
from dfkd_ray.study import Study
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
from dfkd_ray.util import tables
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.yamls import loads

TERMS = ("total", "kd", "high_order", "semantic_contrast", "batchnorm", "adversarial", "onehot", "entropy")
NAMES = [
    *("val_accuracy", "agreement/source", "kl/source", "agreement/noise", "kl/noise", "diversity"),
    *(f"loss/{slot}/{term}" for term in TERMS for slot in ("student", "source")),
]
SEARCH = """
  student_loss.kd.temperature: {log: [1, 20]}
  student_loss.high_order.weight: {log: [0.1, 100]}
  student_loss.semantic_contrast.weight: {log: [0.1, 100]}
  student_loss.semantic_contrast.temperature: {log: [0.05, 1]}
  student.optimizer.lr: {log: [0.001, 1]}
  source.optimizer.lr: {log: [0.001, 1]}
  student_loss.high_order.order: {choice: [1, 2, 3]}
  schedule.student_steps: {int: [1, 20]}
"""
STUDY = """
study: load
question: What does a study cost beside its training?
method: dfkd_fgvc
task: gliders
objective: {{metric: val_accuracy}}
search: {search}
sampler: {{name: {sampler}, seed: 0}}
stopper: {{name: {stopper}}}
budget: {{trials: {trials}}}
"""
CHUNK = 50  # trials: what is held in memory of the curves at a time


def a_study(trials: int, sampler: str = "tpe", stopper: str = "none") -> Study:
    """The study that is simulated."""
    text = STUDY.format(trials=trials, sampler=sampler, stopper=stopper, search=SEARCH)
    return studies.parse(loads(text, "load.yaml"))


def names_of(metrics: int) -> list[str]:
    """The names of so many metrics, the objective first."""
    more = [f"loss/student/term{number}" for number in range(max(0, metrics - len(NAMES)))]
    return [*NAMES, *more][: max(1, metrics)]


def curves(number: int, epochs: int, metrics: int) -> Any:
    """(epochs, metrics): a share that rises, and losses that fall, each with noise; the same for the same trial."""
    random = np.random.default_rng(number)
    top, speed, epoch = random.uniform(0.3, 0.9), random.uniform(2, 30), np.arange(1, epochs + 1)
    rise = top * (1 - np.exp(-epoch / speed))[:, None]
    falls = np.array([name.startswith(("loss/", "kl/")) for name in names_of(metrics)])
    values = np.where(falls, 2.5 - 2 * rise, rise) + random.normal(0, 0.01, (epochs, metrics))
    values[:, 0] = values[:, 0].clip(0, 1)
    return values


def lengths(trials: int, epochs: int, stopped: bool) -> list[int]:
    """How many epochs each trial does: all of them, or what ASHA with its defaults leaves of most."""
    rungs = [3**k for k in range(20) if 3**k < epochs]
    keep = np.random.default_rng(0).uniform(size=trials)
    after = [next((rung for k, rung in enumerate(rungs) if each > 3.0 ** -(k + 1)), epochs) for each in keep]
    return after if stopped else [epochs] * trials


def changes_of(number: int) -> dict[str, Any]:
    """What a trial changes, at random."""
    random = np.random.default_rng([number, 1])
    spans = {"kd.temperature": (1, 20), "high_order.weight": (0.1, 100), "semantic_contrast.weight": (0.1, 100)}
    wide = {f"student_loss.{path}": span for path, span in spans.items()}
    wide |= {"student_loss.semantic_contrast.temperature": (0.05, 1)}
    wide |= {f"{net}.optimizer.lr": (0.001, 1) for net in ("student", "source")}
    drawn = {path: math.exp(random.uniform(math.log(low), math.log(high))) for path, (low, high) in wide.items()}
    whole = {"student_loss.high_order.order": (1, 4), "schedule.student_steps": (1, 21)}
    return {**drawn, **{path: int(random.integers(low, high)) for path, (low, high) in whole.items()}}


def ending_of(length: int, epochs: int, values: Any, stopper: str) -> dict[str, Any]:
    """How a trial of that length ended, as ledger and table have it."""
    last = float(values[-1, 0])
    if length == epochs:
        return {"state": "complete", "reason": None, "rung": None, "final": {"test_accuracy/last": last}}
    return {"state": "pruned", "reason": f"stopped by {stopper} at epoch {length}", "rung": length, "final": {}}


def trial_row(number: int, length: int, epochs: int, values: Any, stopper: str) -> dict[str, Any]:
    """A row of trials.arrow."""
    changes, ending = changes_of(number), ending_of(length, epochs, values, stopper)
    return {
        **{"study": "load", "trial": number, "draw": 0, "seed": 0, "fingerprint": f"{number:016x}"},
        **{"changes": json.dumps(changes), "method": json.dumps({"name": "dfkd_fgvc", **changes})},
        **{**ending, "final": [*ending["final"].items()], "epochs": length, "objectives": [float(values[-1, 0])]},
        **{"best_epoch": int(values[:, 0].argmax()) + 1, "started": None, "seconds": 30.0 * length, "attempts": 1},
        **{"host": f"node{number % 8}", "device": "cuda:0", "peak_memory": 2**31},
    }


def step_batches(first: int, found: list[Any], names: list[str]) -> Iterator[pa.RecordBatch]:
    """The rows of steps.arrow of some trials, column by column."""
    for number, values in enumerate(found, first):
        epochs, metrics = values.shape
        epoch = np.repeat(np.arange(1, epochs + 1, dtype=np.int32), metrics)
        metric = pa.DictionaryArray.from_arrays(np.tile(np.arange(metrics, dtype=np.int32), epochs), names)
        columns = [np.full(len(epoch), number, np.int32), epoch, 30.0 * epoch, metric.cast(pa.string()), values.ravel()]
        yield pa.RecordBatch.from_arrays([pa.array(column) for column in columns], schema=tables.STEPS)


def write_tables(trials: int, epochs: int, metrics: int, stopper: str, folder: Path) -> None:
    """trials.arrow, steps.arrow and images.arrow as a study of that size leaves them."""
    folder.mkdir(parents=True, exist_ok=True)
    names, rows = names_of(metrics), []
    study = a_study(trials, stopper=stopper)
    note = {"study": studies.plain(study), "provenance": {"written": "2026-01-01T00:00:00+00:00"}}
    note |= {"importance": {}, "task": {"name": "gliders"}, "finished": True}
    schema = tables.table("steps", [], note).schema
    long = lengths(trials, epochs, stopper != "none")
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with atomic_write(folder / "steps.arrow") as file, pa.ipc.new_file(file, schema, options=options) as writer:
        for first in range(0, trials, CHUNK):
            found = [curves(n, long[n], metrics) for n in range(first, min(first + CHUNK, trials))]
            rows += [trial_row(n, long[n], epochs, values, stopper) for n, values in enumerate(found, first)]
            for batch in step_batches(first, found, names):
                writer.write_batch(batch)
    tables.write(tables.table("trials", rows, note), folder / "trials.arrow")
    tables.write(tables.table("images", [], note), folder / "images.arrow")


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
