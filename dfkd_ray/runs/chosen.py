"""Which run is meant by a path: a run's own folder, or a study's, of which one trial is taken and named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dfkd_ray.runs import card as cards
from dfkd_ray.tune import ledger
from dfkd_ray.tune.history import History, Trial
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
    asked = trial is not None or arm is not None or seed is not None
    if (path / cards.NAME).is_file() and not (path / ledger.NAME).is_file():
        if asked:
            raise StudyError(f"{path} is one run: --trial, --arm and --seed are for a study's folder")
        return Chosen(path)
    if not (path / ledger.NAME).is_file():
        gone = "" if path.is_dir() else ", and there is no such folder"
        what = f"neither {ledger.NAME} (of a study, or a `distill`) nor {cards.NAME} (of one trial)"
        raise StudyError(f"{path} holds no run: {what}{gone}")
    history = History(ledger.read_records(path / ledger.NAME)[0])
    if arm is not None:
        found, why = _of_arm(history, arm, seed), f"{arm}, seed {seed}"
    elif seed is not None:
        raise StudyError("--seed goes with --arm: the trials of a sweep have one seed, --trial N names one")
    elif trial is not None:
        found, why = _numbered(history, trial), ""
    else:
        found, why = _best(history, path), "the best" if len(history.trials) > 1 else ""
    return _kept(path, history, found, why)


def _numbered(history: History, number: int) -> Trial:
    if number not in history.trials:
        raise StudyError(f"{history.study.study} has no trial {number}: they go from 0 to {max(history.trials)}")
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
        raise StudyError(f"{path}: there is none yet: no trial has ended; go on with: dfkd-ray resume {path}")
    what = ", ".join(sorted(states)) or "no trial"
    raise StudyError(f"{path}: no trial is complete, so there is no student ({what})")


def _kept(path: Path, history: History, trial: Trial, why: str) -> Chosen:
    """The trial's folder; StudyError where it left no student, with those that did."""
    folder = path / "trials" / f"{trial.number:04d}"
    if trial.state == "running":
        raise StudyError(f"{folder}: there is none yet: the run has not ended; go on with: dfkd-ray resume {path}")
    if not (folder / cards.NAME).is_file():
        there = sorted(int(each.parent.name) for each in path.glob(f"trials/*/{cards.STUDENTS['last']}"))
        reused = f": it was taken over from {trial.reused}" if trial.reused and not trial.attempts else ""
        state = {"pruned": "stopped early"}.get(trial.state, trial.state)
        others = f"; those of trials {', '.join(map(str, there))} are there" if there else ""
        raise StudyError(f"{path}: trial {trial.number} ({state}) keeps no student{reused}{others}")
    alone = len(history.trials) == 1
    said = "" if alone else f"trial {trial.number} of {history.study.study}{f', {why}' if why else ''}"
    return Chosen(folder, said)
