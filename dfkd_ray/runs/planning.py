"""What a study will run and cost, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from dfkd_ray import metrics
from dfkd_ray.methods.method import Schedule
from dfkd_ray.runs import telling
from dfkd_ray.runs.probe import StepSeconds
from dfkd_ray.runs.sizing import Place, here, packing
from dfkd_ray.runs.telling import Spread
from dfkd_ray.stats.looks import Told
from dfkd_ray.study import Study, arms, plain, starting, startup, stopping
from dfkd_ray.study.ablation import Ablation
from dfkd_ray.study.domains import canonical
from dfkd_ray.study.specs import Asha, Tpe
from dfkd_ray.tune.duplicates import Duplicates, find_duplicates
from dfkd_ray.tune.earlier import Scatter
from dfkd_ray.tune.room import fitting, settled
from dfkd_ray.tune.window import BEST
from dfkd_ray.util.words import counted, some

SHOWN = 10  # seeds that are listed


def describe(
    study: Study,
    schedule: Schedule,
    cost: StepSeconds | None,
    concurrency: int | None,
    spread: Spread | None = None,
    duplicates: Duplicates | None = None,
    place: Place | None = None,
    each: Mapping[str, float] | None = None,
    noise: Scatter | None = None,
) -> Iterator[str]:
    """Lines for the terminal: trials, steps, seconds a trial, hours in all; no stopper is counted on but named.

    `cost`: None where nothing can be measured. `spread`: of earlier ablations, where the study states none.
    `duplicates`: what is known of an ablation's arms; without it those are alike that make the same changes.
    `place`: where it will run, else this machine without a GPU. `each`: seconds of a trial of each arm, where arms
    differ in method or schedule; then `schedule` and `cost` are of none of them. `noise`: see `telling.of_a_sweep`.
    """
    written = plain(study)
    names = f"sampler {written['sampler']['name']}, stopper {written['stopper']['name']}"
    yield f"{study.study}: {study.question}" if study.question else study.study
    if study.ablation is None:
        yield f"method {study.method_name}, task {study.task_name}, {names}"
        yield from _proposals(study)
        if (line := stopping.describe(study.stopper, schedule.epochs, schedule.warmup)) is not None:
            yield line
        yield from telling.of_a_sweep(study, noise, len(study.each_seed))
    else:
        yield f"method {study.method_name}, task {study.task_name}"
        duplicates = duplicates or find_duplicates(study.ablation.arms, lambda changes: canonical(dict(changes)))
        yield from _design(study, study.ablation, spread, duplicates)
    yield from _searched(written.get("search", {}))
    place = place or here()
    study = replace(study, resources=settled(study.resources, place.nodes))
    seconds, said = _measured(schedule, cost, each, place, study.resources.fuse)
    yield from said
    if seconds is not None:
        yield from _hours(study, schedule, seconds, concurrency, place, duplicates)
    if cost is not None:
        yield from packing(cost, study.resources, place)


def _searched(search: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The searched paths and their domains."""
    width = max(map(len, search), default=0)
    for path, domain in search.items():
        yield f"  {path:<{width}}  {', '.join(f'{key} {value}' for key, value in domain.items())}"


def _proposals(study: Study) -> Iterator[str]:
    """How many trials a model proposes; that it will not see all of them; that the space has fewer settings."""
    if (line := startup.describe(study)) is not None:
        yield line
    yield from starting.describe(study.start, study.search)
    yield from _window(study)
    yield from _seeds(study)
    if (confirm := study.confirm) is not None:
        again = f"the best {confirm.top} and the defaults again, each with {counted(confirm.seeds, 'fresh seed')}"
        yield f"then {again}: at most {counted(study.confirming, 'trial')} on top of the budget"
    settings, budget = study.settings, study.budget.trials
    if not study.one_run and settings is not None and budget is not None and settings < budget:
        yield f"the space has {counted(settings, 'setting')}, fewer than the budget of {counted(budget, 'trial')}"


