"""Studies of any size that nobody ran: their trials, curves and tables. See `load.py`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dfkd_ray import study as studies
from dfkd_ray.study import Study
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
