"""The tables of a study, from its history: the one thing that a report reads."""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import chain, repeat
from pathlib import Path
from typing import Any

from dfkd_ray import study as studies
from dfkd_ray.study import Study, arms
from dfkd_ray.study.components import JOIN
from dfkd_ray.tune import analysis, reproduced
from dfkd_ray.tune.confirm import confirmed
from dfkd_ray.tune.growing import told
from dfkd_ray.tune.history import History
from dfkd_ray.tune.ledger import Record
from dfkd_ray.tune.pictures import load, picture_format
from dfkd_ray.tune.trials import Trial, outside
from dfkd_ray.util import tables


def write_tables(history: History, folder: Path, parquet: bool = False) -> None:
    """Write `trials`, `steps` and `images`, each in one atomic step; pictures never as Parquet."""
    metadata = metadata_of(history, importance_of(history), datetime.now(UTC).isoformat(timespec="seconds"))
    if history.study.ablation is not None:
        metadata["ablation"] = _ablation(history)
    if (found := confirmed(history)) is not None:
        metadata["confirmed"] = found
    if history.study.published:
        metadata["published"] = reproduced.comparison(history)
    if history.study.ablation is not None:
        effects = [asdict(effect) for effect in analysis.all_effects(history)]
        tables.write(tables.table("effects", effects, metadata), folder / "effects.arrow", parquet)
    rows = [_trial_row(history.study, trial) for trial in history.trials.values()]
    tables.write(tables.table("trials", rows, metadata), folder / "trials.arrow", parquet)
    tables.write(tables.batched("steps", steps(history), metadata), folder / "steps.arrow", parquet)
    tables.write(tables.batched("images", images(history, folder), metadata), folder / "images.arrow")


def importance_of(history: History) -> dict[str, Any]:
    """PED-ANOVA over all settings that did not fail, at the last epoch that all of their trials have reached.

    Of the complete trials alone it would be an importance among those that the stopper has chosen.
    """
    study = history.study
    if study.ablation is not None or not study.search:
        return {}
    from dfkd_ray.tune.importance import importance

    searched = (history.runs(trial.number) for trial in history.trials.values() if trial.leads)
    ended = ([trial for trial in runs if trial.state in ("complete", "pruned")] for runs in searched)
    settings = [runs for runs in ended if runs]
    epoch = min((trial.epoch for runs in settings for trial in runs), default=0)
    points: list[tuple[Mapping[str, Any], list[float]]] = []
    for runs in settings:
        values = [_mean(trial.at(objective.metric, epoch) for trial in runs) for objective in study.objective]
        if all(value is not None and math.isfinite(value) for value in values):
            points.append((runs[0].changes, [value for value in values if value is not None]))
    shares = importance(study, points)
    evaluator = f"PED-ANOVA, {len(points)} trials at epoch {epoch}"
    return {"evaluator": evaluator, "objectives": shares} if shares else {}


def _mean(values: Iterable[float | None]) -> float | None:
    """Over the seeds of a setting; None where one of them has no value."""
    known = [*values]
    numbers = [value for value in known if value is not None]
    return math.fsum(numbers) / len(numbers) if numbers and len(numbers) == len(known) else None


def _ablation(history: History) -> dict[str, Any]:
    """What a report needs to know of the design, beyond the study's own words."""
    ablation = history.study.ablation
    assert ablation is not None
    chosen, _ = analysis.arms_of(history)
    wanted = ablation.arms if not isinstance(ablation.design, arms.Walk) else analysis.walked(history)[1]
    run_as = analysis.run_as(history, wanted)
    return {
        "arms": [
            {
                "name": arm.name,
                "levels": dict(arm.levels),
                "changes": dict(arm.changes),
                "runs_as": None if run_as[arm.name] == arm.name else run_as[arm.name],
            }
            for arm in wanted
        ],
        "design": [
            *arms.describe(ablation.design, ablation.components, ablation.arms, history.study.method),
            *(f"left out of its round, since it is no method: {arm}: {why}" for arm, why in history.refused.items()),
            *(f"made together, since none of them alone is a method: {step}" for step in chosen if JOIN in step),
        ],
        "chosen": list(chosen),
        "seeds": list(analysis.seeds_in_force(history)),
        "looks": list(ablation.seeds.looks),
    }


