"""Two studies, or two runs, side by side: what each was, and what came of it, as plain data of one form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfkd_ray import metrics
from dfkd_ray import study as studies
from dfkd_ray.tune.confirm import confirmed
from dfkd_ray.tune.history import History, read_history
from dfkd_ray.tune.ledger import NAME
from dfkd_ray.tune.standing import found, named
from dfkd_ray.tune.trials import Trial
from dfkd_ray.util import folders, limits, words
from dfkd_ray.util.errors import StudyError

CURVE = "curve.json"  # of a run that is apart from its study, see runs/card.py
BEST, CONFIRMED, EFFECT = "best ", "confirmed ", "effect on "  # how results begin that are a study's, not a run's


@dataclass(frozen=True)
class Side:
    """settings: nested plain data; results: a number by the name of its metric, or of an effect."""

    kind: str
    settings: Mapping[str, Any]
    results: Mapping[str, float]
    said: str = ""  # which trial it is, where a study stands for a run


def sides(one: str, other: str) -> tuple[Side, Side]:
    """Of two places, by path, URI, or name under reports/; of a run and a study the study's best trial is taken.

    StudyError where there is none.
    """
    a, b = _opened(one), _opened(other)
    if isinstance(a, History) and isinstance(b, History) and not (a.study.one_run or b.study.one_run):
        return _of_study(a, one), _of_study(b, other)
    return _as_run(a, one), _as_run(b, other)


def _opened(place: str) -> History | Side:
    """The history of a study; of a trial's folder the trial."""
    path = named(place)
    there = folders.place(Path(place))
    if there is not None and ((study := named(str(there[0]))) / NAME).is_file():
        history = read_history(study)
        if there[1] not in history.trials:
            raise StudyError(f"{place}: {history.study.study} has no trial {there[1]}")
        return _of_trial(history, history.trials[there[1]])
    if (path / folders.CARD).is_file() and not (path / NAME).is_file():
        return _of_folder(path)
    return read_history(found(place))


def _as_run(opened: History | Side, place: str) -> Side:
    if isinstance(opened, Side):
        return opened
    trial = opened.trials.get(0) if opened.study.one_run else opened.best()
    if trial is None:
        raise StudyError(f"{place}: no trial has won, so there is none to compare with a run: name one, trials/0000")
    said = "" if opened.study.one_run else f"{place}: its best, trial {trial.number}"
    return _of_trial(opened, trial, said)


def _of_trial(history: History, trial: Trial, said: str = "") -> Side:
    """method: as it was resolved, where it got as far as a row."""
    settings = {
        **_context(history),
        "preset": history.study.preset,
        "seed": trial.seed,
        "method": trial.method or {"name": history.study.method_name, **trial.changes},
    }
    last = {} if trial.last is None else trial.last["metrics"]
    results = {"epochs": float(trial.epoch), metrics.TIME: trial.seconds or 0.0, **last, **trial.final}
    return Side("run", settings, results, said)


def _of_folder(folder: Path) -> Side:
    """A trial that is apart from its study: what its card and its curve say."""
    card = limits.read_json(folder / folders.CARD)
    try:
        settings = {
            "task": card["task"]["name"],
            "teacher": {"digest": card["teacher_digest"]},
            "versions": card["versions"],
            "seed": card["seed"],
            "method": card["method"],
        }
        rows = limits.read_json(folder / CURVE) if (folder / CURVE).is_file() else []
        last: dict[str, Any] = rows[-1] if rows else {"metrics": {}, "final": {}, "epoch": 0, "seconds": 0.0}
        results = {"epochs": float(last["epoch"]), metrics.TIME: last["seconds"], **last["metrics"], **last["final"]}
    except (KeyError, TypeError, IndexError) as error:
        raise StudyError(f"{folder / folders.CARD}: not the card of a run ({error})") from None
    return Side("run", settings, results)


def _of_study(history: History, place: str) -> Side:
    settings = {**_context(history), "study": studies.plain(history.study), "methods": dict(_methods(history))}
    states = ("complete", "pruned", "failed")
    counts = {f"trials {words.state(each)}": float(history.in_state(each)) for each in states}
    return Side("study", settings, {**counts, metrics.TIME: history.active_seconds, **_won(history), **_effects(place)})


def _context(history: History) -> dict[str, Any]:
    """What a run depends on beside its method and seed."""
    teacher = dict(history.task.get("teacher", {}))
    return {
        "task": history.study.task_name,
        "teacher": {key: teacher[key] for key in ("arch", "digest") if key in teacher},
        "versions": history.experiment.get("versions", {}),
    }


def _methods(history: History) -> Iterator[tuple[str, Any]]:
    """Each method of a study by name, as all its trials have it."""
    for what, part in history.experiment.get("parts", {}).items():
        if what.startswith("the method ") and "plain" in part:
            yield what.removeprefix("the method "), part["plain"]


def _won(history: History) -> dict[str, float]:
    """What the best trial reached, by the objectives, and at its end."""
    best = history.best()
    if best is None:
        return {}
    names = [objective.metric for objective in history.study.objective]
    note = confirmed(history) or {"complete": False}
    fresh = {f"{CONFIRMED}{names[0]}": note["settings"][0]["mean"]} if note["complete"] else {}
    return fresh | {f"{BEST}{name}": value for name, value in [*zip(names, best.values or ()), *best.final.items()]}


def _effects(place: str) -> dict[str, float]:
    """Each effect of an ablation on each metric."""
    path = found(place) / "effects.arrow"
    if not path.is_file():
        return {}
    from dfkd_ray.util import tables

    rows = [row for row in tables.read(path).to_pylist() if row["difference"] is not None]
    return {f"{EFFECT}{row['metric']}: {row['contrast']}": row["difference"] for row in rows}


def metric_of(result: str) -> str:
    """The metric that a result is of, by the name that it has in `Side.results`."""
    return result.removeprefix(BEST).removeprefix(CONFIRMED).removeprefix(EFFECT).partition(": ")[0]
