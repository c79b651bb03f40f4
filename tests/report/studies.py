"""Studies as their tables would hold them, for the tests of the report: made from formulas, not measured."""

from __future__ import annotations

import functools
import io
import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dfkd_ray.report.view import Tables
from dfkd_ray.util import tables

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
ORDER = "student_loss.high_order.order"
MHAD = "student_loss.high_order.weight"
SFCL = "student_loss.semantic_contrast.weight"
KD = "student_loss.kd.temperature"
CONTRAST = "student_loss.semantic_contrast.temperature"
SEARCH: dict[str, Any] = {
    ORDER: {"choice": [1, 2, 3]},
    MHAD: {"log": [0.1, 100]},
    SFCL: {"log": [0.1, 100]},
    KD: {"log": [1, 20]},
    CONTRAST: {"log": [0.05, 1]},
}
STUDY: dict[str, Any] = {
    "study": "mhad",
    "question": "Which attention order, loss weights and temperatures teach the best student?",
    "method": "dfkd_fgvc",
    "task": "gliders",
    "fixed": {"schedule.epochs": 20},
    "objective": {"metric": "val_accuracy", "mode": "max", "at": "last"},
    "search": SEARCH,
    "sampler": {"name": "tpe", "seed": 0},
    "stopper": {"name": "asha", "grace": 4, "reduction": 3},
    "budget": {"trials": 12},
    "seed": 0,
    "resources": {"cpu": 1, "gpu": 0},
}
NOTE: dict[str, Any] = {
    "study": STUDY,
    "provenance": {
        "dfkd_ray": "0.1.0",
        "python": "3.11.7",
        "torch": "2.15.0",
        "ray": "2.60.0",
        "optuna": "5.0.0",
        "platform": "Linux x86_64",
        "host": "laboratory",
        "cpus": 2,
        "commit": "0123abcd",
        "dirty": False,
        "command": "dfkd-ray sweep search_spaces/mhad.yaml",
        "started": START.isoformat(),
        "written": (START + timedelta(minutes=9)).isoformat(),
        "runner": "ray",
    },
    "importance": {
        "evaluator": "PED-ANOVA, 11 trials at epoch 4",
        "objectives": {"val_accuracy": {MHAD: 0.41, KD: 0.27, ORDER: 0.17, SFCL: 0.10, CONTRAST: 0.05}},
    },
    "task": {
        "name": "gliders",
        "classes": 12,
        "chance": 1 / 12,
        "teacher": {"arch": "resnet8", "test_accuracy": 0.967},
        "student": {"arch": "resnet8"},
    },
    "finished": True,
}


def trial(number: int, **given: Any) -> dict[str, Any]:
    """A complete trial's row; name what shall differ."""
    changes = given.pop("changes", {})
    row = {
        "study": "mhad",
        "trial": number,
        "seed": 0,
        "fingerprint": f"f{number:07x}",
        "changes": changes if isinstance(changes, str) else json.dumps(changes),
        "method": json.dumps({"name": "dfkd_fgvc"}),
        "state": "complete",
        "epochs": 2,
        "objectives": [0.5],
        "best_epoch": 2,
        "started": START + timedelta(seconds=30 * number),
        "seconds": 40.0 + number,
        "host": "laboratory",
        "device": "cpu",
        "peak_memory": 400_000_000,
        "attempts": 1,
        "final": [],
    }
    return {**row, **given}


def steps(number: int, curves: Mapping[str, Sequence[float | None]], seconds: float = 2.0) -> list[dict[str, Any]]:
    """Rows of `steps` from one list a metric, epochs from 1."""
    return [
        {"trial": number, "epoch": epoch, "seconds": seconds * epoch, "metric": metric, "value": value}
        for metric, values in curves.items()
        for epoch, value in enumerate(values, 1)
    ]


def study(
    trials: Sequence[Mapping[str, Any]] = (),
    rows: Sequence[Mapping[str, Any]] = (),
    images: Sequence[Mapping[str, Any]] = (),
    note: Mapping[str, Any] | None = None,
) -> Tables:
    note = NOTE if note is None else note
    kinds = {"trials": trials, "steps": rows, "images": images}
    return Tables(**{kind: tables.table(kind, own, note) for kind, own in kinds.items()})


def write(folder: Path, given: Tables) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for kind in (*tables.SCHEMAS, *tables.OPTIONAL):
        if getattr(given, kind) is not None:
            tables.write(getattr(given, kind), folder / f"{kind}.arrow")
    return folder


def noted(**changes: Any) -> dict[str, Any]:
    """The metadata with other fields of the study."""
    return {**NOTE, "study": {**STUDY, **changes}}