def metadata_of(history: History, importance: Mapping[str, Any], written: str) -> dict[str, Any]:
    """What all tables of a study carry beside their rows."""
    amendments = [
        {**{key: each[key] for key in ("number", "time", "asked")}, "changed": told(each["changed"])}
        for each in history.amendments
    ]
    earlier = [_earlier(record, history.study.objective[0].sign) for record in history.earlier]
    fuse = history.options.get("fuse", history.study.resources.fuse)
    return {
        "study": studies.plain(history.study),
        "provenance": {**history.provenance, "written": written},
        "importance": dict(importance),
        "task": history.task,
        "finished": history.finished,
        **({"fuse": fuse} if fuse > 1 else {}),
        **({"amendments": amendments} if amendments else {}),
        **({"earlier": earlier} if earlier else {}),
    }


def _earlier(record: Record, sign: float) -> Record:
    """The trials of an earlier study that the sampler knows, and the best value among them."""
    known = record["known"]
    values = [each["values"][0] for each in known if each["state"] == "complete"]
    best = max(values, key=lambda value: sign * value, default=None)
    return {"folder": record["folder"], "trials": [each["trial"] for each in known], "best": best, "known": known}


def steps(history: History) -> Iterator[tables.Columns]:
    """The rows of `steps`, column by column and some at a time: a value never becomes an object of its own."""
    codes: dict[str, int] = {}  # of metrics
    trial, epoch, seconds, metric, value = array("i"), array("i"), array("d"), array("i"), array("d")
    for number, each in history.trials.items():
        for names, epochs, at, values in each.rows.blocks():
            often = repeat(len(names))
            trial.extend(repeat(number, len(values)))
            epoch.extend(chain.from_iterable(map(repeat, epochs, often)))
            seconds.extend(chain.from_iterable(map(repeat, at, often)))
            metric.extend(array("i", [codes.setdefault(name, len(codes)) for name in names]) * len(epochs))
            value.extend(values)
        if len(value) >= tables.BATCH:
            yield {"trial": trial, "epoch": epoch, "seconds": seconds, "metric": (metric, [*codes]), "value": value}
            trial, epoch, seconds, metric, value = array("i"), array("i"), array("d"), array("i"), array("d")
    yield {"trial": trial, "epoch": epoch, "seconds": seconds, "metric": (metric, [*codes]), "value": value}


def images(history: History, folder: Path) -> Iterator[tables.Columns]:
    """The rows of `images`, a trial at a time; what is lost or damaged is left out, and said."""
    for trial in history.trials.values():
        found = {epoch: data for epoch, each in sorted(trial.pictures.items()) if (data := load(folder, each))}
        if found:
            formats = [picture_format(data) for data in found.values()]
            yield {
                "trial": [trial.number] * len(found),
                "epoch": [*found],
                "format": formats,
                "picture": [*found.values()],
            }


def _trial_row(study: Study, trial: Trial) -> Record:
    last = trial.last or {}
    return {
        "study": study.study,
        "trial": trial.number,
        "arm": trial.arm,
        "draw": trial.draw,
        "tuning": trial.tuning,
        "phase": trial.phase,
        "setting": (trial.number if trial.leads else trial.setting) if study.seeds else None,
        "seed": trial.seed,
        "fingerprint": trial.fingerprint,
        "changes": json.dumps(trial.changes),
        "method": trial.method_json,
        "state": trial.state,
        "reason": trial.reason,
        "unmet": ", ".join(outside(study, trial)) or None,
        "rung": trial.rung,
        "epochs": trial.epoch,
        "objectives": trial.values,
        "best_epoch": trial.best_epoch(study.objective[0]),
        "started": _moment(trial.started),
        "seconds": trial.seconds,
        "host": last.get("host"),
        "device": last.get("device"),
        "peak_memory": trial.rows.peak_memory,
        "parameters": trial.parameters,
        "attempts": trial.attempts,
        "proposed_by": trial.proposed_by,
        "changed": trial.changed,
        "final": list(trial.final.items()),
    }


def _moment(seconds: float | None) -> datetime | None:
    """A time on the wall; None where there is none, or a clock told one that no calendar has."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
