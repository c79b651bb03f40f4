"""Start a study in a folder, or go on with the one that is there."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dfkd_ray.study import Study
from dfkd_ray.study.arms import Walk
from dfkd_ray.tune import live, serial_runner
from dfkd_ray.tune.duplicates import find_duplicates
from dfkd_ray.tune.history import History, Trial
from dfkd_ray.tune.interrupts import Interrupted
from dfkd_ray.tune.ledger import NAME, Ledger, locked, read
from dfkd_ray.tune.ray_setup import environment
from dfkd_ray.tune.reuse import Finished, Key, library
from dfkd_ray.tune.tuner import Reuse, Tuner, opening
from dfkd_ray.tune.work import Work
from dfkd_ray.util.errors import ConfigError, Problem, StudyError

Runner = Literal["ray", "serial"]
Options = Mapping[str, Any]  # of the runner: see ray_runner.run


@dataclass(frozen=True)
class Summary:
    """What became of a study. `best`: the best complete trial, None if there is none.

    front: all that no complete trial dominates (of one objective: `best`), each with its objectives by metric.
    """

    study: str
    folder: Path
    complete: int
    pruned: int
    failed: int
    running: int
    finished: bool
    best: Trial | None
    seconds: float
    ablation: bool = False
    front: Sequence[tuple[Trial, Mapping[str, float]]] = ()


def start(
    study: Study,
    work: Work,
    folder: Path,
    provenance: Mapping[str, Any],
    task_info: Mapping[str, Any],
    runner: Runner = "ray",
    *,
    fresh: bool = False,
    view: live.View | None = None,
    parquet: bool = False,
    reuse: Sequence[Path] = (),
    **options: Any,
) -> Summary:
    """Run a study to its end. `options` go to the runner; `reuse`: folders of earlier studies, see sweep/reuse.py.

    A folder that has a ledger is refused, unless `fresh`: then it is moved aside, never deleted. Raises StudyError,
    and Interrupted (exit code 130) after Ctrl-C.
    """
    known = library(reuse, task_info)
    if (folder / NAME).exists():
        if fresh:
            _move_aside(folder)
        elif History(read(folder / NAME)[0]).trials:
            raise StudyError(
                f"{folder} holds a study already; resume with: dfkd-ray resume {folder} "
                f"(or start afresh with --fresh, which moves it aside)"
            )
    with Ledger(folder) as ledger:
        ledger.clear()  # of a start that got no further than its first record
        note = {**provenance, "runner": runner}
        ledger.records.append(ledger.append(opening(study, note, task_info, time.time(), alike(study, work))))
        taking = _reuse(known, work, study)
        return _run(_conductor(ledger, folder, work, taking, view, parquet), work, runner, options)


def _reuse(known: Mapping[Key, Finished], work: Work, study: Study) -> Reuse:
    """What to take over: what has been run with the same seed, and reports what this study goes by."""
    if not known:
        return lambda changes, seed: None

    def find(changes: Mapping[str, Any], seed: int) -> Finished | None:
        found = known.get((work.fingerprint(changes), seed))
        told = {} if found is None else found.rows[-1]["metrics"]
        return found if all(math.isfinite(told.get(each.metric, math.nan)) for each in study.objective) else None

    return find


def alike(study: Study, work: Work) -> dict[str, str]:
    """Arms of an ablation that resolve to the same method as another arm -> that one; a path looks in every round.

    ConfigError for an arm that is no method.
    """
    if study.ablation is None or isinstance(study.ablation.design, Walk):
        return {}
    found = find_duplicates(study.ablation.arms, work.fingerprint)
    if found.refused:
        raise ConfigError(Problem(f"arms.{arm}", why) for arm, why in found.refused.items())
    return found.alike


def resume(
    folder: Path,
    make_work: Callable[[Study], Work],
    runner: Runner = "ray",
    *,
    provenance: Mapping[str, Any] | None = None,
    view: live.View | None = None,
    parquet: bool = False,
    reuse: Sequence[Path] = (),
    **options: Any,
) -> Summary:
    """Go on with a study that was interrupted or killed: running trials from their checkpoints, then the rest."""
    if not (folder / NAME).exists():
        raise StudyError(f"{folder} holds no study to resume: there is no {NAME}")
    with Ledger(folder) as ledger:
        history = History(ledger.records)
        work = make_work(history.study)
        known = library(reuse, history.task)
        note = {**(provenance or {}), "runner": runner}
        ledger.records.append(ledger.append({"kind": "resumed", "time": time.time(), "provenance": note}))
        taking = _reuse(known, work, history.study)
        return _run(_conductor(ledger, folder, work, taking, view, parquet), work, runner, options)


def summary(folder: Path) -> Summary:
    """What the ledger in a folder says; reads only, so it may be asked while the study runs."""
    return _summary(History(read(folder / NAME)[0]), folder)


def _conductor(ledger: Ledger, folder: Path, work: Work, taking: Reuse, view: live.View | None, parquet: bool) -> Tuner:
    def fingerprint(changes: Mapping[str, Any]) -> str:
        return work.fingerprint(changes)

    return Tuner(ledger, folder, work.max_epochs, view, parquet=parquet, reuse=taking, fingerprint=fingerprint)


def _run(tuner: Tuner, work: Work, runner: Runner, options: Options) -> Summary:
    try:
        if runner == "serial":
            serial_runner.run(tuner, work, **options)
        else:
            with environment(options.get("address")):
                from dfkd_ray.tune import ray_runner

                ray_runner.run(tuner, work, **options)
    except KeyboardInterrupt:
        raise Interrupted(tuner.folder) from None
    finally:
        with suppress(OSError):  # a full disk, say, of which the ledger has complained already
            tuner.write_tables()
    return _summary(tuner.history, tuner.folder)


def _summary(history: History, folder: Path) -> Summary:
    goals = [objective.metric for objective in history.study.objective]
    states = {state: history.in_state(state) for state in ("complete", "pruned", "failed", "running")}
    return Summary(
        study=history.study.study,
        folder=folder,
        finished=history.finished,
        best=history.best(),
        ablation=history.study.ablation is not None,
        front=[(trial, dict(zip(goals, trial.values or ()))) for trial in history.front()],
        seconds=history.active_seconds,
        **states,
    )


def _move_aside(folder: Path) -> None:
    with locked(folder):  # nobody is writing it
        aside = next(path for i in range(1, 10_000) if not (path := folder.with_name(f"{folder.name}.old{i}")).exists())
        folder.rename(aside)