def demo(count: int = 12, epochs: int = 20, seed: int = 0, fail: bool = True) -> Tables:
    """A study as a sweep of mhad would leave it: complete, pruned and failed trials, pictures of four epochs."""
    draw = np.random.default_rng(seed)
    made, rows, images = [], [], []
    ceilings: list[float] = []
    for number in range(count):
        changes = {
            ORDER: int(draw.integers(1, 4)),
            MHAD: float(10 ** draw.uniform(-1, 2)),
            SFCL: float(10 ** draw.uniform(-1, 2)),
            KD: float(20 ** draw.uniform(0, 1)),
            CONTRAST: float(0.05 * 20 ** draw.uniform(0, 1)),
        }
        far = abs(math.log10(changes[MHAD]) - 0.7) / 3 + abs(math.log(changes[KD]) - 1.4) / 5
        ceiling = 0.76 + 0.03 * changes[ORDER] - 0.3 * far + float(draw.normal(0, 0.015))
        failed = fail and number % 12 == 5
        pruned = not failed and len(ceilings) > 3 and ceiling < float(np.median(ceilings))
        ceilings.append(ceiling)
        done = 3 if failed else (4 if number % 2 else 12) if pruned else epochs
        accuracy = [ceiling * (1 - math.exp(-e / 5)) + float(draw.normal(0, 0.008)) for e in range(1, done + 1)]
        best = int(np.argmax(accuracy)) + 1
        rows += steps(number, _metrics(accuracy, draw, changes), seconds=2.1 + 0.3 * changes[ORDER])
        final = {"test_accuracy/last": accuracy[-1] - 0.014, "test_accuracy/best": accuracy[best - 1] - 0.02}
        final["val_accuracy/median5"] = float(np.median(accuracy[-5:]))
        made.append(
            trial(
                number,
                changes=changes,
                method=json.dumps({"student_loss": {"high_order": {"order": changes[ORDER], "weight": changes[MHAD]}}}),
                state="failed" if failed else "pruned" if pruned else "complete",
                reason="loss/student/total is not finite at epoch 3"
                if failed
                else f"asha: not in the best third at epoch {done}"
                if pruned
                else None,
                rung=done if pruned else None,
                epochs=done,
                objectives=[accuracy[best - 1]] if done == epochs else [],
                best_epoch=best,
                seconds=done * (2.1 + 0.3 * changes[ORDER]),
                peak_memory=int(412e6 + 8e6 * number),
                final=list(final.items()) if done == epochs else [],
            )
        )
        images += [picture(number, epoch, sharp=epoch / epochs) for epoch in (1, 5, 10, epochs) if epoch <= done]
    return study(made, rows, images, noted(budget={"trials": count}))


def _metrics(
    accuracy: Sequence[float], draw: np.random.Generator, changes: Mapping[str, Any]
) -> dict[str, list[float]]:
    """Every metric of a trial from its accuracy: some follow it closely, some hardly."""
    own = np.asarray(accuracy)
    decay = np.exp(-np.arange(1, len(own) + 1) / 6)
    noisy = {
        "agreement/source": (0.9, 0.02),
        "agreement/noise": (0.5, 0.08),
        "kl/source": (-2.0, 0.05),
        "kl/noise": (-1.0, 0.2),
    }
    out = {"val_accuracy": own}
    for name, (slope, noise) in noisy.items():
        out[name] = (2.5 if slope < 0 else 0.05) + slope * own + draw.normal(0, noise, len(own))
    out["diversity"] = np.clip(0.8 + draw.normal(0, 0.05, len(own)), 0, 1)
    out["batchnorm/source"] = 6 * decay + 1.5 + draw.normal(0, 0.1, len(own))
    out["loss/source/bn_prior"] = 40 * decay + 8
    out["loss/source/adversarial"] = -0.4 * decay - 0.1
    out["loss/student/kd"] = 2.2 * decay + 0.3
    out["loss/student/high_order"] = (5 * decay + 0.4) * changes[MHAD] ** 0.5
    out["loss/student/semantic_contrast"] = 3.5 * decay + 1.1
    out["loss/source/total"] = out["loss/source/bn_prior"] + out["loss/source/adversarial"]
    out["loss/student/total"] = sum(out[f"loss/student/{t}"] for t in ("kd", "high_order", "semantic_contrast"))
    out["lr/student"] = 0.05 * (1 + np.cos(np.pi * np.arange(len(own)) / 20))
    return {name: [float(v) for v in values] for name, values in out.items()}


def picture(number: int, epoch: int, sharp: float = 1.0) -> dict[str, Any]:
    """A grid of 4 x 8 blurred shapes as PNG: stands for synthetic images."""
    return {"trial": number, "epoch": epoch, "format": "png", "picture": _grid(number % 4, epoch, sharp)}


