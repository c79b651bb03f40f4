"""The three tables: what their schemas ask for, and the importance that stands beside them."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from dfkd_ray import study as studies
from dfkd_ray import tables
from dfkd_ray.sweep.history import History
from dfkd_ray.sweep.tabulate import importance_of, picture_format, tables_from
from tests.sweep import toys
from tests.sweep.test_conductor import conductor, run
from tests.sweep.test_history import asked, ended, records, row


def test_the_tables_have_what_their_schemas_ask_for() -> None:
    picture = base64.b64encode(toys.PNG).decode()
    history = History(
        [
            *records(),
            asked(0),
            {"kind": "started", "time": 101.5, "trial": 0},
            {"kind": "picture", "time": 101.6, "trial": 0, "epoch": 1, "picture": picture},
            row(0, 1, 0.5, fingerprint="f", method={"name": "m"}),
            row(0, 2, 0.9),
            {"kind": "started", "time": 102.0, "trial": 0},
            row(0, 3, 0.7, last=True, final={"test_accuracy/last": 0.6}),
            ended(0, "complete", [0.7], final={"test_accuracy/last": 0.6}),
            asked(1),
            ended(1, "failed", None, reason="TrialFailed: x"),
            asked(2),
        ]
    )
    rows, metadata = tables_from(history, {"evaluator": "e"}, "now")
    for kind, found in rows.items():
        assert tables.table(kind, found, metadata).num_rows == len(found)
        if found:
            assert set(found[0]) == set(tables.SCHEMAS[kind].names)
    first, second, third = rows["trials"]
    assert (first["state"], first["epochs"], first["best_epoch"], first["seconds"]) == ("complete", 3, 2, 6.0)
    assert (first["attempts"], first["peak_memory"], first["objectives"]) == (2, 30, [0.7])
    assert (first["fingerprint"], first["method"], first["changes"]) == ("f", '{"name": "m"}', '{"x": 0.0}')
    assert first["started"].timestamp() == 101.5
    assert (second["state"], second["reason"], second["best_epoch"]) == ("failed", "TrialFailed: x", None)
    assert (third["state"], third["objectives"], third["seconds"]) == ("running", None, None)
    assert [(s["epoch"], s["metric"], s["value"]) for s in rows["steps"]][:2] == [
        (1, "val_accuracy", 0.5),
        (1, "kl/noise", -0.5),
    ]
    assert rows["images"] == [{"trial": 0, "epoch": 1, "format": "png", "picture": toys.PNG}]
    assert metadata == {
        "study": studies.plain(toys.study()),
        "provenance": {"python": "3", "written": "now"},
        "importance": {"evaluator": "e"},
        "task": {"name": "t"},
        "finished": False,
    }


def test_picture_formats() -> None:
    assert picture_format(b"RIFF\0\0\0\0WEBPVP8 ") == "webp"
    assert picture_format(toys.PNG) == "png"
    assert picture_format(b"\xff\xd8\xff") == "jpeg"
    assert picture_format(b"") == "unknown"


@pytest.mark.usefixtures("no_fsync")
def test_importance_is_taken_where_all_trials_still_run(tmp_path: Path) -> None:
    with conductor(tmp_path, toys.study({"trials: 8": "trials: 20"})) as c:
        for n in range(12):
            job = c.next_job()
            assert job is not None
            run(c, job, [job.changes["x"] + 0.001 * n] * 4)
        states = {trial.state for trial in c.history.trials.values()}
        found = importance_of(c.history)
    assert states == {"complete", "pruned"}
    assert found["evaluator"] == "PED-ANOVA, 12 trials at epoch 1"
    assert next(iter(found["objectives"]["val_accuracy"])) == "x"
