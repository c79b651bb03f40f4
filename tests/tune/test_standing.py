"""How a study stands, seen from outside."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.tune import standing
from dfkd_ray.tune.ledger import NAME, Ledger, encode
from dfkd_ray.tune.standing import found, named, studies_in
from dfkd_ray.util.errors import StudyError
from tests.tune import ablations
from tests.tune.test_history import MULTI, asked, ended, records, row
from tests.tune.test_mirror import machine

pytestmark = pytest.mark.usefixtures("no_fsync")

END = {"kind": "finished", "time": 110.0}
STORY = [
    *records(),
    asked(0),
    *(row(0, epoch, 0.1 * epoch) for epoch in range(1, 5)),
    ended(0, "complete", [0.4]),
    asked(1),
    row(1, 1, 0.05),
    ended(1, "pruned", [0.05], rung=1, reason="stopped by asha at epoch 1"),
    asked(2),
    ended(2, "failed", None, reason="ValueError: x"),
    asked(3),
    row(3, 1, 0.2, time=105.0),
]


def write(folder: Path, told: Sequence[dict[str, Any]] = STORY) -> Path:
    folder.mkdir(parents=True)
    (folder / NAME).write_bytes(b"".join(map(encode, told)))
    return folder


def test_a_study_that_nobody_runs_is_interrupted_or_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing.time, "time", lambda: 165.0)
    seen = standing.standing(write(tmp_path / "toy"))
    assert (seen.state, seen.kind, seen.owner, seen.quiet) == ("interrupted", "sweep", None, 60.0)
    assert (seen.total, seen.max_epochs) == (8, 4)
    told = seen.plain()
    assert told["trials"] == {"total": 8, "complete": 1, "stopped": 1, "failed": 1, "running": 0}
    assert told["best"] == {
        "trial": 0,
        "arm": None,
        "seed": 7,
        "epoch": 4,
        "epochs": 4,
        "value": 0.4,
        "settings": {"x": 0.0},
    }
    assert (told["running"], told["seconds_left"], told["objective"]) == (
        [],
        None,
        {"metric": "val_accuracy", "mode": "max"},
    )
    over = standing.standing(write(tmp_path / "over", [*STORY, ended(3, "complete", [0.2]), END]))
    assert (over.state, over.now.running) == ("finished", ())


def test_while_its_ledger_is_open_it_runs(tmp_path: Path) -> None:
    folder = write(tmp_path / "toy")
    with Ledger(folder):
        seen = standing.standing(folder)
        assert (seen.state, seen.owner) == ("running", f"process {os.getpid()} on {socket.gethostname()}")
        told = seen.plain()
        assert [trial["trial"] for trial in told["running"]] == [3]
        assert told["seconds_left"] == pytest.approx(2 * (1.5 + 4 * 2.5)), "an epoch 2 s, a trial 2.5 of them"
    assert standing.standing(folder).state == "interrupted"


def test_in_a_store_the_lock_there_says_it(bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = machine(tmp_path, "one", monkeypatch, bucket)
    with Ledger(folder) as ledger:
        ledger.append_all(STORY)
        assert ledger.mirror is not None
        ledger.mirror.settle()
        assert standing.standing(folder).state == "running"
    machine(tmp_path, "two", monkeypatch, bucket)
    seen = standing.standing(found(bucket))
    assert (seen.state, seen.plain()["folder"]) == ("interrupted", bucket)


def test_an_ablation_knows_how_many_trials_it_wants(tmp_path: Path) -> None:
    ablations.run(tmp_path / "parts")
    seen = standing.standing(tmp_path / "parts")
    assert (seen.kind, seen.state, seen.total) == ("ablation", "finished", 12)


def test_the_methods_epochs_are_those_of_the_experiment(tmp_path: Path) -> None:
    first, *rest = STORY
    first = {**first, "experiment": {"parts": {"the method m": {"plain": {"schedule": {"epochs": 9}}}}}}
    assert standing.standing(write(tmp_path / "toy", [first, *rest])).max_epochs == 9


def test_studies_are_found_by_path_and_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("reports/toy"))
    write(Path("reports/s3/bucket/other"))
    write(Path("reports/trash/gone"))
    write(Path("reports/toy/trials/0000"))
    (tmp_path / "empty").mkdir()
    assert found("toy") == found("reports/toy") == Path("reports/toy")
    assert [str(each) for each in studies_in(Path("reports"))] == ["reports/s3/bucket/other", "reports/toy"]
    assert named("empty") == Path("empty"), "what is here goes first"
    with pytest.raises(StudyError, match=r"^empty holds no study: there is no ledger.jsonl in it$"):
        found("empty")
    with pytest.raises(
        StudyError, match=r"^toi holds no study: there is no such folder; did you mean 'toy'\? \(known: "
    ):
        found("toi")


def test_a_front_is_told_with_its_knee_and_how_it_grew(tmp_path: Path) -> None:
    """Accuracy up, divergence down: the box goes from (0.174, 1.09) to (0.9, 0.1)."""
    values = {0: [0.3, 0.1], 1: [0.8, 0.3], 2: [0.9, 1.0], 3: [0.24, 0.5]}
    told = [record for t, v in values.items() for record in (asked(t), row(t, 1, 0.1), ended(t, "complete", v))]
    plain = standing.standing(write(tmp_path / "toy", [*records(MULTI), *told])).plain()
    assert (plain["rule"], plain["knee"]) == ("first", 1)
    assert plain["front"] == [
        {"trial": n, "values": dict(zip(("val_accuracy", "kl/noise"), values[n]))} for n in (0, 1, 2)
    ]
    box = plain["hypervolume"]
    assert box["reference"] == pytest.approx({"val_accuracy": 0.24 - 0.066, "kl/noise": 1.09})
    assert box["ideal"] == pytest.approx({"val_accuracy": 0.9, "kl/noise": 0.1})
    assert [each["trial"] for each in box["after_trial"]] == [0, 1, 2], "the last moved nothing"
    assert box["share"] == box["after_trial"][-1]["share"]
    assert "front" not in standing.standing(write(tmp_path / "one")).plain()


def test_the_settings_of_several_seeds_are_counted(tmp_path: Path) -> None:
    several = {"budget: {trials: 8}": "budget: {trials: 8}\nseeds: 2"}
    told = {"reason": None, "rung": None, "values": [0.5], "errors": [0.1], "told": [0.5]}
    story = [
        *records(several),
        *(record for n in (0, 1) for record in (asked(n), row(n, 4, 0.4 + n / 5), ended(n, "complete", [0.4 + n / 5]))),
        {"kind": "settled", "time": 1.0, "trial": 0, "state": "complete", **told},
        asked(2),
    ]
    for number, record in enumerate(record for record in story if record["kind"] == "asked"):
        record |= {"seed": number % 2, "setting": 0 if number == 1 else None}
    seen = standing.standing(write(tmp_path / "toy", story))
    plain = seen.plain()
    assert plain["settings"] == {
        **{"seeds": [0, 1], "total": 8, "complete": 1, "left": 0, "stopped": 0, "failed": 0, "running": 1},
        "trials_spared": 0,
    }
    assert plain["trials"]["total"] == 16
    best = {key: plain["best"][key] for key in ("trial", "setting", "seeds", "value", "standard_error")}
    assert best == {"trial": 0, "setting": 0, "seeds": 2, "value": 0.5, "standard_error": 0.1}
