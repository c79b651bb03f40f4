"""One trial of a study, as far as the ledger knows it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dfkd_ray import metrics
from dfkd_ray.stats import degenerate
from dfkd_ray.study import Objective, Study
from dfkd_ray.tune.curves import Rows
from dfkd_ray.tune.ledger import Record
from dfkd_ray.tune.pictures import Picture

CONFIRM = "confirm"  # the phase of trials that confirm the winner of a search; the search itself has none
LOST = "lost: the record of what was asked for is damaged"  # the reason of a trial that `repair` knows nothing of
REUSED = "reused: "  # how the reason of a trial begins that an earlier study has run


@dataclass
class Trial:
    """What was asked for, what it has reported, and how it stands."""

    number: int
    changes: Mapping[str, Any]  # as proposed
    seed: int
    arm: str | None = None
    draw: int = 0  # of the nuisance draws that all arms of an ablation share
    tuning: int | None = None  # its number in the search of its arm; None: it counts for the effects
    attrs: Mapping[str, Any] = field(default_factory=dict)  # what the sampler remembers of it
    proposed_by: str | None = None  # see Proposal
    repeats: int = 0  # see Proposal
    phase: str | None = None  # CONFIRM, or None
    setting: int | None = None  # of a later seed of a setting: the trial of the first, by which the setting is called
    place: int = 0  # the number of its setting, as samplers count them
    reused: str | None = None  # whose it is, where a trial of an earlier study is to be taken over
    state: str = "running"
    reason: str | None = None
    rung: int | None = None
    values: list[float] | None = None  # of the objectives; what the sampler was told, of several seeds their mean
    errors: list[float] | None = None  # of a setting as a whole (`Winners.whole`): standard errors of the values
    over: int = 1  # likewise: seeds that the values are means over
    final: Mapping[str, float] = field(default_factory=dict)
    rows: Rows = field(default_factory=Rows)  # by epoch
    pictures: dict[int, Picture] = field(default_factory=dict)
    method_json: str | None = None  # as text: as mappings, the methods of ten thousand trials are hundreds of megabytes
    fingerprint: str | None = None
    parameters: int | None = None  # of its student
    started: float | None = None
    attempts: int = 0
    changed: str | None = None  # what was another than when the study was begun, where that was accepted
    stalled: int = 0  # accidents in a row that came before an epoch was gained, in this session
    again: int = 0  # how often it was begun anew, after it had failed
    _mark: int = 0  # the epoch at which the last accident found it

    @property
    def method(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = None if self.method_json is None else json.loads(self.method_json)
        return found

    @property
    def leads(self) -> bool:
        """Whether a sampler has proposed it: not what confirms a winner, nor a later seed of a setting."""
        return self.phase is None and self.setting is None

    @property
    def epoch(self) -> int:
        return self.rows.epoch

    @property
    def last(self) -> Record | None:
        return self.rows[self.epoch] if self.rows else None

    @property
    def seconds(self) -> float | None:
        return self.rows.seconds

    def reopened(self) -> Trial:
        """What was asked for, to be run again from the start."""
        asked = ("number", "changes", "seed", "arm", "draw", "tuning", "attrs", "proposed_by", "repeats", "phase")
        kept = {name: getattr(self, name) for name in (*asked, "setting", "place", "attempts")}
        return Trial(**kept, again=self.again + 1)

    def curve(self, metric: str) -> dict[int, float]:
        """Epoch -> value of a metric, in the order of epochs."""
        return self.rows.curve(metric)

    def cost(self, metric: str) -> float | None:
        """What it has cost so far, by the cost's name; None where nobody wrote it down."""
        costs = (self.seconds, self.rows.peak_memory, self.parameters)
        return dict(zip(metrics.COSTS, costs))[metric]

    def at(self, metric: str, epoch: int) -> float | None:
        """A metric after an epoch, or a cost; None where it is not known."""
        return self.cost(metric) if metric in metrics.COSTS else self.curve(metric).get(epoch)

    def best_epoch(self, objective: Objective) -> int | None:
        """The epoch where an objective is best (the first of equals), or None where it is nowhere finite.

        Of a data-free objective degenerate epochs do not count; where there are no others, it is the last.
        """
        finite = {e: v * objective.sign for e, v in self.curve(objective.metric).items() if math.isfinite(v)}
        broken: set[int] = set()
        if degenerate.guarded([objective.metric]):
            broken = {e for rule in degenerate.RULES for e, v in self.curve(rule.metric).items() if rule.broken(v)}
        sound = [epoch for epoch in finite if epoch not in broken]
        return max(sound, key=lambda epoch: finite[epoch]) if sound else max(finite, default=None)

    def degenerate(self, objective: Objective) -> tuple[str, ...]:
        """Why it is, at the epoch that a study with this first objective compares; nothing where it is not."""
        best = self.best_epoch(objective) if objective.at == "best" else None
        epoch = self.epoch if best is None else best
        return degenerate.reasons(self.rows[epoch]["metrics"]) if epoch in self.rows else ()


def excesses(study: Study, trial: Trial) -> dict[str, float]:
    """By how much a trial is outside of each constraint of its study, 0 or less where it keeps to it."""
    known = ((each, trial.at(each.metric, trial.epoch)) for each in study.constraints)
    return {each.metric: each.excess(value) for each, value in known if value is not None}


def outside(study: Study, trial: Trial) -> tuple[str, ...]:
    """The constraints that a trial does not keep to, which keeps it from winning."""
    found = excesses(study, trial)
    return tuple(f"{each.metric} not {each}" for each in study.constraints if found.get(each.metric, 0.0) > 0)


def none_won(study: Study, front: bool) -> str:
    """Why none of a study's complete trials has won; `front`: whether there is one, of which none is taken."""
    if front:
        return f"none on the front is as `best` wants it: {study.best}"
    guarded = degenerate.guarded(objective.metric for objective in study.objective)
    why = ["degenerate"] if guarded or not study.constraints else []
    why += ["outside of the constraints"] if study.constraints else []
    return f"all complete ones are {' or '.join(why)}"


def barred(study: Study, trial: Trial) -> bool:
    """Whether a trial is kept from winning, since it is degenerate and no objective is taken on real images.

    A run alone has nothing to win.
    """
    guarded = not study.one_run and degenerate.guarded(objective.metric for objective in study.objective)
    return guarded and bool(trial.degenerate(study.objective[0]))


def spoilt(study: Study, trial: Trial) -> str | None:
    """What keeps the setting of a trial that has ended from winning, whatever its other seeds come to: all its trials
    have to be sound."""
    head = f"with seed {trial.seed}"
    if trial.state == "failed":
        return f"failed {head}: {(trial.reason or '').partition(chr(10))[0]}"
    if trial.state == "pruned":
        return trial.reason
    if barred(study, trial):
        return f"degenerate {head}: {', '.join(trial.degenerate(study.objective[0]))}"
    unmet = outside(study, trial)
    return f"outside of the constraints {head}: {', '.join(unmet)}" if unmet else None
