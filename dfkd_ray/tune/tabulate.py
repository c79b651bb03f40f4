"""The tables of a study, from its history: the one thing that a report reads."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from dfkd_ray import study as studies
from dfkd_ray.study import Study, arms
from dfkd_ray.study.components import JOIN
from dfkd_ray.tune import analysis, reproduced
from dfkd_ray.tune.history import History, Trial
from dfkd_ray.tune.ledger import Record
from dfkd_ray.util import tables


def write_tables(history: History, folder: Path, parquet: bool = False) -> None:
    """Write `trials`, `steps` and `images`, each in one atomic step; pictures never as Parquet."""
    written = datetime.now(UTC).isoformat(timespec="seconds")
    rows, metadata = tables_from(history, importance_of(history), written)
    if history.study.ablation is not None:
        rows["effects"] = [asdict(effect) for effect in analysis.all_effects(history)]
        metadata["ablation"] = _ablation(history)
    if history.study.published:
        metadata["published"] = reproduced.comparison(history)
    for kind, found in rows.items():
        table = tables.table(kind, found, metadata)
        tables.write(table, folder / f"{kind}.arrow", parquet and kind != "images")


def importance_of(history: History) -> dict[str, Any]:
    """PED-ANOVA over all trials that did not fail, at the last epoch that all of them have reached.

    Of the complete trials alone it would be an importance among those that the stopper has chosen.
    """
    study = history.study
    if study.ablation is not None or not study.search:
        return {}
    from dfkd_ray.tune.search import importance

    trials = [trial for trial in history.trials.values() if trial.state in ("complete", "pruned")]
    epoch = min((trial.epoch for trial in trials), default=0)
    points: list[tuple[Mapping[str, Any], list[float]]] = []
    for trial in trials:
        values = [trial.curve(objective.metric).get(epoch, math.nan) for objective in study.objective]
        if all(map(math.isfinite, values)):
            points.append((trial.changes, values))
    shares = importance(study, points)
    evaluator = f"PED-ANOVA, {len(points)} trials at epoch {epoch}"
    return {"evaluator": evaluator, "objectives": shares} if shares else {}


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
    }


def tables_from(history: History, importance: Mapping[str, Any], written: str) -> tuple[dict[str, list[Any]], Record]:
    """Rows of `trials`, `steps` and `images` (see tables.py), and the metadata that all three carry."""
    study = history.study
    rows: dict[str, list[Any]] = {"trials": [], "steps": [], "images": []}
    for trial in history.trials.values():
        rows["trials"].append(_trial_row(study, trial))
        for epoch, row in sorted(trial.rows.items()):
            rows["steps"] += [
                {"trial": trial.number, "epoch": epoch, "seconds": row["seconds"], "metric": metric, "value": value}
                for metric, value in row["metrics"].items()
            ]
        rows["images"] += [
            {"trial": trial.number, "epoch": epoch, "format": picture_format(picture), "picture": picture}
            for epoch, picture in sorted(trial.pictures.items())
        ]
    metadata = {
        "study": studies.plain(study),
        "provenance": {**history.provenance, "written": written},
        "importance": dict(importance),
        "task": history.task,
        "finished": history.finished,
    }
    return rows, metadata


def picture_format(picture: bytes) -> str:
    """webp, png or jpeg, by the first bytes."""
    if picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        return "webp"
    return "png" if picture[:4] == b"\x89PNG" else "jpeg" if picture[:2] == b"\xff\xd8" else "unknown"


def _trial_row(study: Study, trial: Trial) -> Record:
    last = trial.last or {}
    return {
        "study": study.study,
        "trial": trial.number,
        "arm": trial.arm,
        "draw": trial.draw,
        "tuning": trial.tuning,
        "seed": trial.seed,
        "fingerprint": trial.fingerprint,
        "changes": json.dumps(trial.changes),
        "method": json.dumps(trial.method) if trial.method is not None else None,
        "state": trial.state,
        "reason": trial.reason,
        "rung": trial.rung,
        "epochs": trial.epoch,
        "objectives": trial.values,
        "best_epoch": trial.best_epoch(study.objective[0]),
        "started": None if trial.started is None else datetime.fromtimestamp(trial.started, UTC),
        "seconds": trial.seconds,
        "host": last.get("host"),
        "device": last.get("device"),
        "peak_memory": max((row["peak_memory"] for row in trial.rows.values()), default=None),
        "attempts": trial.attempts,
        "changed": trial.changed,
        "final": list(trial.final.items()),
    }
