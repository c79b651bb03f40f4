"""A study whose file was edited while it has trials: what is taken up, and what would be another study.

The rule: every trial that counts has to be a point of the new space, run as all others are. So a search may be wider,
or have new paths, where earlier trials have what the method has there; it may be longer, and may go on with another
sampler, another stopper, other settings to start with.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dfkd_ray import study as studies
from dfkd_ray.study import Study, domains, starting
from dfkd_ray.study.overrides import Overrides
from dfkd_ray.tune.history import History
from dfkd_ray.tune.ledger import Record
from dfkd_ray.util.differing import differing
from dfkd_ray.util.errors import ConfigError, StudyError
from dfkd_ray.util.words import shorten

ALWAYS = ("question", "budget", "resources", "runtime", "checkpoint")  # of an ablation too
OF_A_SWEEP = ("search", "start", "sampler", "stopper", "constraints", "best", "confirm", "racing")
SILENT = ("track", "plugins")  # go with the session; may be more
NAMED = 12  # of a kind: differences, trials


@dataclass(frozen=True)
class Amendment:
    """What an edited file changes: (path, value there, value here) each; `defaults`: what earlier trials have at new
    paths, by trial."""

    study: Study
    changed: tuple[tuple[str, Any, Any], ...]
    defaults: Mapping[int, Mapping[str, Any]]

    def record(self, history: History, parts: Mapping[str, Any], clock: float) -> Record:
        """As the ledger of that history keeps it; parts: of the experiment, which the edited file names beside (None:
        names no more)."""
        shared: dict[str, tuple[Mapping[str, Any], list[int]]] = {}
        for trial, values in self.defaults.items():
            shared.setdefault(domains.canonical(dict(values)), (values, []))[1].append(trial)
        place = {"number": len(history.amendments) + 1, "asked": len(history.trials)}
        facts = {"changed": self.changed, "defaults": [*shared.values()], "parts": parts}
        record = {"kind": "amended", "time": clock, **place, "study": studies.plain(self.study), **facts}
        made: Record = json.loads(json.dumps(record))
        return made


def told(changed: Any) -> str:
    """`budget.trials 4 -> 8; search.a.b nothing -> {"bool": true}`."""
    return "; ".join(f"{path} {_value(was)} -> {_value(now)}" for path, was, now in changed)


def amended(
    folder: Path, history: History, asked: Study, methods: Mapping[str, Any], way_on: str = ""
) -> Amendment | None:
    """What the study that is asked for changes in that of a history; None where nothing.

    methods: those that it names, resolved, by name. StudyError with all that makes it another study, and the way on.
    """
    held = history.study
    free = ALWAYS + (OF_A_SWEEP if held.ablation is None and asked.ablation is None else ())
    found = list(_others(held, asked, history.methods, methods, free))
    if not found:
        plugins = {Path(each).name: each for each in (*asked.plugins, *held.plugins)}
        made = replace(held, **{name: getattr(asked, name) for name in free}, plugins=tuple(plugins.values()))
        defaults: dict[int, Mapping[str, Any]] = {}
        if made.search != held.search:
            defaults, found = _placed(history, made)
        found += _spent(history, made)
    if found:
        lines = [f"{folder} holds another study than this:", *(f"  {each}" for each in found), way_on]
        raise StudyError("\n".join(filter(None, lines)))
    if not (changed := tuple(_changes(held, made))):
        return None
    return Amendment(made, changed, defaults)


def longer(folder: Path, history: History, asked: Overrides) -> Study:
    """The study of a history with the budget that a resume is given; StudyError where it has none to be given."""
    study = history.study
    if study.ablation is not None or study.one_run:
        what = "a run alone" if study.one_run else "an ablation, whose arms and seeds say how many trials there are"
        raise StudyError(f"{folder}: --trials and --hours are the budget of a sweep, and this is {what}")
    trials = study.budget.trials if asked.trials is None else asked.trials
    hours = study.budget.hours if asked.hours is None else asked.hours
    return replace(study, budget=replace(study.budget, trials=trials, hours=hours))


def _others(
    held: Study, asked: Study, there: Mapping[str, Any], here: Mapping[str, Any], free: tuple[str, ...]
) -> Iterator[str]:
    """What may not be another, path by path; files are compared by name and by what they say, not by their place."""
    old, new = (
        {key: value for key, value in studies.plain(study).items() if key not in (*free, *SILENT)}
        for study in (held, asked)
    )
    old["runtime.precision"], new["runtime.precision"] = (s.runtime.get("precision") for s in (held, asked))
    pairs = [(_by_name(old), _by_name(new)), (_by_name({"methods": there}), _by_name({"methods": here}))]
    found = [each for pair in pairs for each in differing(*pair)]
    yield from (f"{path}: {_value(was)} there, {_value(now)} here" for path, was, now in found[:NAMED])
    if len(found) > NAMED:
        yield f"and {len(found) - NAMED} more"


def _placed(history: History, made: Study) -> tuple[dict[int, Mapping[str, Any]], list[str]]:
    """What earlier trials have at paths that they did not search, and why some are no points of the new space.

    A trial that failed need not be one: nothing is learnt from it.
    """
    base = history.experiment.get("parts", {}).get(f"the method {made.method}", {}).get("plain", {})
    defaults: dict[int, Mapping[str, Any]] = {}
    outside: dict[str, list[int]] = {}
    for trial in history.trials.values():
        try:
            point = starting.completed(made.search, trial.changes, trial.method or base)
        except ConfigError as error:
            for problem in error.problems if trial.state != "failed" else ():
                outside.setdefault(f"search.{problem.path}: {problem.message}", []).append(trial.number)
            continue
        if new := {path: value for path, value in point.items() if path not in trial.changes}:
            defaults[trial.number] = new
    return defaults, [f"{why} (trial {_some(numbers)})" for why, numbers in outside.items()]


def _spent(history: History, made: Study) -> list[str]:
    asked, most = history.searched, made.budget.trials
    if most is None or asked <= most or made.budget.trials == history.study.budget.trials:
        return []
    return [f"budget.trials: {asked} were asked for already, {most} here"]


def _changes(held: Study, made: Study) -> Iterator[tuple[str, Any, Any]]:
    """Paths with both values; a domain is one value, as is a sampler or a stopper in place of another."""
    old, new = studies.plain(held), studies.plain(made)
    searched = [plain.pop("search", {}) for plain in (old, new)]
    whole = [({f"search.{path}": own[path] for path in own}) for own in searched]
    for name in ("sampler", "stopper"):
        if old[name]["name"] != new[name]["name"]:
            for plain, values in zip((old, new), whole):
                values[name] = plain.pop(name)
    for path in dict.fromkeys([*whole[0], *whole[1]]):
        was, now = (values.get(path) for values in whole)
        if was != now:
            yield path, was, now
    yield from differing(old, new)


def _by_name(plain: Any) -> Any:
    """Plain data with the name of each file in place of its absolute path."""
    if isinstance(plain, dict):
        return {_by_name(key): _by_name(value) for key, value in plain.items()}
    if isinstance(plain, (list, tuple)):
        return [_by_name(each) for each in plain]
    return Path(plain).name if isinstance(plain, str) and Path(plain).is_absolute() else plain


def _some(numbers: list[int]) -> str:
    more = f" and {len(numbers) - NAMED} more" if len(numbers) > NAMED else ""
    return ", ".join(map(str, numbers[:NAMED])) + more


def _value(value: Any) -> str:
    return "nothing" if value is None else shorten(json.dumps(value))
