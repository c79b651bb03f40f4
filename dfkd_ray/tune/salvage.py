"""What else knows of a study's trials, where its ledger has lost records: its tables, and the cards of its runs."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path

from dfkd_ray.tune.curves import packed
from dfkd_ray.tune.ledger import Record
from dfkd_ray.util import folders, limits, sealed, tables
from dfkd_ray.util.errors import StudyError

_PLANNED = ("seed", "arm", "draw", "tuning", "phase", "setting")


def asked(folder: Path) -> dict[int, tuple[Record, str]]:
    """What was asked for, by trial, and who says so; nothing of what is damaged or not there."""
    found: dict[int, tuple[Record, str]] = {}
    for path in folder.glob(f"trials/*/{folders.CARD}"):
        try:
            card = limits.read_json(path) if sealed.is_sound(path) else {}
            found[card["trial"]] = {key: card[key] for key in ("changes", "seed", "arm")}, f"its {folders.CARD}"
        except (OSError, ValueError, LookupError, TypeError):
            continue
    for row in _trials(folder):
        planned = {"changes": json.loads(row["changes"]), **{key: row.get(key) for key in _PLANNED}}
        if planned["setting"] == row["trial"]:
            planned["setting"] = None  # it has begun its setting
        found[row["trial"]] = planned, "trials.arrow"
    return found


def rows(folder: Path, wanted: Mapping[int, Collection[int]]) -> list[Record]:
    """The rows of some epochs of some trials, as far as steps.arrow has them; a trial's first has its method."""
    found: dict[tuple[int, int], Record] = {}
    try:
        for batch in tables.batches(folder / "steps.arrow", ("trial", "epoch", "seconds", "metric", "value")):
            if wanted.keys().isdisjoint(batch["trial"].to_pylist()):
                continue
            for row in batch.to_pylist():
                if row["epoch"] in wanted.get(row["trial"], ()):
                    blank: Record = {"seconds": row["seconds"], "metrics": {}}
                    found.setdefault((row["trial"], row["epoch"]), blank)["metrics"][row["metric"]] = row["value"]
    except StudyError:
        return []
    methods = {row["trial"]: row for row in _trials(folder) if row["trial"] in wanted and row["method"] is not None}
    made: list[Record] = []
    for (trial, epoch), held in sorted(found.items()):
        own = {key: methods[trial][key] for key in ("fingerprint", "method")} if trial in methods else {}
        facts = {**own, "method": json.loads(own["method"])} if own else {}
        metrics = packed(held["metrics"])
        made.append({"kind": "row", "trial": trial, "epoch": epoch, "seconds": held["seconds"], **metrics, **facts})
    return made


def _trials(folder: Path) -> list[Record]:
    try:
        found: list[Record] = tables.read(folder / "trials.arrow").to_pylist()
    except StudyError:
        return []
    return found
