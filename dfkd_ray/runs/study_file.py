"""From a study file to its work: every mistake of the file at once, each with its line, before anything is launched."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfkd_ray import datasets, metrics, study
from dfkd_ray.methods import config
from dfkd_ray.runs import distillation, path_to
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.study import Budget, Study
from dfkd_ray.study.ablation import KEYS
from dfkd_ray.study.specs import Tpe
from dfkd_ray.train.runtime import parse_runtime
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import ConfigError, Problem, UnknownName
from dfkd_ray.util.registry import did_you_mean
from dfkd_ray.util.yamls import Document, Problems


def open_study(path: Path, data: str | None = None, weights: Path | None = None) -> tuple[Study, Distillation]:
    """The study in a file and what its trials do; ConfigError with all mistakes, DataError for a missing teacher."""
    return open_document(yamls.load(path), data, weights)


def open_document(
    document: Document, data: str | None = None, weights: Path | None = None
) -> tuple[Study, Distillation]:
    """The same for a study that stands in no file of its own."""
    problems = Problems()
    document = problems.attempt("", path_to.resolved, document) or document
    parsed = problems.attempt("", study.parse, document)
    made = parsed or _salvage(document, problems.found)
    if path_to.target(document) is not None and "components" not in document.data:  # why, is told elsewhere
        problems.found = [problem for problem in problems.found if problem.path != "components"]
    if made is not None:
        _check_method(made, document, problems)
    if problems.found:
        raise document.locate(dict.fromkeys(problems.found))
    assert parsed is not None
    work = problems.attempt("", distillation.work, parsed, data, weights)
    if work is None:
        raise document.locate(problems.found)
    return parsed, work


# What stands in for a part with a mistake. The last three do not matter to the method, and may clash with what is left.
_STAND_INS: dict[str, Any] = {
    "study": "unnamed",
    "objective": {"metric": metrics.VAL_ACCURACY},
    "sampler": "tpe",
    "stopper": "none",
    "budget": {"hours": 1},
}


def _salvage(document: Document, found: Iterable[Problem]) -> Study | None:
    """The study without the parts that have mistakes, so that the other parts can be checked too."""
    if not isinstance(document.data, dict):
        return None
    raw = {**_STAND_INS, **document.data} | {key: _STAND_INS[key] for key in ("sampler", "stopper", "budget")}
    while True:  # what is taken out may have been the condition of something else
        rest = dict(raw)
        for problem in found:
            _take_out(rest, problem.path)
        empty = not rest.get("search") and not rest.keys() & set(KEYS)
        try:
            made = study.parse(Document({**rest, "search": {"none": {"bool": True}}} if empty else rest))
            return replace(made, search={}) if empty else made
        except ConfigError as error:
            if rest == raw:
                return None
            raw, found = rest, error.problems


def _take_out(raw: dict[str, Any], path: str) -> None:
    top, _, rest = path.partition(".")
    if rest and top in ("search", "fixed") and isinstance(raw.get(top), dict):
        raw[top] = {key: value for key, value in raw[top].items() if not f"{rest}.".startswith(f"{key}.")}
    elif top in _STAND_INS:
        raw[top] = _STAND_INS[top]
    else:
        for key in KEYS if top in KEYS else (top,):
            raw.pop(key, None)


def _check_method(made: Study, document: Document, problems: Problems) -> None:
    """Names, fixed changes, searched paths and the runtime, against what exists."""
    problems.attempt("runtime", parse_runtime, made.runtime)
    try:
        datasets.load(made.task)
    except UnknownName as error:
        problems.add("task", str(error))
    try:
        method = config.load(made.method)
    except UnknownName as error:
        problems.add("method", str(error))
        return

    known = distillation.reported(method)
    for objective in made.objective:
        if objective.metric not in known:
            problems.add("objective", f"no trial reports {objective.metric!r}{did_you_mean(objective.metric, known)}")

    def accepts(changes: dict[str, Any]) -> None:
        distillation.accepts(method, changes)

    before = len(problems.found)
    without: dict[str, Any] = {"search": {}, "ablation": None, "published": "", "sampler": Tpe()}
    problems.attempt("", study.check, replace(made, budget=Budget(hours=1), **without), accepts, document)
    wrong = [problem.path for problem in problems.found[before:]]
    fixed = {path: value for path, value in made.fixed.items() if f"fixed.{path}" not in wrong}
    problems.attempt("", study.check, replace(made, fixed=fixed), accepts, document)
