"""What the commands say of studies that are there, running or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfkd_ray.runs import outcome, winning
from dfkd_ray.util import store, words
from dfkd_ray.util.errors import DfkdError, StudyError
from dfkd_ray.util.words import for_terminal, roughly

if TYPE_CHECKING:
    from dfkd_ray.tune.standing import Standing


def effects_in(folder: Path) -> tuple[list[dict[str, Any]], int]:
    """The rows of an ablation's effects, and how often they were looked at; none where there is no such table."""
    path = folder / "effects.arrow"
    if not path.is_file():
        return [], 1
    from dfkd_ray.report import loading
    from dfkd_ray.util import tables

    table = loading.whole("effects", path)
    return table.to_pylist(), len(tables.metadata(table).get("ablation", {}).get("looks", [1]))


def lines(seen: Standing) -> Iterator[str]:
    """What there is to say of a study, but for the trials that run and its effects."""
    from dfkd_ray.report import confirmed
    from dfkd_ray.tune import by_setting, confirm
    from dfkd_ray.tune.trials import none_won

    study, now = seen.history.study, seen.now
    who = f" by {seen.owner}" if seen.owner is not None else ", nobody runs it" if seen.state == "interrupted" else ""
    yield f"{study.study}: {seen.state}{who}; last record {roughly(seen.quiet)} ago"
    if study.question:
        yield study.question
    yield f"{seen.kind} of {study.method_name} on {study.task_name}, in {store.place_of(seen.folder)}"
    yield counts(seen)
    yield from outcome.settled(by_setting.states(seen.history), by_setting.spared(seen.history))
    if now.front:
        trials, goals = seen.history.front(), [goal.metric for goal in study.objective]
        front = [(trial, dict(zip(goals, trial.values or ()))) for trial in trials]
        yield from winning.front_lines(front, seen.history.knee)
    elif now.best is not None:
        arm = "" if now.best.arm is None else f" ({now.best.arm})"
        note = confirm.confirmed(seen.history) or {}
        yield from map(for_terminal, confirmed.sentences(note))
        head = "in the search" if note.get("complete") else "best"
        value = winning.told(now.metric, now.best.value, now.best.error)
        seeds = winning.whose(now.best.seed, now.best.over)
        yield f"{head}: trial {now.best.trial}{arm}, {seeds}, {value}"
        yield from (f"  {path} = {words.setting(value)}" for path, value in now.best.changes.items())
    elif now.complete and now.total == now.complete + now.pruned + now.failed:
        yield f"no trial has won: {none_won(study, front=False)}"
    left = f", about {roughly(now.seconds_left)} left" if seen.owner and now.seconds_left is not None else ""
    yield f"run for {roughly(seen.history.active_seconds)}{left}"


def counts(seen: Standing) -> str:
    """`5 of 12 trials have ended: 3 complete, 1 stopped, 1 failed; 1 running`; what nobody runs is unfinished."""
    now, total = seen.now, seen.total
    ended = now.complete + now.pruned + now.failed
    of = f"{ended} of {words.count(total, 'trial')}" if total else words.count(ended, "trial")
    told = f"{of} {'have' if (total or ended) != 1 else 'has'} ended"
    told += f": {now.complete} complete, {now.pruned} stopped, {now.failed} failed"
    running = "running" if seen.owner is not None else "unfinished"
    return for_terminal(told + (f"; {len(now.running)} {running}" if now.running else ""))


def running(seen: Standing) -> Iterator[Sequence[str]]:
    """The trials that run, as rows under their head; nothing where nobody runs any."""
    now = seen.now
    if seen.owner is None or not now.running:
        return
    yield "trial", "epoch", now.metric, "time", "settings"
    for trial in now.running:
        told = "" if trial.arm is None else f"{trial.arm}, seed {trial.seed}"
        told = told if trial.setting is None else f"seed {trial.seed} of trial {trial.setting}"
        settings = told or ", ".join(f"{path}={words.setting(value)}" for path, value in trial.changes.items())
        value = winning.value_of(now.metric, trial.value)
        yield str(trial.trial), f"{trial.epoch}/{now.max_epochs}", value, roughly(trial.seconds), settings


def listed(folder: Path) -> list[dict[str, Any]]:
    """`ls runs`: every study and run under a folder as `Standing.plain` has it, the latest last; of one that cannot be
    read its place, and why."""
    from dfkd_ray.tune.standing import standing, studies_in

    if not folder.is_dir():
        raise StudyError(f"{folder}: there is no such folder")
    found: list[dict[str, Any]] = []
    for place in studies_in(folder):
        try:
            found.append(standing(place).plain())
        except (DfkdError, OSError) as error:
            found.append({"folder": str(place), "state": "unreadable", "why": str(error).partition("\n")[0]})
    return sorted(found, key=lambda each: -each.get("seconds_since_last_record", float("inf")))


def table_of(found: Sequence[dict[str, Any]]) -> Iterator[Sequence[str]]:
    """The rows of `ls runs`."""
    yield "folder", "kind", "state", "trials", "best", "last", "what"
    for each in found:
        if "why" in each:
            yield each["folder"], words.DASH, each["state"], words.DASH, words.DASH, words.DASH, each["why"]
            continue
        trials, best, metric = each["trials"], each["best"], each["objective"]["metric"]
        ended = sum(trials[state] for state in ("complete", "stopped", "failed"))
        of = f"{ended}/{trials['total']}" if trials["total"] else str(ended)
        value = words.DASH if best is None else winning.told(metric, best["value"])
        last = f"{roughly(each['seconds_since_last_record'])} ago"
        yield each["folder"], each["kind"], each["state"], of, value, last, f"{each['method']} on {each['task']}"
