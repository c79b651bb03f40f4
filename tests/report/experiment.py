"""What makes the tables of an ablation: outcomes from a formula, effects by the package itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from dfkd_ray.report.view import Tables
from dfkd_ray.stats.effects import Mode, Pair, effects
from dfkd_ray.study import ablation as ablations
from dfkd_ray.study import arms as designs
from dfkd_ray.study.arms import Arm
from dfkd_ray.study.paths import Walk
from dfkd_ray.util import tables as arrow
from tests.report.studies import NOTE, STUDY, picture, steps, trial

Value = Callable[[Arm], float]  # the accuracy that an arm comes to, without noise
SCHEDULE = {"updates/student": 324.0, "updates/source": 432.0, "images/student": 10368.0}
METRICS = ("val_accuracy", "kl/source", "test_accuracy/last")
MODES: Mapping[str, Mode] = {"kl/source": "min"}
BROKEN = "loss/student/total is not finite at epoch 3"
EPOCHS = 9


def ablation(
    raw: Mapping[str, Any],
    value: Value,
    failed: Iterable[tuple[str, Pair]] = (),
    alike: Mapping[str, str] | None = None,
    more: Mapping[str, Mapping[str, float]] | None = None,
    reason: Mapping[tuple[str, Pair], str] | None = None,
    chosen: tuple[str, ...] = (),
    **note: Any,
) -> Tables:
    """Tables of an ablation whose parts read `raw`, as `tune.tabulate` would write them.

    alike: arm -> the arm that runs for it. more: arm -> what its budget is else. chosen: the order of a path.
    """
    found, alike, failed = ablations.parse(raw), alike or {}, set(failed)
    assert found is not None
    told = designs.along(found.components, chosen) if isinstance(found.design, Walk) else found.arms
    wanted = {arm.name: arm for arm in (*found.arms, *told)}
    draw = np.random.default_rng(7)
    pairs = [(seed, number) for seed in found.seeds.listed[: found.seeds.start] for number in range(found.points)]
    rows, curves, images = [], [], []
    cells: dict[str, dict[str, dict[Pair, float | None]]] = {metric: {} for metric in METRICS}
    for pair in pairs:
        shared = float(draw.normal(0, 0.03))
        for arm in (arm for arm in wanted.values() if arm.name not in alike):
            broken = (arm.name, pair) in failed
            final = value(arm) + shared + float(draw.normal(0, 0.02))
            accuracy = [final * (1 - math.exp(-e / 2.5)) for e in range(1, (3 if broken else EPOCHS) + 1)]
            said = BROKEN if broken else (reason or {}).get((arm.name, pair))
            row = _row(len(rows), arm, pair, accuracy, said, (more or {}).get(arm.name, {}))
            curves += steps(len(rows), _metrics(accuracy), seconds=row["seconds"] / len(accuracy))
            images += [picture(len(rows), epoch, epoch / EPOCHS) for epoch in (1, len(accuracy))]
            rows.append(row)
            reached = [accuracy[-1], _metrics(accuracy)["kl/source"][-1], accuracy[-1] - 0.02]
            for metric, each in zip(METRICS, reached):
                cells[metric].setdefault(arm.name, {})[pair] = None if broken else each
    outcomes = {m: {arm.name: own[alike.get(arm.name, arm.name)] for arm in told} for m, own in cells.items()}
    contrasts = found.contrasts(chosen) if told else ()
    table = [asdict(e) for m in METRICS for e in effects(contrasts, outcomes[m], m, MODES.get(m, "max"), resamples=499)]
    plain = {"study": "components", "question": "Which component earns its keep?", **ablations.plain(found)}
    noted = {
        **NOTE,
        "importance": {},
        "study": {**{k: v for k, v in STUDY.items() if k not in ("search", "stopper", "budget")}, **plain},
        "ablation": {
            "arms": [
                {"name": a.name, "levels": dict(a.levels), "changes": dict(a.changes), "runs_as": alike.get(a.name)}
                for a in wanted.values()
            ],
            "design": designs.describe(found.design, found.components, tuple(wanted.values())),
            "chosen": list(chosen),
            "seeds": sorted({seed for seed, _ in pairs}),
            "looks": list(found.seeds.looks),
        },
        **note,
    }
    kinds = {"trials": rows, "steps": curves, "images": images, "effects": table}
    return Tables(**{kind: arrow.table(kind, own, noted) for kind, own in kinds.items()})


def _row(
    number: int, arm: Arm, pair: Pair, accuracy: list[float], reason: str | None, more: Mapping[str, float]
) -> dict[str, Any]:
    broken, test = reason == BROKEN, accuracy[-1] - 0.02
    final = {**SCHEDULE, **more, "test_accuracy/last": test, "test_accuracy/best": test}
    return trial(
        number,
        arm=arm.name,
        seed=pair[0],
        draw=pair[1],
        changes=dict(arm.changes),
        state="failed" if broken else "complete",
        reason=reason,
        epochs=len(accuracy),
        objectives=[] if broken else [accuracy[-1]],
        best_epoch=len(accuracy),
        seconds=len(accuracy) * (2.1 - 0.2 * len(arm.changes) + 0.03 * (number % 5)),
        final=[] if broken else list(final.items()),
    )


def _metrics(accuracy: list[float]) -> dict[str, list[float | None]]:
    divergence = [2.4 - 2 * each for each in accuracy]
    return {"val_accuracy": list(accuracy), "kl/source": list(divergence), "loss/student/kd": list(divergence)}
