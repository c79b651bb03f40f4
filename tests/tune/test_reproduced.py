"""A study beside its published table, from records alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from dfkd_ray import study as studies
from dfkd_ray.study import published
from dfkd_ray.tune.history import History
from dfkd_ray.tune.reproduced import comparison
from dfkd_ray.tune.tabulate import write_tables
from dfkd_ray.util import tables
from dfkd_ray.util.yamls import Document
from tests.tune import toys
from tests.tune.test_tuner import run, tuner
from tests.tune.toys import opening

TABLE = published.load("dfkd_fgvc/table5")
# share of the test images by row and seed; None: the trial failed
SCORES: dict[str, list[float | None]] = {
    "order 1": [0.40, 0.41, 0.42, 0.43],
    "order 2": [0.50, 0.51, 0.52, 0.53],
    "order 3": [0.52, 0.54, 0.53, 0.55],
}
T3 = 3.182446305284263  # Student's t, 3 degrees of freedom, at 0.975


def history(
    scores: Mapping[str, list[float | None]] = SCORES,
    reference: str = "dfkd_fgvc/table5#cub200",
    task: str = "gliders",
    tested: bool = True,
    alike: Mapping[str, str] | None = None,
) -> History:
    """Every trial ended at once: val_accuracy half of the score, test_accuracy the score."""
    raw = {**published.study(TABLE, None, "gliders", 4), "task": task, "published": reference}
    records = [opening(studies.parse(Document(raw)), {}, {"name": task}, 100.0, alike)]
    cells = [(arm, seed) for seed in range(4) for arm in SCORES if arm not in (alike or {})]
    for number, (arm, seed) in enumerate(cells):
        score = scores[arm][seed] if seed < len(scores[arm]) else "running"
        records.append(_record("asked", number, changes={}, seed=seed, arm=arm, draw=0, study_attrs={}))
        if score == "running":
            continue
        final = {"test_accuracy/last": score} if tested and score is not None else {}
        value = None if score is None else [score / 2]
        if score is not None:
            row = {"epoch": 1, "seconds": 1.0, "metrics": {"val_accuracy": score / 2}, "last": True, "final": final}
            records.append(_record("row", number, **row))
        state = "complete" if value else "failed"
        records.append(_record("ended", number, state=state, reason=None, rung=None, values=value, final=final))
    return History(records)


def _record(kind: str, trial: int, **facts: Any) -> dict[str, Any]:
    return {"kind": kind, "time": 101.0, "trial": trial, **facts}


def cell(note: dict[str, Any], row: str) -> dict[str, Any]:
    (found,) = [each for each in note["cells"] if each["row"] == row]
    return dict(found)


def test_rows_and_claims_in_points() -> None:
    note = comparison(history())
    assert json.loads(json.dumps(note, allow_nan=False)) == note
    one, three = cell(note, "order 1"), cell(note, "order 3")
    half = T3 * (5 / 3) ** 0.5 / 2  # standard deviation of 40, 41, 42, 43 over sqrt(4)
    assert one == {
        "row": "order 1",
        "published": 56.12,
        "mark": "read",
        "measured": pytest.approx(41.5),
        "t_low": pytest.approx(41.5 - half),
        "t_high": pytest.approx(41.5 + half),
        "n": 4,
        "difference": pytest.approx(41.5 - 56.12),
    }
    assert three["measured"] == pytest.approx(53.5)
    beats_1, beats_2, theirs = note["claims"]
    assert beats_1 == {
        "text": "order 3 beats order 1",
        "by": "table",
        "published": pytest.approx(56.93 - 56.12),
        "difference": pytest.approx(12.0),  # 12, 13, 11, 12 by seed: standard deviation sqrt(2 / 3)
        "low": pytest.approx(12 - T3 * (2 / 3) ** 0.5 / 2),  # all three are told, so the last is judged alone
        "high": pytest.approx(12 + T3 * (2 / 3) ** 0.5 / 2),
        "pairs": 4,
        "verdict": "holds here",
    }
    assert (beats_2["difference"], beats_2["verdict"]) == (pytest.approx(2.0), "holds here")  # 2, 3, 1, 2
    assert (theirs["text"], theirs["by"]) == ("order 1 beats order 2", "text")
    assert (theirs["difference"], theirs["verdict"]) == (pytest.approx(-10.0), "fails here")
    # -10 by every seed: no spread of its own, so it is guarded by 0.4 of the widest of the table, at 95 % of the level.
    half = stats.t.isf(0.05 * 0.95 / 2, 3) * 0.4 * (2 / 3) ** 0.5 / 2
    assert (theirs["low"], theirs["high"]) == pytest.approx((-10 - half, -10 + half))


def test_an_interval_ends_where_the_metric_does() -> None:
    assert comparison(history())["cut"] == []
    note = comparison(history({**SCORES, "order 3": [1.0, 1.0, 1.0, 0.8]}))
    half = T3 * 10 / 2  # standard deviation of 100, 100, 100, 80 over sqrt(4)
    assert cell(note, "order 3")["t_low"] == pytest.approx(95 - half)
    assert cell(note, "order 3")["t_high"] == pytest.approx(100)
    assert note["cut"] == ["order 3"]


def test_the_metric_is_the_test_accuracy_where_there_is_one() -> None:
    assert comparison(history())["metric"] == "test_accuracy/last"
    without = comparison(history(tested=False))
    assert without["metric"] == "val_accuracy"
    assert cell(without, "order 1")["measured"] == pytest.approx(41.5 / 2)


def fast(task: str, best: bool = True) -> dict[str, Any]:
    """A study of FastDFKD's table: the last epoch scores 0.50 + seed / 100, the best by validation 0.03 more."""
    raw = {**published.study(published.load("fast_datafree/cifar10"), "r34-r18", "paper", 3), "task": task}
    study = studies.parse(Document({**raw, "published": "fast_datafree/cifar10#r34-r18"}))
    records = [opening(study, {}, {"name": task}, 100.0)]
    assert study.ablation is not None
    cells = [(arm.name, seed) for seed in range(3) for arm in study.ablation.arms]
    for number, (arm, seed) in enumerate(cells):
        last = 0.5 + seed / 100
        final = {"test_accuracy/last": last} | ({"test_accuracy/best": last + 0.03} if best else {})
        row = {"epoch": 1, "seconds": 1.0, "metrics": {"val_accuracy": last}, "last": True, "final": final}
        records += [
            _record("asked", number, changes={}, seed=seed, arm=arm, draw=0, study_attrs={}),
            _record("row", number, **row),
            _record("ended", number, state="complete", reason=None, rung=None, values=[last], final=final),
        ]
    return comparison(History(records))


