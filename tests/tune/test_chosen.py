"""Which run a path means: a trial's own folder, a study's best, the one that is named."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from dfkd_ray.tune.chosen import choose, page_of
from dfkd_ray.tune.history import History
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.util import folders
from dfkd_ray.util.errors import StudyError
from tests.tune import ablations, toys
from tests.tune.test_history import asked, records
from tests.tune.test_standing import write

pytestmark = pytest.mark.usefixtures("no_fsync")


def history(folder: Path) -> History:
    return History(read_records(folder / NAME)[0])


def filled(folder: Path) -> Path:
    """A study that was run, with the cards and students that its best trials (an ablation's complete ones) leave."""
    told = history(folder)
    for trial in (
        told.front() if told.study.ablation is None else [t for t in told.trials.values() if t.state == "complete"]
    ):
        path = folders.of_trial(folder, trial.number)
        path.mkdir(parents=True, exist_ok=True)
        (path / folders.CARD).write_text("{}")
        for name in folders.STUDENTS.values():
            (path / name).write_bytes(b"weights")
    return folder


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    toys.start(toys.study({"budget: {trials: 8}": "budget: {trials: 5}"}), toys.Toy(), tmp_path / "toy")
    return filled(tmp_path / "toy")


@pytest.fixture
def ablation(tmp_path: Path) -> Path:
    ablations.run(tmp_path / "parts", ablations.TWINS)
    return filled(tmp_path / "parts")


def test_a_runs_own_folder_is_meant_without_a_word(sweep: Path) -> None:
    best = history(sweep).best()
    assert best is not None
    folder = sweep / "trials" / f"{best.number:04d}"
    assert choose(folder) == choose(folder)
    assert (choose(folder).folder, choose(folder).said) == (folder, "")
    with pytest.raises(StudyError, match=r"is one run: --trial, --arm and --seed are for a study's folder$"):
        choose(folder, trial=1)


def test_of_a_study_the_best_is_meant_and_named(sweep: Path) -> None:
    best = history(sweep).best()
    assert best is not None
    chosen = choose(sweep)
    assert chosen.folder == sweep / "trials" / f"{best.number:04d}"
    assert chosen.said == f"trial {best.number} of toy, the best"
    assert choose(sweep, trial=best.number).folder == chosen.folder
    other = next(number for number in history(sweep).trials if number != best.number)
    with pytest.raises(StudyError, match=rf"trial {other} .* keeps no student; that of trial {best.number} is there"):
        choose(sweep, trial=other)
    with pytest.raises(StudyError, match=rf"toy: trial {other} \(.*\) keeps no student; that of"):
        choose(folders.of_trial(sweep, other))
    with pytest.raises(StudyError, match=r"^toy has no trial 17: they go from 0 to 4$"):
        choose(sweep, trial=17)
    with pytest.raises(StudyError, match=r"^--arm is for an ablation, and toy is none: --trial N names a trial$"):
        choose(sweep, arm="full")
    with pytest.raises(StudyError, match=r"^--seed goes with --arm"):
        choose(sweep, seed=0)
    with pytest.raises(StudyError, match=r"^--trial and --arm each name a trial: give one of them$"):
        choose(sweep, trial=0, arm="full")


def test_a_study_of_one_run_needs_no_word(tmp_path: Path) -> None:
    alone = replace(toys.study({"budget: {trials: 8}": "budget: {trials: 1}"}), search={})
    toys.start(alone, toys.Toy(), tmp_path / "one")
    chosen = choose(filled(tmp_path / "one"))
    assert (chosen.folder.name, chosen.said) == ("0000", "")


def test_of_an_ablation_an_arm_and_a_seed(ablation: Path) -> None:
    trials = history(ablation).trials.values()
    wanted = next(t for t in trials if (t.arm, t.seed) == ("without b", 2))
    chosen = choose(ablation, arm="without b", seed=2)
    assert chosen.folder == ablation / "trials" / f"{wanted.number:04d}"
    assert chosen.said == f"trial {wanted.number} of parts, without b, seed 2"
    full = next(t for t in trials if (t.arm, t.seed) == ("full", 1))
    assert choose(ablation, arm="without same", seed=1).folder.name == f"{full.number:04d}", "the arm that ran for it"
    with pytest.raises(StudyError, match=r"^which trial of full\? --seed 0, 1, 2$"):
        choose(ablation, arm="full")
    with pytest.raises(StudyError, match=r"^full was not run with seed 9: it has 0, 1, 2$"):
        choose(ablation, arm="full", seed=9)
    with pytest.raises(StudyError, match=r"^no trial of an arm 'witout b'; did you mean 'without b'\?"):
        choose(ablation, arm="witout b", seed=0)


def test_what_is_not_there_yet_or_never_will_be(tmp_path: Path) -> None:
    with pytest.raises(
        StudyError, match=r"/none holds no run: neither ledger.* nor run.*, and there is no such folder$"
    ):
        choose(tmp_path / "none")
    with pytest.raises(StudyError, match=r"holds no run: neither ledger\.jsonl \(of a study, or a `distill`\) nor run"):
        choose(tmp_path)
    with pytest.raises(StudyError, match="have all failed alike"):
        toys.start(toys.study(), toys.Toy(raises_at=1), tmp_path / "failed")
    with pytest.raises(StudyError, match=r"failed: no trial is complete, so there is no student \(failed\)$"):
        choose(tmp_path / "failed")
    with pytest.raises(StudyError, match=r"trial 1 \(failed\) keeps no student$"):
        choose(tmp_path / "failed", trial=1)
    ledger = tmp_path / "cut" / NAME
    ledger.parent.mkdir()
    lines = (tmp_path / "failed" / NAME).read_bytes().splitlines(keepends=True)
    ledger.write_bytes(b"".join(lines[:2]))
    with pytest.raises(StudyError, match=r"cut: there is none yet: no trial has ended; go on with: dfkd-ray resume"):
        choose(tmp_path / "cut")
    with pytest.raises(StudyError, match=r"0000: there is none yet: the run has not ended; go on with: dfkd-ray"):
        choose(tmp_path / "cut", trial=0)


def test_a_study_of_which_no_trial_has_begun(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"^toy has no trial 3: none has begun$"):
        choose(write(tmp_path / "begun", [records()[0]]), trial=3)


def test_a_folder_is_quoted_in_the_command_that_goes_on(tmp_path: Path) -> None:
    running = write(tmp_path / "my runs", [records()[0], asked(0)])
    with pytest.raises(StudyError, match=r"go on with: dfkd-ray resume '.*/my runs'$"):
        choose(running, trial=0)


# ---- whose page is meant


def test_a_study_has_a_page_and_so_has_each_of_its_trials(sweep: Path) -> None:
    best = history(sweep).best()
    assert best is not None
    assert page_of(sweep) == (sweep, None)
    for number in history(sweep).trials:
        assert page_of(sweep, trial=number) == (sweep, number)
        folder = folders.of_trial(sweep, number)
        assert folder.exists() == (number == best.number), "those that left no folder too"
        assert page_of(folder) == (sweep, number)
    with pytest.raises(StudyError, match=r"is one run: --trial, --arm and --seed are for a study's folder$"):
        page_of(folders.of_trial(sweep, best.number), trial=1)
    with pytest.raises(StudyError, match=r"^--seed goes with --arm"):
        page_of(sweep, seed=0)


def test_a_page_is_found_where_there_are_tables_alone(tmp_path: Path) -> None:
    assert page_of(tmp_path) == (tmp_path, None)
    assert page_of(tmp_path, trial=3) == (tmp_path, 3)
    with pytest.raises(StudyError, match=r"holds no run: neither ledger"):
        page_of(tmp_path, arm="full", seed=0)


def test_the_page_of_an_arm_and_a_seed(ablation: Path) -> None:
    (wanted,) = (t.number for t in history(ablation).trials.values() if (t.arm, t.seed) == ("without b", 2))
    assert page_of(ablation, arm="without b", seed=2) == (ablation, wanted)
    with pytest.raises(StudyError, match=r"^which trial of full\? --seed 0, 1, 2$"):
        page_of(ablation, arm="full")


def test_a_trial_that_was_carried_off_has_no_page(tmp_path: Path) -> None:
    (tmp_path / folders.CARD).write_text("{}")
    with pytest.raises(StudyError, match=r" is a trial apart from its study: a page is made from the tables in its"):
        page_of(tmp_path)


def test_of_a_study_whose_trials_are_all_degenerate_none_has_won(sweep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfkd_ray.tune.winners.barred", lambda study, trial: True)
    error = f"{sweep}: no trial has won: all complete ones are degenerate; --trial N takes one all the same"
    with pytest.raises(StudyError, match=f"^{re.escape(error)}$"):
        choose(sweep)
