"""A record of toy trials: tables of complete trials whose curves are a formula."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dfkd_ray import study as studies
from dfkd_ray.study import Study
from dfkd_ray.study.space import draw
from dfkd_ray.util import tables

EPOCHS = 4
TASK = {"name": "t", "teacher": {"digest": "d"}}


def top(changes: Mapping[str, Any]) -> float:
    """What the toys of `toys.Toy` come to."""
    return 0.9 - (changes["x"] - 0.7) ** 2 - (0.2 if changes["kind"] == "bad" else 0.0)


def curve(changes: Mapping[str, Any]) -> list[float]:
    return [top(changes) * (1 - 0.5**epoch) for epoch in range(1, EPOCHS + 1)]


def setting(study: Study, chance: random.Random) -> dict[str, Any]:
    """At random: of the toys' space."""
    return draw(study.search, lambda path, domain: chance.choice(domain.grid() or [i / 100 for i in range(10, 100)]))


def write(
    folder: Path,
    study: Study,
    trials: int = 40,
    values: Callable[[Mapping[str, Any]], list[float]] = curve,
    state: Callable[[int], str] = lambda number: "complete",
    method: str | None = None,
    row: Mapping[str, Any] = {},
    **note: Any,
) -> Path:
    """Tables of so many trials at random settings; an epoch takes 2 s, one with `kind: bad` 3 s. row: what all of them
    have besides."""
    chance = random.Random(0)
    rows: list[dict[str, Any]] = []
    steps: list[dict[str, Any]] = []
    for number in range(trials):
        changes = setting(study, chance)
        pace = 3.0 if changes.get("kind") == "bad" else 2.0
        for epoch, value in enumerate(values(changes), start=1):
            own = {"trial": number, "epoch": epoch, "seconds": pace * epoch}
            steps += [{**own, "metric": "val_accuracy", "value": value}, {**own, "metric": "sum", "value": 1.0}]
        own = {"study": study.study, "trial": number, "seed": 0, "changes": json.dumps(changes), "method": method}
        rows.append({**own, "state": state(number), "epochs": EPOCHS, **row})
    folder.mkdir(parents=True)
    metadata = {"study": studies.plain(study), "task": TASK, **note}
    tables.write(tables.table("trials", rows, metadata), folder / "trials.arrow")
    tables.write(tables.table("steps", steps, metadata), folder / "steps.arrow")
    return folder