@functools.cache
def _grid(seed: int, epoch: int, sharp: float) -> bytes:
    draw = np.random.default_rng([seed, epoch])
    y, x = np.mgrid[-1:1:32j, -1:1:32j]
    tiles = []
    for _ in range(32):
        angle, bend = draw.uniform(0, 2 * np.pi), draw.uniform(0.1, 0.6)
        u, v = x * np.cos(angle) + y * np.sin(angle), -x * np.sin(angle) + y * np.cos(angle)
        body = np.exp(-((v / 0.14) ** 2) - (u / 0.75) ** 2) + np.exp(
            -(((u - 0.1 + bend * abs(v)) / 0.16) ** 2) - (v / 0.8) ** 2
        )
        ground, paint = draw.uniform(0.15, 0.75, 3), draw.uniform(0.2, 1, 3)
        blend = np.clip(body, 0, 1)[..., None] * (0.25 + 0.75 * sharp)
        tiles.append(ground * (1 - blend) + paint * blend + draw.normal(0, 0.05 + 0.2 * (1 - sharp), (32, 32, 3)))
    grid = np.concatenate([np.concatenate(tiles[row * 8 : row * 8 + 8], 1) for row in range(4)], 0)
    held = io.BytesIO()
    Image.fromarray((np.clip(grid, 0, 1) * 255).astype(np.uint8)).save(held, "PNG")
    return held.getvalue()


EVIL = (
    "</script><script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    '"><b onmouseover="window.hacked = 1">\'&lt;&amp;',
    "<!--<script>",
    "<a href='javascript:window.hacked=1'>%{x}</a> $x^2$ ünïcode 雪 \u2028 \ud800",
    "javascript:window.hacked=1",
)


def hostile(several: bool = False) -> Tables:
    """A study in which every text that a user can choose tries to become part of the page."""
    close, image, quotes, comment, link, script = EVIL
    search = {f"a.{close}": {"choice": list(EVIL)}, f"b.{quotes}": {"uniform": [0, 1]}, f"c.{link}": {"log": [1, 10]}}
    metrics = (f"loss/student/{image}", f"loss/source/{close}", f"agreement/{quotes}", f"kl/{comment}")
    rows, curves = [], []
    for n in range(6):
        changes = {f"a.{close}": EVIL[n], f"b.{quotes}": 0.1 * n, f"c.{link}": 1.0 + n}
        state = ("complete", "complete", "pruned", "failed", "complete", "complete")[n]
        text = {"arm": EVIL[n], "reason": EVIL[n], "host": image, "device": quotes, "fingerprint": close}
        rows.append(
            trial(
                n,
                changes=changes,
                state=state,
                objectives=[0.1 * n],
                method=json.dumps({close: EVIL}),
                **_written(text),
            )
        )
        curves += steps(
            n, {"val_accuracy": [0.05 * n, 0.1 * n], **{m: [0.3 - 0.02 * n, 0.2 * n + 0.01] for m in metrics}}
        )
    known = {path: 0.5 - 0.1 * i for i, path in enumerate(search)}
    note = {
        "study": {
            **STUDY,
            "study": close,
            "question": image + quotes,
            "objective": [{"metric": "val_accuracy"}, {"metric": f"kl/{comment}"}] if several else f"kl/{comment}",
            "method": link,
            "search": search,
            "fixed": {image: close},
            "sampler": {"name": quotes, comment: image},
            "stopper": script,
        },
        "provenance": {"command": close, "host": image, "commit": quotes, "dirty": True, link: comment},
        "importance": {"evaluator": image, "objectives": {"val_accuracy": known, close: known}},
        "task": {"name": image, "classes": 2, "chance": 0.5, "teacher": {"arch": quotes}, "student": {"arch": close}},
    }
    images = [{"trial": 5, "epoch": 1, "format": image, "picture": b"x"}, picture(5, 2)]
    return study(rows, curves, images, note)


def _written(text: Mapping[str, str]) -> dict[str, str]:
    """Arrow holds UTF-8 only; a lone surrogate can reach the page through JSON alone."""
    return {key: value.encode("utf-8", "replace").decode() for key, value in text.items()}


def one_run(**row: Any) -> Tables:
    """A `distill` as its tables have it: a study that searches nothing. `row`: what its trial has else."""
    own = demo(1)
    note = noted(study="dfkd_fgvc-gliders-seed7", question="", search={}, budget={"trials": 1}, seed=7)
    (made,) = own.trials.to_pylist()
    return study([{**made, "seed": 7, "changes": "{}", **row}], own.steps.to_pylist(), own.images.to_pylist(), note)


BOTH = [{"metric": "val_accuracy", "mode": "max"}, {"metric": "kl/source", "mode": "min"}]


def large(count: int = 3000, several: bool = False) -> Tables:
    """Values that climb and fall; every seventh trial was stopped, every eleventh failed."""
    rows, curves = [], []
    for n in range(count):
        value = (n * 7919 % count) / count
        state = "failed" if n % 11 == 5 else "pruned" if n % 7 == 3 else "complete"
        told = [value, abs(value - 0.5)] if several else [value]
        changes = {MHAD: 0.1 + 90 * (n * 31 % count) / count, KD: 1 + 18 * (n * 17 % count) / count}
        told = told if state == "complete" else []
        rows.append(trial(n, state=state, objectives=told, changes=changes, seconds=10.0 + n * 13 % count))
        curves += steps(n, {"val_accuracy": [value / 2, value], **({"kl/source": [1.0, 0.5]} if several else {})})
    return study(rows, curves, note=noted(objective=BOTH if several else BOTH[0]))
