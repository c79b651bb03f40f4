"""The records of rows: of one that a trial reports, and of those of an earlier study, with pictures as files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfkd_ray.tune import pictures
from dfkd_ray.tune.curves import packed
from dfkd_ray.tune.ledger import Record
from dfkd_ray.tune.reuse import Finished
from dfkd_ray.tune.trials import Trial
from dfkd_ray.tune.work import Row


def reported(folder: Path, trial: Trial, row: Row) -> Record:
    """What a trial says after an epoch, for the study in `folder`; OSError where its picture cannot be written."""
    facts: Record = {"peak_memory": row.peak_memory}
    if (row.host, row.device) != (trial.rows.host, trial.rows.device):
        facts |= {"host": row.host, "device": row.device}
    if trial.method_json is None:  # the same for all epochs: once is enough
        facts |= {"fingerprint": row.fingerprint, "method": row.method, "parameters": row.parameters}
    if row.last:
        facts |= {"last": True, "final": row.final}
    return _record(folder, trial, row.epoch, row.metrics, row.picture, {"seconds": row.seconds, **facts})


def taken_over(folder: Path, trial: Trial, found: Finished) -> list[Record]:
    """The rows of a trial of an earlier study as this one's."""
    own: Record = {"fingerprint": found.fingerprint, "method": found.method, "parameters": found.parameters}
    records = []
    for row in found.rows:
        facts = {key: value for key, value in row.items() if key not in ("epoch", "metrics")}
        picture = found.pictures.get(row["epoch"])
        records.append(_record(folder, trial, row["epoch"], row["metrics"], picture, facts | own))
        own = {}
    return records


def _record(
    folder: Path,
    trial: Trial,
    epoch: int,
    metrics: Mapping[str, float],
    picture: bytes | None,
    facts: Mapping[str, Any],
) -> Record:
    kept = {} if picture is None else {"picture": pictures.keep(folder, trial.number, epoch, picture)}
    return {"kind": "row", "trial": trial.number, "epoch": epoch, **packed(metrics), **facts, **kept}
