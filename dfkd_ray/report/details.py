"""What opens at a click on a trial: its command, method, curves and last picture; of a large study those of the best.

For any other trial the page names the command that makes its own page.
"""

from __future__ import annotations

import base64
import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dfkd_ray import metrics
from dfkd_ray.report import loading, thinning
from dfkd_ray.report.blocks import FORMATS
from dfkd_ray.report.trial import TrialRow
from dfkd_ray.report.view import Tables, mapping, part
from dfkd_ray.util import shipped

POINTS = 60  # epochs of a curve
PICTURED, BYTES = 60, 300_000  # trials whose last picture is looked for, the best first; bytes of all


def details(tables: Tables) -> dict[str, Any]:
    """Trial -> what the page knows of it beyond its row."""
    chosen = thinning.always(tables.all, tables, thinning.ROWS)
    trials = [trial for trial in tables.all if len(tables.all) <= thinning.ROWS or trial.number in chosen]
    pictures = _pictures(tables, trials)
    return {str(t.number): _of(tables, t) | {"picture": pictures.get(t.number)} for t in trials}


def _of(tables: Tables, trial: TrialRow) -> dict[str, Any]:
    goals = dict.fromkeys([*(o.metric for o in tables.objectives), tables.quality.val])
    curves = {metrics.label(m): _curve(tables.curve(m).get(trial.number, {})) for m in goals}
    units = {metrics.label(m): metrics.find(m).unit.head for m in goals}
    known = [{"name": name, "unit": units[name], **curve} for name, curve in curves.items() if curve["epochs"]]
    method = json.loads(json.dumps(mapping(trial.row["method"])), parse_constant=str)  # the page's JSON has no NaN
    return {"command": command(tables, trial), "method": method, "curves": known}


def _curve(curve: Mapping[int, float]) -> dict[str, Any]:
    """A curve at POINTS epochs, evenly, with five digits."""
    epochs = list(curve)
    places = np.linspace(0, len(epochs) - 1, min(POINTS, len(epochs))).round().astype(int)
    kept = [epochs[place] for place in places]
    return {"epochs": kept, "values": [float(f"{curve[epoch]:.5g}") for epoch in kept]}


def _pictures(tables: Tables, trials: Sequence[TrialRow]) -> dict[int, dict[str, Any]]:
    """The last picture of the best trials, as many as BYTES hold."""
    best = thinning.always(trials, tables, PICTURED)
    last: dict[int, Mapping[str, Any]] = {}
    for row in loading.of_trials(tables.images, best).to_pylist():
        if row["picture"] and row["format"] in FORMATS and row["epoch"] >= last.get(row["trial"], row)["epoch"]:
            last[row["trial"]] = row
    found: dict[int, dict[str, Any]] = {}
    room = BYTES
    for number, row in sorted(last.items(), key=lambda item: len(item[1]["picture"])):
        room -= len(row["picture"])
        if room >= 0:
            written = base64.b64encode(row["picture"]).decode()
            found[number] = {"epoch": row["epoch"], "source": f"data:image/{row['format']};base64,{written}"}
    return found


def command(tables: Tables, trial: TrialRow) -> str | None:
    """What teaches one student with the settings of a trial; None where the tables do not tell method or task, or one
    of them has no name: it was a mapping. A task is named as the study names it: it may be a file, or a folder."""
    study = tables.study
    changes = {**part(study, "fixed"), **trial.changes}
    method = changes.pop("method", study.get("method"))
    task = study.get("task") or part(tables.note, "task").get("name")
    preset, seed = study.get("preset"), trial.row["seed"]
    if not isinstance(method, str) or not isinstance(task, str) or not _typed(method):
        return None
    head = f"dfkd-ray distill {shlex.quote(method)} --task {shlex.quote(task)}"
    more = [f"--preset {shlex.quote(preset)}"] if isinstance(preset, str) else []
    more += [f"--set {shlex.quote(f'{path}={_yaml_value(value)}')}" for path, value in changes.items()]
    more += [f"--seed {seed}"] if seed else []
    more += [f"--plugin {shlex.quote(str(plugin))}" for plugin in study.get("plugins") or ()]
    return " \\\n    ".join([head, *more])


def _typed(method: str) -> bool:
    """Whether a method can be named on the command line."""
    return "/" in method or method in shipped.names("methods")


def _yaml_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
