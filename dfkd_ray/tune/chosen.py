"""Which run is meant by a path: a run's own folder, or a study's, of which one trial is taken and named.

Knows folders and the ledger alone, so that a page is made without torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dfkd_ray.tune import ledger
from dfkd_ray.tune.history import History, read_history
from dfkd_ray.tune.trials import Trial, none_won
from dfkd_ray.util import folders, words
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.registry import did_you_mean


@dataclass(frozen=True)
class Chosen:
    """A run's folder, and in words how it was found (empty where it was named itself)."""

    folder: Path
    said: str = ""


def choose(path: Path, trial: int | None = None, arm: str | None = None, seed: int | None = None) -> Chosen:
    """The run in `path`; of a study its best trial, or the one with that number, or of an ablation of that arm and
    seed. StudyError says what there is, where that is none.
    """
    if _is_run(path):
        _none_asked(path, trial, arm, seed)
        return Chosen(path)
    place = folders.place(path)
    if place is not None and (place[0] / ledger.NAME).is_file():  # it left no card: which trial is it, and why?
        path, trial = place
    history = _history(path)
    if (found := _named(history, trial, arm, seed)) is not None:
        return _kept(path, history, found, f"{arm}, seed {found.seed}" if arm is not None else "")
    return _kept(path, history, _best(history, path), "the best" if len(history.trials) > 1 else "")


def page_of(
    path: Path, trial: int | None = None, arm: str | None = None, seed: int | None = None
) -> tuple[Path, int | None]:
    """Whose page is meant: the folder of the study with its tables, and the number of the trial; None: the study's own.

    A trial that left no folder is named like any other: its page needs the tables alone. Of an arm the ledger is read.
    StudyError where there is none.
    """
    place = folders.place(path)
    if place is None and _is_run(path):
        where = "its study's folder, two above a trial's own"
        raise StudyError(f"{path} is a trial apart from its study: a page is made from the tables in {where}")
    if place is not None and not (path / ledger.NAME).is_file():
        _none_asked(path, trial, arm, seed)
        return place
    if arm is None and seed is None:
        return path, trial
    found = _named(_history(path), trial, arm, seed)
    return path, None if found is None else found.number


def _is_run(path: Path) -> bool:
    """Whether a folder is that of one trial."""
    return (path / folders.CARD).is_file() and not (path / ledger.NAME).is_file()


def _none_asked(path: Path, *asked: object) -> None:
    if any(each is not None for each in asked):
        raise StudyError(f"{path} is one run: --trial, --arm and --seed are for a study's folder")


def _history(path: Path) -> History:
    if not (path / ledger.NAME).is_file():
        gone = "" if path.is_dir() else ", and there is no such folder"
        what = f"neither {ledger.NAME} (of a study, or a `distill`) nor {folders.CARD} (of one trial)"
        raise StudyError(f"{path} holds no run: {what}{gone}")
    return read_history(path)


def _named(history: History, trial: int | None, arm: str | None, seed: int | None) -> Trial | None:
    """The trial of that number, or of that arm and seed; None where none is named."""
    if arm is not None and trial is not None:
        raise StudyError("--trial and --arm each name a trial: give one of them")
    if arm is not None:
        return _of_arm(history, arm, seed)
    if seed is not None:
        raise StudyError("--seed goes with --arm: the trials of a sweep have one seed, --trial N names one")
    return None if trial is None else numbered(history, trial)


def numbered(history: History, number: int) -> Trial:
    """The trial with that number; StudyError where there is none."""
    if number not in history.trials:
        there = f"they go from 0 to {max(history.trials)}" if history.trials else "none has begun"
        raise StudyError(f"{history.study.study} has no trial {number}: {there}")
    return history.trials[number]


def _of_arm(history: History, arm: str, seed: int | None) -> Trial:
    """The first draw of an arm with a seed; of one that another arm runs for, that one's."""
    ablation = history.study.ablation
    if ablation is None:
        raise StudyError(f"--arm is for an ablation, and {history.study.study} is none: --trial N names a trial")
    run_as = history.alike.get(arm, arm)
    own = [each for each in history.trials.values() if each.arm == run_as and each.tuning is None]
    if not own:
        known = dict.fromkeys([*(each.arm or "" for each in history.trials.values()), *history.alike])
        raise StudyError(f"no trial of an arm {arm!r}{did_you_mean(arm, known)}")
    seeds = sorted({each.seed for each in own})
    if seed is None:
        raise StudyError(f"which trial of {arm}? --seed {', '.join(map(str, seeds))}")
    found = next((each for each in own if each.seed == seed), None)
    if found is None:
        raise StudyError(f"{arm} was not run with seed {seed}: it has {', '.join(map(str, seeds))}")
    return found


def _best(history: History, path: Path) -> Trial:
    best = history.best()
    if best is not None:
        return best
    states = {trial.state for trial in history.trials.values()}
    if "running" in states:
        raise StudyError(f"{path}: there is none yet: no trial has ended; {_on(path)}")
    if "complete" in states:
        why = none_won(history.study, bool(history.front()))
        raise StudyError(f"{path}: no trial has won: {why}; --trial N takes one all the same")
    what = ", ".join(sorted(map(words.state, states))) or "no trial"
    raise StudyError(f"{path}: no trial is complete, so there is no student ({what})")


def _on(path: Path) -> str:
    return f"go on with: dfkd-ray resume {words.typed(path)}"


def _kept(path: Path, history: History, trial: Trial, why: str) -> Chosen:
    """The trial's folder; StudyError where it left no student, with those that did."""
    folder = folders.of_trial(path, trial.number)
    if trial.state == "running":
        raise StudyError(f"{folder}: there is none yet: the run has not ended; {_on(path)}")
    if not (folder / folders.CARD).is_file():
        there = folders.with_students(path)
        reused = f": it was taken over from {trial.reused}" if trial.reused and not trial.attempts else ""
        state = words.state(trial.state)
        listed = (
            f"that of trial {there[0]} is" if len(there) == 1 else f"those of trials {', '.join(map(str, there))} are"
        )
        others = f"; {listed} there" if there else ""
        raise StudyError(f"{path}: trial {trial.number} ({state}) keeps no student{reused}{others}")
    alone = len(history.trials) == 1
    said = "" if alone else f"trial {trial.number} of {history.study.study}{f', {why}' if why else ''}"
    return Chosen(folder, said)
