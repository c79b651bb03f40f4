"""What there is to show of a study follows from its history alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.tune.history import History
from dfkd_ray.tune.observers.snapshot import Shown, snapshot
from tests.tune.test_history import asked, ended, records, row


@dataclass
class Standing:
    """How far a study is, as observers see it."""

    history: History
    max_epochs: int = 4
    total: int | None = 8
    concurrency: int = 1
    folder: Path = Path("nowhere")


def history(**budget: Any) -> History:
    made = History(
        [
            *records(),
            asked(0),
            *(row(0, epoch, 0.1 * epoch) for epoch in range(1, 5)),
            ended(0, "complete", [0.4]),
            asked(1),
            row(1, 1, 0.05),
            row(1, 2, 0.06),
            ended(1, "pruned", [0.06], rung=2, reason="stopped by asha at epoch 2"),
            asked(2),
            ended(2, "failed", None, reason="ValueError: x\nat y"),
            asked(3),
            row(3, 1, 0.2),
        ]
    )
    if budget:
        made._study = replace(made.study, budget=replace(made.study.budget, **budget))
    return made


def test_snapshot() -> None:
    now = snapshot(Standing(history(), concurrency=2))
    assert (now.complete, now.pruned, now.failed, len(now.running)) == (1, 1, 1, 1)
    assert (now.running[0].trial, now.running[0].epoch, now.running[0].value) == (3, 1, 0.2)
    assert now.best is not None
    assert (now.best.trial, now.best.value) == (0, 0.4)
    # an epoch takes 2 s; trials that ended took (4 + 2) / 2 = 3 epochs: 2 are left of trial 3 and 3 of each of 4 others
    assert now.seconds_left == pytest.approx((2 + 4 * 3) * 2 / 2)
    assert snapshot(Standing(history(), total=4, concurrency=2)).seconds_left == pytest.approx(
        2 * 2
    )  # one trial is left: no sharing


def test_no_estimate_before_the_first_epoch_or_without_a_total() -> None:
    fresh = History([*records(), asked(0)])
    assert snapshot(Standing(fresh)).seconds_left is None
    assert snapshot(Standing(history(), total=None)).seconds_left is None


def test_hours_bound_the_estimate() -> None:
    bounded = snapshot(Standing(history(hours=0.003)))
    assert bounded.seconds_left == pytest.approx(10.8 - history().active_seconds)


def test_whose_a_trial_is_stands_behind_its_number() -> None:
    searched = Shown(3, "complete", 4, 0.5, {}, 1.0)
    assert searched.whose == ""
    assert replace(searched, arm="full", seed=2).whose == " (full)"
    assert replace(searched, arm="trial 7", seed=2, phase="confirm").whose == " (trial 7 again, seed 2)"
