"""What confirms the winner of a sweep: its best few settings and the defaults, run again with fresh seeds.

What is to be run follows from the history alone, so a study that was killed goes on as one that was not. It begins when
the last trial of the search has ended, and begins again where the search went on and others lead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from dfkd_ray import metrics
from dfkd_ray.stats import winner
from dfkd_ray.stats.contrasts import difference
from dfkd_ray.stats.effects import Effect, effects
from dfkd_ray.study.arms import Arm
from dfkd_ray.study.confirming import DEFAULTS
from dfkd_ray.tune.by_setting import most
from dfkd_ray.tune.duplicates import Duplicates, find_duplicates
from dfkd_ray.tune.history import History
from dfkd_ray.tune.proposal import Proposal
from dfkd_ray.tune.trials import CONFIRM

LEVEL = 0.95
Fingerprint = Callable[[Mapping[str, Any]], str]


def beginning(history: History, fingerprint: Fingerprint | None) -> dict[str, Any] | None:
    """What a ledger says where a confirmation begins: see `Reseeded`. None where it has begun, or cannot."""
    confirm = history.study.confirm
    if confirm is None or _searching(history):
        return None
    leaders = [number for _, number in history.tally.ranked[: confirm.top]]
    seeds, fresh = list(confirm.fresh(max(history.study.each_seed))), history.fresh
    begun = [number for number in fresh.arms.values() if number is not None], list(fresh.seeds)
    if not leaders or (leaders, seeds) == begun:
        return None
    numbers = {**{f"trial {number}": number for number in leaders}, DEFAULTS: None}
    arms = [Arm(name, {}, changes_of(history, number)) for name, number in numbers.items()]
    found = Duplicates([], {}, {}) if fingerprint is None else find_duplicates(arms, fingerprint)
    return {"trials": leaders, "arms": numbers, "seeds": seeds, "alike": found.alike, "refused": found.refused}


def propose(history: History) -> Proposal | None:
    """The next trial that confirms, seed by seed; None where the search is not over, or none is left, or wanted."""
    wanted, asked = [] if _searching(history) else _wanted(history), _asked(history)
    for arm, seed in wanted:
        if (arm, seed) not in asked:
            changes = changes_of(history, history.fresh.arms[arm])
            return Proposal(len(history.trials), changes, {}, {}, seed, arm, phase=CONFIRM)
    return None


def total(history: History, searched: int | None) -> int | None:
    """How many trials there will be at most, of a search of so many settings; None: nobody knows."""
    wanted, asked = _wanted(history), _asked(history)
    if wanted and not _searching(history):
        return (most(history, history.searched) or 0) + len({*asked, *wanted})
    known, confirming = most(history, searched), history.study.confirming
    return None if known is None else known + (confirming or len(asked))


def _asked(history: History) -> set[tuple[str, int]]:
    """Arm and seed of each trial that confirms, of earlier leaders too."""
    trials = history.trials.values() if history.fresh.arms else ()  # else it would go through them in every search
    return {(str(trial.arm), trial.seed) for trial in trials if trial.phase == CONFIRM}


def _wanted(history: History) -> list[tuple[str, int]]:
    """Arm and seed of each trial that the confirmation is made of, as far as it has begun; none where an edited file
    asks for none."""
    fresh, seeds = history.fresh, history.fresh.seeds if history.study.confirm is not None else ()
    return [(arm, seed) for seed in seeds for arm in fresh.run]


def _searching(history: History) -> bool:
    return bool(history.settings.open) or any(trial.phase is None for trial in history.running())


def changes_of(history: History, number: int | None) -> Mapping[str, Any]:
    """The changes of a trial; none of the control."""
    return {} if number is None else history.trials[number].changes


def confirmed(history: History) -> dict[str, Any] | None:
    """What the fresh seeds say, as plain data for tables, terminal and page; None where nothing is confirmed yet, or
    will be, since an edited file asks for no more.

    settings: the best first, with the value that each had in the search, what it came to since, the probability of
    being the best of them, and its difference to the defaults by the rule of all verdicts. won: the trial that won the
    search; curse: by how much its value flattered it. complete: whether all trials have ended.
    """
    fresh, objective = history.fresh, history.study.objective[0]
    dropped = history.study.confirm is None and fresh.first is None
    if not fresh.arms or not any(fresh.outcomes.values()) or dropped:
        return None
    mode, outcomes = objective.mode or "max", fresh.outcomes
    found = winner.fresh({arm: outcomes[arm] for arm in fresh.settings}, mode, LEVEL)
    control = winner.fresh({DEFAULTS: outcomes[DEFAULTS]}, mode, LEVEL) if DEFAULTS in outcomes else []
    won = next(iter(fresh.arms))
    again = next(each for each in found if each.name == won)
    return {
        "metric": objective.metric,
        "mode": mode,
        "seeds": list(fresh.seeds),
        "complete": fresh.first is not None,
        "first": None if fresh.first is None else fresh.arms[fresh.first],
        "ended": sum(len(outcomes[arm]) for arm in fresh.run),
        "wanted": len(fresh.run) * len(fresh.seeds),
        "settings": [*_settings(history, found)],
        "won": {"trial": fresh.arms[won], **winner.curse(_searched(history, won), again, mode)},
        "control": None if not control else {**vars(control[0]), "runs_as": fresh.alike.get(DEFAULTS)},
        "refused": dict(fresh.refused),
    }


def _settings(history: History, found: Iterable[winner.Contender]) -> Iterator[dict[str, Any]]:
    against = _against(history)
    for each in found:
        number = history.fresh.arms[each.name]
        about = {"trial": number, "searched": _searched(history, each.name), "changes": changes_of(history, number)}
        yield {**vars(each), **about, "against": against.get(each.name), "test": _test(history, each.name)}


def _searched(history: History, arm: str) -> float:
    """The value that a setting had in the search."""
    number = history.fresh.arms[arm]
    assert number is not None
    values = history.whole(number).values
    assert values, "a trial that leads is complete"
    return values[0]


def _test(history: History, arm: str) -> float | None:
    """The mean test accuracy (of dense targets what stands for it) of an arm's trials with these seeds, at their last
    epochs; None where it was not measured."""
    seeds, trials = history.fresh.seeds, history.trials.values()
    own = [trial.final for trial in trials if trial.phase == CONFIRM and trial.arm == arm and trial.seed in seeds]
    found = [final[name] for final in own if (name := metrics.quality(final).test_last) in final]
    return math.fsum(found) / len(found) if found else None


def _against(history: History) -> dict[str, dict[str, Any]]:
    """Each setting against the defaults, pair by pair, judged as one family."""
    fresh, objective = history.fresh, history.study.objective[0]
    if DEFAULTS not in fresh.outcomes:
        return {}
    other = [arm for arm in fresh.settings if arm != fresh.alike.get(DEFAULTS)]
    contrasts = [difference(arm, f"{arm} against {DEFAULTS}", arm, DEFAULTS) for arm in other]
    found = effects(contrasts, fresh.outcomes, objective.metric, objective.mode or "max", LEVEL, resamples=0)
    return {effect.component: _told(effect) for effect in found}


def _told(effect: Effect) -> dict[str, Any]:
    kept = ("difference", "low", "high", "pairs", "verdict")
    return {"p": effect.p_holm, **{key: getattr(effect, key) for key in kept}}