def _seeds(study: Study) -> Iterator[str]:
    """How many trials a sweep with several seeds has, and which settings get all of them."""
    if not study.seeds or study.racing is None:
        return
    most, settings = "", study.trials
    if settings is not None:
        trials = counted(settings * len(study.seeds), "trial")
        most = f", {counted(settings, 'setting')} and at most {trials}"
    listed = some([str(seed) for seed in study.seeds], SHOWN)
    yield f"each setting with {counted(len(study.seeds), 'seed')} ({listed}){most}: its value is the mean"
    if study.racing.risk:
        yield (
            f"a setting's later seeds are run while it may still come out ahead of the best one (racing, risk "
            f"{study.racing.risk:g}); once it cannot, it is left"
        )


def _window(study: Study) -> Iterator[str]:
    """That the sampler will not see all trials."""
    sampler, trials = study.sampler, study.trials
    if isinstance(sampler, Tpe) and trials is not None and trials > sampler.seen:
        whose = f"the best {BEST}" if len(study.objective) == 1 else "the front"
        yield f"of more than {sampler.seen} ended trials tpe models {whose} and an even sample of the others"


def _measured(
    schedule: Schedule, cost: StepSeconds | None, each: Mapping[str, float] | None, place: Place, fuse: int
) -> tuple[float | None, list[str]]:
    """Seconds of a trial, None where nothing was measured, and what is said of them."""
    where = place.at if fuse == 1 else f"{place.at}, {fuse} trials in step with each other"
    if cost is not None and cost.by_turns:
        where += f" ({cost.by_turns})"
    if each:
        mean = sum(each.values()) / len(each)
        told = ", ".join(f"{arm} {_time(own)}" for arm, own in each.items())
        return mean, [f"measured {where}, a trial of each arm: {told}; mean {_time(mean)}"]
    length = (
        f"a trial: {counted(schedule.epochs, 'epoch')} x {counted(schedule.rounds, 'round')}, "
        f"{counted(schedule.source_rounds * schedule.source_steps, 'source step')} and "
        f"{counted(schedule.student_rounds * schedule.student_steps, 'student step')} of "
        f"{counted(schedule.batch, 'image')}"
    )
    if cost is None:
        return None, [length]
    seconds = cost.trial(schedule)
    steps = f"{cost.source_step:.3f} s a source step, {cost.student_step:.3f} s a student step"
    return seconds, [
        length,
        f"measured {where}: {steps}, {cost.evaluation:.2f} s an evaluation: {_time(seconds)} a trial",
    ]