def test_a_paper_that_keeps_its_best_epoch_is_put_beside_our_last_and_our_best() -> None:
    note = fast("cifar10")
    assert note["best_on_test"] == "zju-vipa/Fast-Datafree @0dcecbc datafree_kd.py"
    five, teacher = cell(note, "Fast-5"), cell(note, "teacher")
    assert (five["published"], five["measured"], five["best"]) == (93.63, pytest.approx(51.0), pytest.approx(54.0))
    assert (five["difference"], five["best_difference"]) == (pytest.approx(51 - 93.63), pytest.approx(54 - 93.63))
    assert (teacher["best"], teacher["best_difference"]) == (None, None), "a row that was not run"
    assert note["metric"] == "test_accuracy/last", "claims are judged at the last epoch"


def test_other_papers_and_studies_without_a_best_epoch_have_the_last_alone() -> None:
    for note in (comparison(history()), fast("cifar10", best=False)):
        assert note["best_on_test"] == ""
        assert not any("best" in each for each in note["cells"])


def test_without_a_column_it_is_the_mean() -> None:
    note = comparison(history(reference="dfkd_fgvc/table5"))
    assert note["column"] is None
    assert cell(note, "order 2")["published"] == pytest.approx((63.12 + 70.35 + 55.06) / 3)
    assert note["claims"][0]["published"] == pytest.approx(((65.76 + 71.89 + 56.93) - (64.31 + 69.26 + 56.12)) / 3)


@pytest.mark.parametrize(
    ("reference", "task", "scale"),
    [
        ("dfkd_fgvc/table5#cub200", "cub200", "paper"),
        ("dfkd_fgvc/table5", "aircraft", "paper"),
        ("dfkd_fgvc/table5#cub200", "aircraft", "aircraft"),  # of the table, but not what it is put beside
        ("dfkd_fgvc/table5", "gliders", "gliders"),
        ("dfkd_fgvc/table5", "digits", "digits"),
    ],
)
def test_the_scale_is_the_papers_on_its_own_task(reference: str, task: str, scale: str) -> None:
    assert comparison(history(reference=reference, task=task))["scale"] == scale


def test_a_failed_trial_costs_its_pair_where_it_is_needed() -> None:
    note = comparison(history({**SCORES, "order 2": [0.50, None, 0.52, 0.53]}))
    assert (cell(note, "order 2")["n"], cell(note, "order 1")["n"]) == (3, 4)
    assert [claim["pairs"] for claim in note["claims"]] == [4, 3, 3]
    note = comparison(history({**SCORES, "order 2": [None, None, 0.52, 0.53]}))
    assert [(claim["pairs"], claim["verdict"]) for claim in note["claims"]] == [
        (4, "holds here"),
        (2, "cannot be told"),
        (2, "cannot be told"),
    ]
    lost = comparison(history({**SCORES, "order 2": [None] * 4}))
    assert (cell(lost, "order 2")["measured"], cell(lost, "order 2")["n"]) == (None, 0)
    assert (lost["claims"][1]["difference"], lost["claims"][1]["verdict"]) == (None, "cannot be told")


def test_what_runs_still_is_no_failure() -> None:
    note = comparison(history({**SCORES, "order 3": [0.52, 0.54, 0.53]}))
    assert {each["n"] for each in note["cells"]} == {3}, "pairs that all rows have"
    nothing = comparison(history({arm: [] for arm in SCORES}))
    assert {each["measured"] for each in nothing["cells"]} == {None}
    assert {claim["verdict"] for claim in nothing["claims"]} == {"cannot be told"}


def test_an_arm_that_another_one_runs_for_is_there() -> None:
    note = comparison(history(alike={"order 2": "order 1"}))
    assert cell(note, "order 2")["measured"] == cell(note, "order 1")["measured"] == pytest.approx(41.5)
    assert note["claims"][2]["difference"] == 0
    assert note["claims"][2]["verdict"] == "cannot be told"


def test_it_stands_in_the_tables_of_such_a_study_alone(tmp_path: Path) -> None:
    known = history()
    write_tables(known, tmp_path)
    for kind in ("trials", "steps", "effects"):
        note = tables.metadata(tables.read(tmp_path / f"{kind}.arrow"))
        assert note["published"] == comparison(known)
    with tuner(tmp_path / "other", toys.study({"trials: 8": "trials: 1"})) as c:
        job = c.next_job()
        assert job is not None
        run(c, job, [0.5] * 4)
        write_tables(c.history, tmp_path / "other")
    assert "published" not in tables.metadata(tables.read(tmp_path / "other" / "trials.arrow"))
