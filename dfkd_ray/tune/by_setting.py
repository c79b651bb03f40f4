"""A sweep with several seeds: what lies between its sampler, which knows settings, and its trials, which have seeds.

A setting is proposed once, as the trial of its first seed, which the stopper judges. Its later seeds follow unless it
cannot win any more: side by side where nothing may leave them out, else one after another. Then it settles, as a record
of the ledger, since a race goes by what was best at the time, and its sampler is told, once. What is due follows from
the history alone, so that a study that was killed goes on as one that was not.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dfkd_ray.stats import paired
from dfkd_ray.stats.racing import most_ahead
from dfkd_ray.study import Study
from dfkd_ray.study.specs import NoStopper
from dfkd_ray.tune.history import History
from dfkd_ray.tune.ledger import Record
from dfkd_ray.tune.proposal import Proposal
from dfkd_ray.tune.trials import Trial, barred, excesses, spoilt


def due(history: History) -> Proposal | None:
    """The next seed of a setting that has begun; None where none is due."""
    for number in history.settings.open:
        runs = history.runs(number)
        if (rest := _rest(history.study, runs)) and not _waits(history.study, runs) and _over(history, runs) is None:
            return Proposal(len(history.trials), runs[0].changes, {}, {}, rest[0], setting=number)
    return None


def settling(history: History) -> Iterator[Record]:
    """The records of settings that have come to their end; each is to be applied before the next is asked for, since
    one that settles as the best may leave another behind."""
    before = -1
    while before != len(history.settings.open):
        before = len(history.settings.open)
        for number in [*history.settings.open]:
            if (record := _settled(history, number)) is not None:
                yield record


def most(history: History, settings: int | None) -> int | None:
    """How many trials a search of so many settings has at most; None: nobody knows."""
    if settings is None:
        return None
    left = settings - (len(history.settings.all) - len(history.settings.open))
    return history.settings.runs + left * len(history.study.each_seed)


def states(history: History) -> Counter[str]:
    """How many settings stand how, see `Seeded.state`; none of a sweep with one seed."""
    return Counter(setting.state for setting in history.settings.all.values())


def spared(history: History) -> int:
    """How many trials were left out, of settings that have settled."""
    known = history.settings
    return (len(known.all) - len(known.open)) * len(history.study.each_seed) - known.runs


@dataclass(frozen=True)
class Told:
    """What a sampler is told of a trial, or of its setting: see `Search.tell`."""

    state: str
    values: list[float] | None
    curve: Mapping[int, float]
    rung: int | None
    excesses: Mapping[str, float]


def told(study: Study, history: History, trial: Trial) -> Told:
    """Of a trial that the sampler has proposed. What is degenerate has failed, else samplers would look for more of
    these; a setting is outside of a constraint by as much as the worst of its trials.
    """
    setting, runs = history.settings.all.get(trial.number), [trial]
    state, values, rung = trial.state, trial.values, trial.rung
    if setting is not None:
        runs, values, rung = history.runs(trial.number), setting.told, setting.rung
        state = "complete" if setting.state == "left" else setting.state
    if state in ("complete", "pruned") and any(barred(study, each) for each in runs):
        state = "failed"
    found = [excesses(study, each) for each in runs]
    worst = {name: max(each[name] for each in found if name in each) for name in {n: 0 for each in found for n in each}}
    return Told(state, values, trial.curve(study.objective[0].metric), rung, worst)


def _settled(history: History, number: int) -> Record | None:
    """What the ledger says of a setting: None while a trial of it runs, or another seed is due.

    told: to its sampler, the means over all seeds. Of one that was left behind another: the means of that one, and how
    far it was behind, pair by pair, so that neither the seeds that it lacks nor their luck make it look better.
    """
    runs, study = history.runs(number), history.study
    if any(each.state == "running" for each in runs):
        return None
    rest, over = _rest(study, runs), _over(history, runs)
    if rest and over is None:
        return None
    state = "left" if rest else "complete"
    state = next((each.state for each in runs if each.state in ("failed", "pruned")), state)
    reason, rival = over or (None, None)
    record: Record = {"kind": "settled", "trial": number, "state": state, "reason": reason, "rung": runs[0].rung}
    if state == "failed":
        return {**record, "values": None, "errors": None, "told": None}
    found = [paired.mean(column, 0.95) for column in zip(*(each.values or () for each in runs))]
    values, errors = [each.mean for each in found], [each.error for each in found]
    behind = values if rival is None else _behind(history, runs, rival)
    return {**record, "values": values, "errors": None if None in errors else errors, "told": behind}


def _over(history: History, runs: Sequence[Trial]) -> tuple[str, int | None] | None:
    """Why a setting cannot win any more, and the one that it is behind where that is why; None where it may."""
    study, ended = history.study, [each for each in runs if each.state != "running"]
    for each in ended:
        if (why := spoilt(study, each)) is not None:
            return why, None
    rest = _rest(study, runs)
    if not rest or len(ended) < len(runs) or (rival := _ahead(history, runs)) is None:
        return None
    return f"left after {len(runs)} of {len(study.seeds)} seeds: too far behind trial {rival}, pair by pair", rival


def _ahead(history: History, runs: Sequence[Trial]) -> int | None:
    """The setting of the best, or of the front, that it will not be ahead of in any objective, as it seems; else None.

    Of several objectives each gets its share of the risk.
    """
    study, noise = history.study, history.settings.noise
    risk = 0.0 if study.racing is None else study.racing.risk / len(study.objective)
    if not risk or not noise:
        return None
    for rival in history.tally.front:
        behind = True
        for column, found in zip(zip(*_apart(history, runs, rival)), noise):
            behind = behind and found is not None and most_ahead(column, len(study.seeds), found, risk) < 0
        if behind:
            return rival
    return None


def _apart(history: History, runs: Iterable[Trial], rival: int) -> Iterator[list[float]]:
    """Seed by seed by how much a setting is ahead of another in each objective: higher is better."""
    theirs = {each.seed: each.values or () for each in history.runs(rival)}
    signs = [objective.sign for objective in history.study.objective]
    for each in runs:
        yield [sign * (own - other) for sign, own, other in zip(signs, each.values or (), theirs[each.seed])]


def _behind(history: History, runs: Sequence[Trial], rival: int) -> list[float]:
    """The means of another setting, and how far this one is behind it."""
    means = history.settings.all[rival].values or []
    columns = zip(means, history.study.objective, zip(*_apart(history, runs, rival)))
    return [mean + objective.sign * math.fsum(column) / len(column) for mean, objective, column in columns]


def _rest(study: Study, runs: Iterable[Trial]) -> list[int]:
    """The seeds that a setting was not run with."""
    done = {each.seed for each in runs}
    return [seed for seed in study.seeds if seed not in done]


def _waits(study: Study, runs: Iterable[Trial]) -> bool:
    """Whether the next seed of a setting waits for those that run: what comes of them may leave it out."""
    raced = study.racing is not None and study.racing.risk > 0
    side_by_side = isinstance(study.stopper, NoStopper) and not raced
    return not side_by_side and any(each.state == "running" for each in runs)
