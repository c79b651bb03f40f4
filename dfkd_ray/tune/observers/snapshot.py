"""How a study stands, as plain numbers: a pure function of its history, for whoever shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dfkd_ray.study import Objective
from dfkd_ray.tune.history import History
from dfkd_ray.tune.observers import Progress
from dfkd_ray.tune.trials import Trial


@dataclass(frozen=True)
class Shown:
    """One trial as the view has it; `value` is the first objective at the latest epoch."""

    trial: int
    state: str
    epoch: int
    value: float | None
    changes: Mapping[str, Any]
    seconds: float
    reason: str | None = None
    arm: str | None = None
    seed: int = 0
    degenerate: Sequence[str] = ()  # why it is, of one that is complete
    phase: str | None = None
    setting: int | None = None  # of a later seed: the trial of the first
    error: float | None = None  # of a value that is a mean over seeds: its standard error
    over: int = 1  # so many seeds

    @property
    def whose(self) -> str:
        """In brackets behind its number: the arm, or what it confirms, or whose later seed it is; empty of a search."""
        if self.setting is not None:
            return f" (setting of trial {self.setting}, seed {self.seed})"
        if self.over > 1:
            return f" ({self.over} seeds)"
        again = "" if self.phase is None else f" again, seed {self.seed}"
        return "" if self.arm is None else f" ({self.arm}{again})"


@dataclass(frozen=True)
class Snapshot:
    """How a study stands. `seconds_left` is an estimate: None before the first epoch has been measured."""

    study: str
    metric: str
    total: int | None
    max_epochs: int
    complete: int
    pruned: int
    failed: int
    running: tuple[Shown, ...]
    best: Shown | None
    seconds_left: float | None
    front: tuple[int, ...] = ()  # the trials of the front, where there are several objectives


def snapshot(progress: Progress, running: bool = True) -> Snapshot:
    """What there is to show now; `running`: with each trial that runs."""
    history, max_epochs, total = progress.history, progress.max_epochs, progress.total
    study = history.study
    metric = study.objective[0].metric
    best = history.best()
    shown = history.running() if running else ()
    return Snapshot(
        study=study.study,
        metric=metric,
        total=total,
        max_epochs=max_epochs,
        complete=history.in_state("complete"),
        pruned=history.in_state("pruned"),
        failed=history.in_state("failed"),
        running=tuple(shown_trial(trial, study.objective[0]) for trial in shown),
        best=None if best is None else shown_trial(best, study.objective[0]),
        front=tuple(trial.number for trial in history.front()) if len(study.objective) > 1 else (),
        seconds_left=_seconds_left(history, max_epochs, total, progress.concurrency),
    )


def shown_trial(trial: Trial, objective: Objective) -> Shown:
    """A trial as the view has it."""
    value = trial.values[0] if trial.values else trial.last["metrics"].get(objective.metric) if trial.last else None
    facts = (trial.number, trial.state, trial.epoch, value, trial.changes, trial.seconds or 0.0, trial.reason)
    why = trial.degenerate(objective) if trial.state == "complete" else ()
    error = trial.errors[0] if trial.errors else None
    return Shown(*facts, trial.arm, trial.seed, why, trial.phase, trial.setting, error, trial.over)


def _seconds_left(history: History, max_epochs: int, total: int | None, concurrency: int) -> float | None:
    """Epochs still to come, times the median time of one, over the trials that run at a time.

    That time is told by the trials that have ended, and by those that run where none has. A trial is taken to need as
    many epochs as the ended ones did on average, which counts what the stopper saves.
    """
    running, to_come, tally = history.running(), max(0, (total or 0) - len(history.trials)), history.tally
    paces = tally.paces or sorted(t.seconds / t.epoch for t in running if t.epoch and t.seconds)
    if not paces or total is None:
        return None
    ended = tally.states["complete"] + tally.states["pruned"]
    expected = tally.epochs / ended if ended else float(max_epochs)
    rest = sum(max(1.0, expected - trial.epoch) for trial in running) + expected * to_come
    left = rest * _middle(paces) / max(1, min(concurrency, len(running) + to_come))
    hours = None if history.fresh.arms else history.study.budget.hours  # what confirms comes on top
    return left if hours is None else max(0.0, min(left, hours * 3600 - history.active_seconds))


def _middle(ordered: Sequence[float]) -> float:
    """The median."""
    return (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
