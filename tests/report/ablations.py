"""Ablations as their tables would hold them, for the tests of the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from dfkd_ray.report.view import Tables
from dfkd_ray.study.arms import Arm
from dfkd_ray.util import tables as arrow
from tests.report.experiment import ablation
from tests.report.studies import EVIL

HIGH, CONTRAST, PRIOR = "student_loss.high_order", "student_loss.semantic_contrast", "source_loss.batchnorm"
MHAD, SFCL, BN = {"off": {HIGH: None}}, {"off": {CONTRAST: None}}, {"off": {PRIOR: None}}


def on(arm: Arm, component: str) -> bool:
    return arm.levels[component] != "off"


def leave_one_out() -> Tables:
    """mhad matters, sfcl hardly does, a third one hurts; one trial of `without sfcl` has failed."""

    def value(arm: Arm) -> float:
        return 0.45 + 0.35 * on(arm, "mhad") + 0.004 * on(arm, "sfcl") - 0.12 * on(arm, "bn_prior")

    raw = {"design": "leave_one_out", "seeds": 5, "components": {"mhad": MHAD, "sfcl": SFCL, "bn_prior": BN}}
    return ablation(raw, value, failed=[("without sfcl", (1, 0))])


def factorial() -> Tables:
    """2^3: two main effects, and an interaction of mhad and sfcl."""

    def value(arm: Arm) -> float:
        mhad, sfcl = on(arm, "mhad"), on(arm, "sfcl")
        return 0.4 + 0.12 * mhad + 0.06 * sfcl + 0.16 * (mhad and sfcl) - 0.002 * on(arm, "bn_prior")

    raw = {"design": "factorial", "seeds": 5, "components": {"mhad": MHAD, "sfcl": SFCL, "bn_prior": BN}}
    return ablation(raw, value)


def fractional() -> Tables:
    """2^(4-1) of resolution IV, with two draws: aliases, and Shapley values that are estimates."""
    extra = {"adversarial": {"off": {"source_loss.adversarial": None}}}
    raw = {
        "design": {"name": "fractional_factorial", "resolution": 4},
        "seeds": {"start": 3, "max": 6, "until": 1.0},
        "draws": 2,
        "components": {"mhad": MHAD, "sfcl": SFCL, "bn_prior": BN, **extra},
    }
    return ablation(raw, lambda arm: 0.4 + 0.2 * on(arm, "mhad") + 0.02 * on(arm, "sfcl"))


def path() -> Tables:
    raw = {"design": "path", "seeds": 3, "components": {"mhad": MHAD, "sfcl": SFCL}}
    return ablation(raw, lambda arm: 0.4 + 0.2 * on(arm, "mhad") + 0.1 * on(arm, "sfcl"), chosen=("mhad", "sfcl"))


PUBLISHED: dict[str, Any] = {
    "table": "dfkd_fgvc/table5",
    "title": "Orders of attention",
    "source": "Shao et al., ICCV 2023, Table 5",
    "column": "CUB200",
    "scale": "gliders",
    "unit": "points",
    "cells": [
        {"row": "both", "published": 56.93, "mark": "read", "measured": 70.4, "t_low": 66.0, "t_high": 74.8, "n": 5}
        | {"difference": 13.47},
        {"row": "order 1", "published": 55.2, "mark": "secondary", "measured": None, "t_low": None, "t_high": None}
        | {"n": 0, "difference": None},
    ],
    "claims": [
        {"text": "order 3 beats order 1", "by": "text", "published": 1.73, "difference": 20.3, "low": 14.2}
        | {"high": 26.4, "pairs": 5, "verdict": "holds here"},
        {"text": "order 2 beats order 1", "by": "table", "published": 0.8, "difference": None, "low": None}
        | {"high": None, "pairs": 1, "verdict": "cannot be told"},
    ],
}


def by_hand() -> Tables:
    """Named arms: twins, trials of an earlier study, an arm with more updates, and a published table beside them."""
    order = f"{HIGH}.order"
    raw = {
        "arms": {"both": {}, "order 1": {order: 1}, "order_2 & 50%": {order: 2}, "order 3": {order: 3}},
        "seeds": 5,
    }
    accuracy = {"both": 0.7, "order 1": 0.5, "order_2 & 50%": 0.69, "order 3": 0.7}
    return ablation(
        raw,
        lambda arm: accuracy[arm.name],
        alike={"order 3": "both"},
        more={"order 1": {"updates/student": 486.0}},
        reason={("both", (seed, 0)): f"reused: reports/first, trial {seed}" for seed in (0, 1)},
        published=PUBLISHED,
    )


def hostile() -> Tables:
    """Every text of an ablation that a user can choose tries to become part of the page."""
    names = [text.encode("utf-8", "replace").decode() for text in EVIL]
    arms = {name: {f"a.{i}": i} for i, name in enumerate(names)}
    claim = PUBLISHED["claims"][0] | {"text": names[0], "by": names[1], "verdict": names[2]}
    cell = PUBLISHED["cells"][0] | {"row": names[1], "mark": names[2]}
    published = {**PUBLISHED, "title": names[0], "source": names[1], "column": names[2], "scale": names[3]}
    return ablation(
        {"arms": arms, "seeds": 3},
        lambda arm: 0.3 + 0.1 * names.index(arm.name),
        failed=[(names[1], (0, 0))],
        alike={names[3]: names[0]},
        reason={(names[2], (1, 0)): f"reused: {names[0]}"},
        published={**published, "cells": [cell], "claims": [claim]},
    )


def changed(given: Tables, **note: Any) -> Tables:
    """The same tables with other metadata."""
    kinds = ("trials", "steps", "images", "effects")
    own = {**given.note, **note}
    return Tables(**{kind: arrow.table(kind, getattr(given, kind).to_pylist(), own) for kind in kinds})


def unfinished() -> Tables:
    """Nothing but one running trial: no effect yet."""
    whole = leave_one_out()
    row = {**whole.trials.to_pylist()[0], "state": "running", "objectives": None, "final": None, "seconds": None}
    note = json.loads(json.dumps({**whole.note, "finished": False}))
    kinds: dict[str, list[dict[str, Any]]] = {"trials": [row], "steps": [], "images": [], "effects": []}
    return Tables(**{kind: arrow.table(kind, own, note) for kind, own in kinds.items()})


STUDIES: Mapping[str, Callable[[], Tables]] = {
    "leave one out": leave_one_out,
    "factorial": factorial,
    "fractional factorial": fractional,
    "path": path,
    "arms by hand": by_hand,
    "hostile ablation": hostile,
    "unfinished ablation": unfinished,
}


def effect(component: str, difference: float | None = 0.352, **given: Any) -> dict[str, Any]:
    """A row of `effects.arrow`; name what shall differ."""
    ends = {} if difference is None else {"low": difference - 0.15, "high": difference + 0.15}
    ends |= {f"t_{end}": 0.9 * value for end, value in ends.items()}  # another interval: nobody may take it for this
    row = {
        "component": component,
        "kind": "simple",
        "contrast": f"{component} on against off, the rest on",
        "metric": "val_accuracy",
        "difference": difference,
        "p_holm": 0.002,
        "pairs": 5,
        "lost": 0,
        "aliases": [],
        "exact": True,
        "verdict": "helps",
    }
    return {**row, **ends, **given}


def with_effects(*rows: Mapping[str, Any], **note: Any) -> Tables:
    """The trials of `leave_one_out` with these effects."""
    one = changed(leave_one_out(), **note)
    return replace(one, effects=arrow.table("effects", rows, one.note))


def with_trials(rows: Iterable[Mapping[str, Any]]) -> Tables:
    """`leave_one_out` with these trials."""
    return replaced(leave_one_out(), rows)


def replaced(given: Tables, rows: Iterable[Mapping[str, Any]], **note: Any) -> Tables:
    """The same study with other trials, and other metadata where it is named."""
    one = changed(given, **note)
    return replace(one, trials=arrow.table("trials", list(rows), one.note))


def near_the_top() -> Tables:
    """`leave_one_out` where the complete method reaches 0.9 to 1.0: Student's interval of its mean goes beyond 1."""
    rows = []
    for row in leave_one_out().trials.to_pylist():
        reached = {0: 1.0, 1: 1.0, 2: 1.0, 3: 1.0, 4: 0.9}[row["seed"]]
        rows.append({**row, "objectives": [reached]} if row["arm"] == "full" else row)
    return with_trials(rows)


def values(tables: Tables, arm: str) -> list[float]:
    """The first objective of an arm's complete trials, from the rows of the table."""
    own = [row for row in tables.trials.to_pylist() if row["arm"] == arm and row["state"] == "complete"]
    return [row["objectives"][0] for row in own]
