"""Which folders of trials stay: those of the best, without checkpoints, and of an ablation all that are complete."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from dfkd_ray.tune.history import History
from dfkd_ray.util import folders


class Tidier:
    """Looks at what a trial's end can have changed, and at all folders once, when a session begins."""

    def __init__(self, folder: Path, history: History) -> None:
        self.folder, self.history = folder, history
        self._best = self._now_best()
        self._tidy(folders.trials(folder))  # a session that was killed may have left some

    def ended(self, number: int) -> None:
        """A trial has ended, and the history knows; what was best before may be no more."""
        before, self._best = self._best, self._now_best()
        self._tidy({number} | before - self._best)

    def _now_best(self) -> set[int]:
        return {trial.number for trial in self.history.front()}

    def _tidy(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            trial, folder = self.history.trials.get(number), folders.of_trial(self.folder, number)
            if trial is None or trial.state == "running" or not folder.exists():
                continue
            whole_design = self.history.study.ablation is not None  # each of its complete trials is a result
            if not (trial.state == "complete" if whole_design else number in self._best):
                shutil.rmtree(folder, ignore_errors=True)
            for checkpoint in folder.glob("checkpoint*"):
                checkpoint.unlink(missing_ok=True)
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()
