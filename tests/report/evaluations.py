"""Evaluations as their tables would hold them, for the tests of the page: made from formulas, not measured."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dfkd_ray.report.evaluation.view import EvaluationTables
from dfkd_ray.util import tables
from tests.report.studies import EVIL, NOTE


def evaluation(
    classes: int = 10,
    images: int = 400,
    teacher: bool = True,
    names: Sequence[str] | None = None,
    wrong: float = 0.25,
    plane: bool = True,
) -> EvaluationTables:
    """Networks that take a class for the next one in a share of the images, the student more often."""
    draw = np.random.default_rng(classes)
    labels = np.arange(images) % classes
    rows: dict[str, Any] = {"index": range(images), "label": labels}
    measures: dict[str, Any] = {}
    for network, share in {"student": wrong, **({"teacher": wrong / 3} if teacher else {})}.items():
        named = np.where(draw.random(images) < share * 2 * (labels + 1) / (classes + 1), (labels + 1) % classes, labels)
        sure = np.round(draw.uniform(0.3, 1, images), 4)
        at = draw.normal(0, 3, (images, 2)) + 30 * np.stack([np.cos(labels), np.sin(labels)], 1)
        at = at if plane else np.full_like(at, np.nan)
        rows |= {network: named, f"{network}_confidence": sure, f"{network}_rank": (named != labels).astype(int)}
        rows |= {f"{network}_{axis}": [None if np.isnan(v) else v for v in at[:, i]] for i, axis in enumerate("xy")}
        measures[network] = _measures(named == labels, sure)
    if teacher:
        rows["kl"] = np.linspace(0, 1, images)
        measures |= {"agreement": _mean(rows["student"] == rows["teacher"]), "kl": 0.5}
    measures["confused"] = _confused(labels, rows, teacher)
    note = noted(names or [f"class {i}" for i in range(classes)], measures, teacher)
    examples = [{"index": i, "what": "image", "format": "png", "picture": square(i)} for i in range(min(images, 80))]
    whats = ("student", "teacher") if teacher else ("student",)
    examples += [
        {"index": i, "what": w, "format": "png", "picture": square(i)} for w in whats for i in range(0, 80, 10)
    ]
    made = {"evaluation": [dict(zip(rows, row)) for row in zip(*map(list, rows.values()))], "examples": examples}
    return EvaluationTables(**{kind: tables.table(kind, own, note) for kind, own in made.items()})


def noted(names: Sequence[str], measures: dict[str, Any], teacher: bool) -> dict[str, Any]:
    network = {"arch": "resnet8", "weights": "student.safetensors", "parameters": 77_000}
    return {
        "task": {"name": "gliders", "classes": list(names), "image": [3, 8, 8], "normalised_by": "the task"},
        "split": "test",
        "networks": {"student": network, **({"teacher": network} if teacher else {})},
        "run": {"folder": "dfkd_fgvc-gliders-seed0", "which": "last", "seed": 0, "fingerprint": "0123456789abcdef"},
        "provenance": NOTE["provenance"],
        "measures": measures,
        "plane": {"missing": None},
        "looks": {"missing": {}},
    }


def hostile() -> EvaluationTables:
    """An evaluation in which every text that a user can choose tries to become part of the page."""
    made = evaluation(len(EVIL), names=EVIL)
    task = {**made.task, "name": EVIL[0], "normalised_by": EVIL[1]}
    network = {"arch": EVIL[0], "weights": EVIL[2], "parameters": EVIL[1]}
    note = {**made.note, "task": task, "split": EVIL[3], "networks": {"student": network, "teacher": network}}
    note |= {"run": dict.fromkeys(("folder", "which", "seed", "fingerprint"), EVIL[1]), "plane": {"missing": EVIL[4]}}
    note |= {"looks": {"missing": {"student": EVIL[0]}}, "provenance": {"command": EVIL[0], EVIL[1]: EVIL[2]}}
    odd = [{"index": 0, "what": EVIL[0], "format": "png", "picture": square(0)}]
    odd += [{"index": 1, "what": "image", "format": EVIL[1], "picture": b"x"}]
    parts = {"evaluation": made.evaluation.to_pylist(), "examples": made.examples.to_pylist() + odd}
    return EvaluationTables(**{kind: tables.table(kind, rows, note) for kind, rows in parts.items()})


def write(folder: Path, given: EvaluationTables) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for kind in tables.EVALUATED:
        tables.write(getattr(given, kind), folder / f"{kind}.arrow")
    return folder


def square(seed: int) -> bytes:
    held = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(held, "PNG")
    return held.getvalue()


def _measures(right: Any, sure: Any) -> dict[str, Any]:
    bins = []
    for low in (0.0, 0.5):
        inside = (sure > low) & (sure <= low + 0.5)
        means = {"confidence": _mean(sure[inside]), "accuracy": _mean(right[inside])}
        bins.append({"low": low, "high": low + 0.5, "images": int(inside.sum()), **means})
    shares = {"top1": _mean(right), "top5": 1.0, "classes": _mean(right), "confidence": _mean(sure)}
    return {**shares, "ece": 0.123, "reliability": bins}


def _mean(values: Any) -> float | None:
    return float(values.mean()) if len(values) else None


def _confused(labels: Any, rows: dict[str, Any], teacher: bool) -> list[dict[str, int]]:
    found: list[dict[str, int]] = []
    for label in dict.fromkeys(labels[rows["student"] != labels].tolist()):
        named = int(rows["student"][(labels == label) & (rows["student"] != labels)][0])
        of = labels == label
        pair = {
            "label": label,
            "named": named,
            "images": int((rows["student"][of] == named).sum()),
            "of": int(of.sum()),
        }
        found.append({**pair, **({"teacher": int((rows["teacher"][of] == named).sum())} if teacher else {})})
    return sorted(found, key=lambda pair: -pair["images"])[:10]
