"""The three tables: what their schemas ask for, and the importance that stands beside them."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from dfkd_ray import study as studies
from dfkd_ray.tune import pictures
from dfkd_ray.tune.history import History
from dfkd_ray.tune.tabulate import importance_of, metadata_of, write_tables
from dfkd_ray.util import tables
from tests.tune import ablations, toys
from tests.tune.test_history import asked, ended, records, row
from tests.tune.test_tuner import run, tuner


def test_the_tables_have_what_their_schemas_ask_for(tmp_path: Path) -> None:
    picture = pictures.keep(tmp_path, 0, 1, toys.PNG)
    history = History(
        [
            *records(),
            asked(0),
            {"kind": "started", "time": 101.5, "trial": 0},
            row(0, 1, 0.5, fingerprint="f", method={"name": "m"}, picture=picture),
            row(0, 2, 0.9),
            {"kind": "started", "time": 102.0, "trial": 0},
            row(0, 3, 0.7, last=True, final={"test_accuracy/last": 0.6}),
            ended(0, "complete", [0.7], final={"test_accuracy/last": 0.6}),
            asked(1),
            ended(1, "failed", None, reason="TrialFailed: x"),
            asked(2),
        ]
    )
    write_tables(history, tmp_path)
    found = {kind: tables.read(tmp_path / f"{kind}.arrow") for kind in tables.SCHEMAS}
    rows = {kind: table.to_pylist() for kind, table in found.items()}
    for kind, table in found.items():
        assert table.schema.equals(tables.SCHEMAS[kind])
    first, second, third = rows["trials"]
    assert (first["state"], first["epochs"], first["best_epoch"], first["seconds"]) == ("complete", 3, 2, 6.0)
    assert (first["attempts"], first["peak_memory"], first["objectives"]) == (2, 30, [0.7])
    assert (first["fingerprint"], first["method"], first["changes"]) == ("f", '{"name": "m"}', '{"x": 0.0}')
    assert (first["started"].timestamp(), first["changed"]) == (101.5, None)
    assert (second["state"], second["reason"], second["best_epoch"]) == ("failed", "TrialFailed: x", None)
    assert (third["state"], third["objectives"], third["seconds"]) == ("running", None, None)
    assert [(s["epoch"], s["metric"], s["value"]) for s in rows["steps"]][:2] == [
        (1, "val_accuracy", 0.5),
        (1, "kl/noise", -0.5),
    ]
    assert rows["images"] == [{"trial": 0, "epoch": 1, "format": "png", "picture": toys.PNG}]
    metadata = tables.metadata(found["steps"])
    written = metadata["provenance"].pop("written")
    assert written.endswith("+00:00")
    assert metadata == {
        "schema": tables.SCHEMA_VERSION,
        "study": studies.plain(toys.study()),
        "provenance": {"python": "3"},
        "importance": {},
        "task": {"name": "t"},
        "finished": False,
    }


def test_they_say_how_many_trials_share_a_process() -> None:
    fused = toys.study({"budget: {trials: 8}": "budget: {trials: 8}\nresources: {fuse: 4}"})
    for made, said, fuse in ((fused, {}, 4), (toys.study(), {"fuse": 2}, 2), (fused, {"fuse": 1}, None)):
        history = History([{**toys.opening(made), "options": said}])
        assert metadata_of(history, {}, "now").get("fuse") == fuse


def test_steps_are_those_of_all_rows_in_order_however_they_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "BATCH", 5)
    more = {"metrics": {"val_accuracy": 0.3, "lr": 0.1}}
    late = [row(0, 1, 0.1), row(0, 3, 0.3, **more), row(0, 2, 0.2)]
    history = History([*records(), asked(0), *late, asked(1), asked(2), row(2, 1, 0.5), row(2, 2, 0.6)])
    write_tables(history, tmp_path, parquet=True)
    steps = tables.read(tmp_path / "steps.arrow")
    assert steps.column("value").num_chunks == 2
    assert [tuple(each.values()) for each in steps.to_pylist()] == [
        (0, 1, 2.0, "val_accuracy", 0.1),
        (0, 1, 2.0, "kl/noise", -0.1),
        (0, 2, 4.0, "val_accuracy", 0.2),
        (0, 2, 4.0, "kl/noise", -0.2),
        (0, 3, 6.0, "val_accuracy", 0.3),
        (0, 3, 6.0, "lr", 0.1),
        (2, 1, 2.0, "val_accuracy", 0.5),
        (2, 1, 2.0, "kl/noise", -0.5),
        (2, 2, 4.0, "val_accuracy", 0.6),
        (2, 2, 4.0, "kl/noise", -0.6),
    ]
    assert pq.read_table(tmp_path / "steps.parquet").equals(steps)


def test_a_picture_that_is_lost_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = [pictures.keep(tmp_path, trial, 1, toys.PNG) for trial in (0, 1)]
    history = History([*records(), *(each for t in (0, 1) for each in (asked(t), row(t, 1, 0.5, picture=kept[t])))])
    (tmp_path / "pictures" / "0000_0001.png").unlink()
    write_tables(history, tmp_path)
    assert tables.read(tmp_path / "images.arrow")["trial"].to_pylist() == [1]
    assert "0000_0001.png: No such file or directory; this picture is left out" in capsys.readouterr().err


@pytest.mark.usefixtures("no_fsync")
def test_importance_is_taken_where_all_trials_still_run(tmp_path: Path) -> None:
    with tuner(tmp_path, toys.study({"trials: 8": "trials: 20"})) as c:
        for n in range(12):
            job = c.next_job()
            assert job is not None
            run(c, job, [job.changes["x"] + 0.001 * n] * 4)
        states = {trial.state for trial in c.history.trials.values()}
        found = importance_of(c.history)
    assert states == {"complete", "pruned"}
    assert found["evaluator"] == "PED-ANOVA, 12 trials at epoch 1"
    assert next(iter(found["objectives"]["val_accuracy"])) == "x"


# ---- ablations


@pytest.mark.usefixtures("no_fsync")
def test_an_ablation_leaves_its_cells_its_effects_and_its_design(tmp_path: Path) -> None:
    history = ablations.run(tmp_path, ablations.TUNED, parquet=True)
    trials = tables.read(tmp_path / "trials.arrow").to_pylist()
    assert [(t["arm"], t["seed"], t["draw"], t["tuning"]) for t in trials] == ablations.cells(history)
    assert {t["tuning"] for t in trials} == {None, *range(6)}
    effects = tables.read(tmp_path / "effects.arrow")
    assert effects.schema.equals(tables.EFFECTS)
    assert list(dict.fromkeys(effects["metric"].to_pylist())) == ["val_accuracy", "kl/noise", "test_accuracy/last"]
    assert (tmp_path / "effects.parquet").exists()
    assert tables.metadata(effects) == tables.metadata(tables.read(tmp_path / "trials.arrow"))
    metadata = tables.metadata(effects)
    assert metadata["importance"] == {}, "arms are no search"
    levels = [dict(zip("abc", each)) for each in (("on", "on", "on"), ("off", "on", "on"))]
    assert metadata["ablation"]["arms"][:2] == [
        {"name": "full", "levels": levels[0], "changes": {}, "runs_as": None},
        {"name": "without a", "levels": levels[1], "changes": {"a": 0}, "runs_as": None},
    ]
    assert metadata["ablation"]["seeds"] == [0, 1, 2]
    assert metadata["ablation"]["chosen"] == []
    assert metadata["ablation"]["design"] == [
        "design: leave_one_out, 4 arms",
        "arm        a    b    c",
        "full       on   on   on",
        "without a  off  on   on",
        "without b  on   off  on",
        "without c  on   on   off",
        "each effect is that of one component while the rest is on; its interactions with the rest are part of it",
    ]


@pytest.mark.usefixtures("no_fsync")
def test_of_a_path_all_arms_that_were_wanted_are_told_and_the_design_is_as_it_was_planned(tmp_path: Path) -> None:
    ablations.run(tmp_path, ablations.PATH)
    note = ablations.note(tmp_path)
    assert [arm["name"] for arm in note["arms"]] == ["none", "a", "b", "c", "a + b", "a + c", "full"]
    assert note["arms"][4]["changes"] == {"c": 0}
    assert note["design"][0] == "design: path, 4 arms"
    assert "3 rounds, at most 7 arms; these are the arms of the first round" in note["design"]


@pytest.mark.usefixtures("no_fsync")
def test_tables_can_be_written_before_anything_has_ended(tmp_path: Path) -> None:
    for name, changes in {"path": ablations.PATH, "tuned": ablations.TUNED, "plain": {}}.items():
        with tuner(tmp_path / name, ablations.study(changes)) as c:
            assert c.next_job() is not None
            write_tables(c.history, tmp_path / name)
        rows = tables.read(tmp_path / name / "effects.arrow").to_pylist()
        assert all(row["pairs"] == 0 and row["verdict"] == "too few pairs to tell" for row in rows)
        assert len(rows) == (0 if name == "path" else 3)


@pytest.mark.usefixtures("no_fsync")
def test_a_sweep_has_no_effects(tmp_path: Path) -> None:
    with tuner(tmp_path, toys.study()) as c:
        write_tables(c.history, tmp_path)
    assert not (tmp_path / "effects.arrow").exists()
    assert "ablation" not in tables.metadata(tables.read(tmp_path / "trials.arrow"))
