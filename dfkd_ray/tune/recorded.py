"""What trials of earlier studies have reported, as a surrogate that answers for any setting of a space.

A random forest learns the curve of the objective from settings. The truth of a setting is its mean there, and the mean
of what its neighbours had left over, without which a forest is flatter than what it learnt from (Zhang and Lu, 2012). A
simulated trial has beside it what one of these neighbours had: noise over seeds, and whatever else the forest does not
explain. Its seconds are the mean of its neighbours'.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from dfkd_ray import metrics
from dfkd_ray import study as studies
from dfkd_ray.stats.random_forest import RandomForest
from dfkd_ray.study import Study
from dfkd_ray.study.domains import Domain, Int, Log, Uniform, canonical
from dfkd_ray.study.space import Space, draw
from dfkd_ray.tune.history import FOREIGN
from dfkd_ray.tune.reuse import same_task
from dfkd_ray.util import tables
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.words import count, listed, shorten
from dfkd_ray.util.yamls import Document

FEWEST = 10  # complete trials
DRAWS = 2000  # settings among which the best of a space is looked for
ABSENT = -1.0  # where a conditional setting is not drawn; those that are lie in [0, 1]


@dataclass(frozen=True)
class Recording:
    """Of one trial, epoch by epoch: the objective, and the seconds of each epoch by itself."""

    values: Sequence[float]
    seconds: Sequence[float]


@dataclass(frozen=True)
class Recorded:
    """The complete trials of some folders: their settings and curves; `others`: how many trials are left out."""

    changes: Sequence[Mapping[str, Any]]
    curves: Sequence[Recording]
    others: int


def read(study: Study, folders: Sequence[Path], method: Callable[[], Mapping[str, Any]]) -> Recorded:
    """StudyError where a folder has no tables, is of another experiment or space, where two are of different tasks or
    teachers, or where too little is complete.

    method: the study's method as its trials have it, for what only the record names; called where that is so.
    """
    changes: list[Mapping[str, Any]] = []
    curves: list[Recording] = []
    others, tasks = 0, list[Mapping[str, Any]]()
    for folder in folders:
        trials, steps = tables.read(folder / "trials.arrow"), tables.read(folder / "steps.arrow")
        try:
            rows = trials.to_pylist()
            note = tables.metadata(trials)
            tasks.append(note.get("task", {}))
            differing = list(_differences(study, method, note, rows))
            if len(tasks) > 1 and not same_task(tasks[-1], tasks[0]):
                differing.append(f"its task, teacher, evaluation, precision or own code is not that of {folders[0]}")
            if differing:
                raise StudyError(f"{folder}: no record of {study.study}: {listed(differing)}")
            whole = list(_whole(study, rows, steps.to_pylist()))
        except FOREIGN as error:
            told = f"{type(error).__name__}: {shorten(str(error))}"
            raise StudyError(f"{folder}: no tables that this dfkd-ray writes ({told})") from error
        others += len(trials) - len(whole)
        changes += [setting for setting, _ in whole]
        curves += [curve for _, curve in whole]
    if len(curves) < FEWEST:
        told = f"{count(len(curves), 'complete trial')} with {study.objective[0].metric}, and it takes {FEWEST}"
        raise StudyError(f"{listed([*map(str, folders)])}: too little to simulate from: {told}")
    if len(lengths := {len(curve.values) for curve in curves}) > 1:
        raise StudyError(f"the trials have different numbers of epochs: {listed(sorted(map(str, lengths)))}")
    return Recorded(changes, curves, others)


def _whole(
    study: Study, trials: Sequence[Mapping[str, Any]], steps: Sequence[Mapping[str, Any]]
) -> Iterable[tuple[Mapping[str, Any], Recording]]:
    """The setting and the curve of each complete trial of the search that has a number in every epoch. What confirms a
    winner is another run of a setting that was chosen, or of the method itself; what was changed on the way is of
    another experiment."""
    found: dict[int, dict[int, tuple[float, float]]] = {}
    for step in steps:
        if step["metric"] == study.objective[0].metric and math.isfinite(step["value"]):
            found.setdefault(step["trial"], {})[step["epoch"]] = step["value"], step["seconds"]
    for trial in trials:
        epochs, counts = found.get(trial["trial"], {}), trial.get("phase") is None and not trial.get("changed")
        if counts and trial["state"] == "complete" and len(epochs) == trial["epochs"]:
            changes = json.loads(trial["changes"])
            features(study.search, changes)  # a value that has no place in the space is no setting of it
            values, until = zip(*(epochs[epoch] for epoch in sorted(epochs)))
            yield changes, Recording(values, [later - earlier for earlier, later in pairwise((0.0, *until))])


class Surrogate:
    """What trials with any setting of a study would report, from those that were recorded."""

    def __init__(self, study: Study, recorded: Recorded) -> None:
        self.space, self.objective, self.recorded = study.search, study.objective[0], recorded
        unit = metrics.find(self.objective.metric).unit
        self._low, self._high = unit.low, unit.high
        curves = recorded.curves
        self.epochs = len(curves[0].values)
        self._forest = forest = RandomForest(
            [features(self.space, c) for c in recorded.changes], [c.values for c in curves]
        )
        facts = [(*c.values, *over, *c.seconds) for c, over in zip(curves, forest.left_over)]
        self._near = forest.averaged(facts)  # of a setting: its mean curve, what is left over of it, and its seconds
        self.full = math.fsum(math.fsum(curve.seconds) for curve in curves) / len(curves)  # seconds of a trial

    @property
    def explained(self) -> float:
        """The share of the variance at the last epoch that the forest explains, between trials that it never saw."""
        return self._forest.explained[-1]

    @property
    def noise(self) -> float:
        """Standard deviation of what it does not explain at the last epoch, in units of the metric."""
        return math.hypot(*(each[-1] for each in self._forest.left_over)) / math.sqrt(len(self._forest.left_over))

    def run(self, changes: Mapping[str, Any], seeds: int, chance: Random) -> Recording:
        """A trial, or the mean of so many, one after another; `chance` says what they have beside the mean."""
        at = features(self.space, changes)
        near = [self._forest.left_over[self._forest.neighbour(at, chance)] for _ in range(seeds)]
        left_over = [math.fsum(each) / seeds for each in zip(*near)]
        (facts,) = self._near([at])
        values = [self._possible(value + over) for value, over in zip(facts, left_over)]
        return Recording(values, [seconds * seeds for seconds in facts[2 * self.epochs :]])

    def truth(self, *settings: Mapping[str, Any]) -> list[float]:
        """What the objective of each comes to without noise, where the study looks: at the last epoch, or the best."""
        better = max if self.objective.mode == "max" else min
        near = self._near([features(self.space, changes) for changes in settings])
        curves = [[self._possible(facts[e] + facts[e + self.epochs]) for e in range(self.epochs)] for facts in near]
        return [better(curve) if self.objective.at == "best" else curve[-1] for curve in curves]

    def _possible(self, value: float) -> float:
        """What the metric can be."""
        return min(max(value, self._low), self._high)

    @cached_property
    def drawn(self) -> list[float]:
        """The truth of DRAWS settings at random, the worst first."""
        chance = Random(0)
        settings = [draw(self.space, lambda path, domain: _any(domain, chance)) for _ in range(DRAWS)]
        return sorted(self.truth(*settings), key=lambda value: self.objective.sign * value)

    @property
    def best(self) -> float:
        return self.drawn[-1]

    @property
    def median(self) -> float:
        return self.drawn[DRAWS // 2]


def features(space: Space, changes: Mapping[str, Any]) -> list[float]:
    """A setting as numbers: a range has a place from 0 to 1, a choice one for each value, 1 where it is that."""
    return [place for path, domain in space.items() for place in _places(domain, path in changes, changes.get(path))]


def _places(domain: Domain, there: bool, value: Any) -> list[float]:
    if not isinstance(domain, (Int, Uniform, Log)):
        return [float(there and canonical(value) == canonical(each)) for each in domain.grid() or ()]
    if not there:
        return [ABSENT]
    scale = math.log if isinstance(domain, Log) or getattr(domain, "log", False) else float
    low, high = scale(domain.low), scale(domain.high)
    return [(scale(value) - low) / (high - low)]


def _any(domain: Domain, chance: Random) -> Any:
    """A value at random, each equally likely."""
    if isinstance(domain, Log):
        return math.exp(chance.uniform(math.log(domain.low), math.log(domain.high)))
    if isinstance(domain, Uniform):
        return domain.nearest(chance.uniform(domain.low, domain.high))
    if isinstance(domain, Int):
        return chance.randrange(domain.low, domain.high + 1, domain.step)
    return chance.choice(domain.grid() or ())


def _differences(
    study: Study, method: Callable[[], Mapping[str, Any]], note: Mapping[str, Any], trials: Sequence[Mapping[str, Any]]
) -> Iterable[str]:
    """In what a record is of another experiment than the study, in words."""
    if not isinstance(note.get("study"), Mapping):
        yield "its tables do not say of what they are"
        return
    theirs = studies.parse(Document(note["study"]))
    if theirs.ablation is not None:
        yield "it is of an ablation, whose arms are no settings of a search"
        return
    for what, own, other in (
        ("method", study.method_name, theirs.method_name),
        ("task", study.task_name, theirs.task_name),
        ("preset", study.preset, theirs.preset),
    ):
        if own != other:
            yield f"its {what} is {other}, not {own}"
    for path in sorted({*study.fixed, *theirs.fixed} - study.search.keys()):
        # what one of the two does not name, its preset or its method has
        here = study.fixed[path] if path in study.fixed else _at(method(), path)
        there = theirs.fixed[path] if path in theirs.fixed else _at(_ran(trials), path)
        if there != here:
            yield f"its {path} is {there}, not {here}"
    for path in sorted(study.search.keys() ^ theirs.search.keys()):
        yield f"only {'the study' if path in study.search else 'the record'} searches {path}"


def _ran(trials: Sequence[Mapping[str, Any]]) -> Any:
    """The method of any trial that says it; what is asked of it, none of them changed."""
    return json.loads(next((trial["method"] for trial in trials if trial["method"]), "{}"))


def _at(method: Any, path: str) -> Any:
    """The value at a path; None where there is none."""
    for key in path.split("."):
        method = method.get(key) if isinstance(method, Mapping) else None
    return method