def _hours(
    study: Study,
    schedule: Schedule,
    seconds: float,
    concurrency: int | None,
    place: Place,
    duplicates: Duplicates | None,
) -> Iterator[str]:
    """Hours of the study, at so many seconds a trial; those that are fused take them together."""
    share, fuse = study.resources, study.resources.fuse
    at_once = concurrency or max(1, fitting(place.nodes, share)) * fuse
    if not concurrency and (why := place.misfit(share)):
        yield why
    ablation = study.ablation
    twins = 0 if duplicates is None else len(duplicates.alike) + len(duplicates.refused)
    trials = study.in_all if ablation is None else ablation.most_trials - twins * ablation.of_each_arm
    limit = study.budget.hours
    if limit is not None:
        fit = max(1, int(limit * 3600 / seconds * at_once))
        what = "setting" if study.seeds else "trial" if study.confirm is None else "trial of the search"
        yield f"budget: no {what} is started after {limit:g} h; about {fit} fit, {at_once} at a time"
    if trials is None:
        return
    total, at_once = -(-trials // fuse) * seconds, min(at_once, trials)
    places = -(-at_once // fuse)
    shares = {"CPU": share.cpu, "GPU": float(share.gpu)}
    hours = ", ".join(f"{_time(total * part)} of {what}" for what, part in shares.items() if part)
    count = f"{'at most ' if ablation is not None and ablation.trials is None else ''}{counted(trials, 'trial')}"
    of_each = "" if fuse == 1 else f", {fuse} in a process"
    yield f"{count}, {at_once} at a time{of_each}: at most {hours}, {_time(total / places)} on the clock"
    if ablation is not None and ablation.seeds.until is not None:
        seeds = ablation.seeds
        more = trials + (len(ablation.arms) - twins) * ablation.points * (len(seeds.listed) - seeds.start)
        told = f"{counted(more, 'trial')}, {_time(-(-more // fuse) * seconds / places)} on the clock"
        yield f"with all {counted(len(seeds.listed), 'seed')}: {told}"
    if isinstance(study.stopper, Asha) and study.stopper.grace < schedule.epochs:
        yield _spared(study, study.stopper, schedule, total, seconds, places)


def _spared(study: Study, asha: Asha, schedule: Schedule, total: float, seconds: float, places: int) -> str:
    """What the clock shows where a stopper ends trials early, of `total` seconds for all of them."""
    if (fuse := study.resources.fuse) > 1:
        return f"asha may spare nothing of that: a process goes on until the last of its {fuse} trials has ended"
    uncut = study.confirming * seconds
    share_run = _asha_share(asha, schedule.epochs, len(study.each_seed))
    spared = _time(((total - uncut) * share_run + uncut) / places)
    return f"if asha keeps 1 in {asha.reduction} at each rung: about {spared} on the clock"


def _design(study: Study, ablation: Ablation, measured: Spread | None, duplicates: Duplicates) -> Iterator[str]:
    """The matrix, what is confounded, pairs, and the smallest effect that they can tell."""
    yield from arms.describe(ablation.design, ablation.components, ablation.arms, study.method)
    yield from _duplicates(ablation, duplicates)
    seeds = ablation.seeds
    more = "" if seeds.until is None else f", up to {len(seeds.listed)} until {_enough(study, seeds.until)}"
    draws = f" x {ablation.points} draws" if ablation.points > 1 else ""
    yield f"{counted(seeds.start, 'seed')}{draws} for each arm{more}: {counted(ablation.pairs, 'pair')}"
    if ablation.tune is not None:
        count = counted(ablation.tune.trials, "tuning trial")
        yield f"before that {count} of each arm, with seed {ablation.tune.seed}"
    yield from telling.describe(study, ablation, measured)


def _enough(study: Study, until: float | Told) -> str:
    """What seeds are added for."""
    if until == "told":
        return "every effect is told apart"
    return f"intervals are within {until:g} {metrics.points(study.objective[0].metric)}".rstrip()


def _duplicates(ablation: Ablation, duplicates: Duplicates) -> Iterator[str]:
    """Arms that are one method although their changes differ, and those that are none."""
    changes = {arm.name: canonical(dict(arm.changes)) for arm in ablation.arms}
    for first in dict.fromkeys(duplicates.alike.values()):
        same = [first, *(arm for arm, other in duplicates.alike.items() if other == first)]
        if len({changes[arm] for arm in same}) > 1:
            yield f"the same method, run once: {', '.join(same)}"
    for arm, why in duplicates.refused.items():
        yield f"left out of the first round, since it is no method: {arm}: {why}"


def _asha_share(stopper: Asha, epochs: int, seeds: int = 1) -> float:
    """The share of all epochs that is run if exactly 1 / reduction of the trials passes each rung, and those that do
    get their later seeds."""
    run, alive, before, rung = 0.0, 1.0, 0, stopper.grace
    while rung < epochs:
        run += alive * (rung - before)
        alive, before, rung = alive / stopper.reduction, rung, rung * stopper.reduction
    first = (run + alive * (epochs - before)) / epochs
    return (first + alive * (seeds - 1)) / seeds


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
