"""Two studies, or two runs, as plain data of one form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dfkd_ray.tune.comparison import metric_of, sides
from dfkd_ray.util.errors import StudyError
from tests.tune import ablations, toys
from tests.tune.test_history import asked, ended, opening, row
from tests.tune.test_standing import END, STORY, write

pytestmark = pytest.mark.usefixtures("no_fsync")

METHOD = {"schedule": {"epochs": 4}, "source": {"name": "noise"}}
CARD = {
    "task": {"name": "t"},
    "teacher_digest": "abc",
    "versions": {"torch": "2"},
    "seed": 3,
    "method": METHOD,
}


def test_two_studies_by_their_settings_counts_and_winners(tmp_path: Path) -> None:
    other = opening(toys.study({"trials: 8": "trials: 4"}), {}, {"name": "t"}, 100.0)
    told = [asked(0), row(0, 1, 0.7), ended(0, "complete", [0.7], final={"test_accuracy/last": 0.6}), END]
    a, b = sides(str(write(tmp_path / "a")), str(write(tmp_path / "b", [other, *told])))
    assert (a.kind, b.kind) == ("study", "study")
    assert (a.settings["study"]["budget"]["trials"], b.settings["study"]["budget"]["trials"]) == (8, 4)
    counts = {"trials complete": 1.0, "trials pruned": 1.0, "trials failed": 1.0}
    assert a.results == {name.replace("pruned", "stopped"): n for name, n in counts.items()} | {
        "seconds": 0.0,
        "best val_accuracy": 0.4,
    }
    assert b.results["best val_accuracy"] == 0.7
    assert b.results["best test_accuracy/last"] == 0.6


def test_of_an_ablation_its_effects(tmp_path: Path) -> None:
    ablations.run(tmp_path / "parts")
    a, _ = sides(str(tmp_path / "parts"), str(tmp_path / "parts"))
    effects = {name: value for name, value in a.results.items() if name.startswith("effect on val_accuracy: ")}
    assert len(effects) == 3
    assert pytest.approx(toys.ALONE["a"] + toys.TOGETHER) in effects.values(), "a beside b"
    assert {metric_of(name) for name in effects} == {"val_accuracy"}


def test_trials_of_one_study_and_one_that_is_apart(tmp_path: Path) -> None:
    folder = write(tmp_path / "toy")
    apart = tmp_path / "apart"
    apart.mkdir()
    (apart / "run.json").write_text(json.dumps(CARD))
    rows = [{"epoch": 4, "seconds": 9.0, "metrics": {"val_accuracy": 0.5}, "final": {"test_accuracy/last": 0.4}}]
    (apart / "curve.json").write_text(json.dumps(rows))
    a, b = sides(str(folder / "trials" / "0003"), str(apart))
    assert (a.settings["seed"], a.settings["method"]) == (7, {"name": "m", "x": 0.3})
    assert a.results == {"epochs": 1.0, "seconds": 2.0, "val_accuracy": 0.2, "kl/noise": -0.2}
    assert (b.settings["seed"], b.settings["method"], b.settings["task"]) == (3, METHOD, "t")
    assert b.results == {"epochs": 4.0, "seconds": 9.0, "val_accuracy": 0.5, "test_accuracy/last": 0.4}
    best, _ = sides(str(folder), str(apart))
    assert (best.results["val_accuracy"], best.said) == (0.4, f"{folder}: its best, trial 0")


def test_what_cannot_be_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # whose reports are none: they would be named
    folder, empty = write(tmp_path / "toy"), write(tmp_path / "none", STORY[:1])
    trial = str(folder / "trials" / "0003")
    for places, message in {
        (str(folder / "trials" / "0009"), trial): f"{folder / 'trials' / '0009'}: toy has no trial 9",
        (
            str(empty),
            trial,
        ): f"{empty}: no trial has won, so there is none to compare with a run: name one, trials/0000",
        (str(tmp_path / "nowhere"), trial): f"{tmp_path / 'nowhere'} holds no study: there is no such folder",
    }.items():
        with pytest.raises(StudyError) as caught:
            sides(*places)
        assert str(caught.value) == message
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "run.json").write_text("{}")
    with pytest.raises(StudyError, match=r"run.json: not the card of a run \('task'\)$"):
        sides(str(broken), trial)
