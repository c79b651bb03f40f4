"""What an ablation's trials add up to: outcomes by arm and pair, effects, and the path that was walked."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from dfkd_ray import metrics
from dfkd_ray.stats import front
from dfkd_ray.stats.effects import Effect, Outcomes, Pair, effects
from dfkd_ray.stats.looks import seeds_wanted
from dfkd_ray.study import Study, arms
from dfkd_ray.study.ablation import Ablation
from dfkd_ray.study.arms import Arm
from dfkd_ray.study.components import Changes
from dfkd_ray.study.paths import Walk
from dfkd_ray.tune.history import History
from dfkd_ray.tune.trials import Trial, barred

FINAL = tuple(  # taken once, at the end of a trial
    name for quality in metrics.QUALITY.values() for name in (quality.test_last, quality.test_best)
)


def cells(history: History) -> dict[tuple[str, Pair], Trial]:
    """Every trial of an arm that is no tuning, by arm and pair."""
    return {
        (trial.arm, (trial.seed, trial.draw)): trial
        for trial in history.trials.values()
        if trial.arm is not None and trial.tuning is None
    }


def outcomes(history: History, metric: str, names: Iterable[str]) -> Outcomes:
    """Arm -> pair -> value of a metric, None where the trial failed; of pairs that have ended in all of these arms.

    Arms that resolve to the same method share their trials. An arm that no setting suits, so that it is not run, has
    failed in every pair.
    """
    ended: dict[str, dict[Pair, float | None]] = {}
    for (name, pair), trial in cells(history).items():
        if trial.state != "running":
            ended.setdefault(method_of(history, name), {})[pair] = _value(history.study, trial, metric)
    found = {arm: ended.get(method_of(history, arm), {}) for arm in names}
    run = [set(values) for arm, values in found.items() if not _nothing_suits(history, arm)]
    common = sorted(set.intersection(*run)) if run else []
    return {arm: {pair: values.get(pair) for pair in common} for arm, values in found.items()}


def method_of(history: History, arm: str) -> str:
    """The same for arms that resolve to the same method: the name of one of them."""
    return history.alike.get(arm, arm)


def run_as(history: History, wanted: Iterable[Arm]) -> dict[str, str]:
    """Arm -> the arm that is run for it: the first wanted one that resolves to the same method."""
    first: dict[str, str] = {}
    return {arm.name: first.setdefault(method_of(history, arm.name), arm.name) for arm in wanted}


def tuning(history: History, arm: str) -> list[Trial]:
    """The trials of an arm's own search, in their order."""
    return [trial for trial in history.trials.values() if trial.arm == arm and trial.tuning is not None]


def tuned_changes(history: History, arm: str) -> Changes | None:
    """The changes of the best trial of an arm's own search; None before all have ended, or if all have failed."""
    if not _tuned(history, arm):
        return None
    tuned = tuning(history, arm)
    sound = [trial for trial in tuned if not barred(history.study, trial)]
    points = history.points(sound) or history.points(tuned)
    best = history.pick({number: points[number] for number in front.front(points)})
    return None if best is None else history.trials[best].changes


def _tuned(history: History, arm: str) -> bool:
    """Whether an arm's own search has ended."""
    tune = _ablation(history).tune
    return tune is not None and sum(trial.state != "running" for trial in tuning(history, arm)) >= tune.trials


def _nothing_suits(history: History, arm: str) -> bool:
    run = method_of(history, arm)
    return _tuned(history, run) and tuned_changes(history, run) is None


def _value(study: Study, trial: Trial, metric: str) -> float | None:
    """An objective as the study defines it; any other metric at the last epoch, or as taken at the end."""
    if trial.state != "complete":
        return None
    for objective, value in zip(study.objective, trial.values or ()):
        if objective.metric == metric:
            return value
    if metric in trial.final:
        return trial.final[metric]
    return trial.curve(metric).get(trial.epoch)


def walked(history: History) -> tuple[tuple[str, ...], tuple[Arm, ...]]:
    """Of a path: the steps chosen so far, in their order, and all arms that are wanted by now.

    A round ends when all its cells have; the candidate with the best mean over its pairs is chosen. A round whose
    candidates have all failed, or are no method even together, ends the path.
    """
    ablation = _ablation(history)
    objective = history.study.objective[0]
    chosen: tuple[str, ...] = ()
    wanted: tuple[Arm, ...] = ()
    while candidates := arms.next_arms(ablation.components, chosen, history.refused):
        wanted += candidates
        names = [arm.name for arm in candidates]
        found = outcomes(history, objective.metric, names)
        if len(next(iter(found.values()), {})) < ablation.pairs:
            break
        means = {name: _mean(values) for name, values in found.items()}
        steps = [arm for arm in candidates if means[arm.name] is not None and (chosen or arm is not candidates[0])]
        if not steps:
            break
        best = max(steps, key=lambda arm: objective.sign * (means[arm.name] or 0.0))
        chosen += (arms.step(ablation.components, chosen, best),)
    return chosen, wanted


def _mean(values: Mapping[Pair, float | None]) -> float | None:
    finite = [value for value in values.values() if value is not None and math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else None


def seeds_in_force(history: History) -> tuple[int, ...]:
    """The seeds that all arms are to be run with by now: more than at the start only while effects tell too little."""
    ablation = _ablation(history)
    seeds, metric = ablation.seeds, history.study.objective[0].metric
    if seeds.until is None:
        return seeds.listed[: seeds.start]
    until = seeds.until if seeds.until == "told" else seeds.until / metrics.find(metric).unit.scale
    found = outcomes(history, metric, [arm.name for arm in ablation.arms])
    return seeds_wanted(ablation.contrasts(), found, seeds.listed, seeds.start, until, ablation.points)


def all_effects(history: History, resamples: int = 9999) -> list[Effect]:
    """Every effect on every metric that has one: objectives first, then what else the trials report, then the test."""
    ablation = _ablation(history)
    chosen, arms_ = arms_of(history)
    names = [arm.name for arm in arms_]
    contrasts, looks = ablation.contrasts(chosen) if names else (), len(ablation.seeds.looks)
    return [
        effect
        for metric, mode in compared(history).items()
        for effect in effects(
            contrasts, outcomes(history, metric, names), metric, mode, resamples=resamples, looks=looks
        )
    ]


def arms_of(history: History) -> tuple[tuple[str, ...], tuple[Arm, ...]]:
    """The steps that a path has chosen (none in other designs), and the arms that effects are told from."""
    ablation = _ablation(history)
    if not isinstance(ablation.design, Walk):
        return (), ablation.arms
    chosen, _ = walked(history)
    return chosen, arms.along(ablation.components, chosen) if chosen else ()


def compared(history: History) -> dict[str, metrics.Mode]:
    """Metric -> which way is better, of all that an effect is told for."""
    out: dict[str, metrics.Mode] = {o.metric: o.mode or "max" for o in history.study.objective}
    complete = [trial for trial in history.trials.values() if trial.state == "complete" and trial.last is not None]
    told = {name: None for trial in complete for name in (trial.last or {})["metrics"]}
    taken = [metric for metric in FINAL if any(metric in trial.final for trial in complete)]
    for row in map(metrics.find, (*told, *taken)):
        if row.better is not None and row.fair:
            out.setdefault(row.name, row.better)
    return out


def _ablation(history: History) -> Ablation:
    assert history.study.ablation is not None
    return history.study.ablation
