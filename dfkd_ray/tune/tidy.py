"""Which folders of trials stay: those of the best, without checkpoints, and of an ablation all that are complete."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from dfkd_ray.tune.copies import bring_home
from dfkd_ray.tune.history import History
from dfkd_ray.tune.mirror import Mirror
from dfkd_ray.util import folders
from dfkd_ray.util.store import Store


class Tidier:
    """Looks at what a trial's end can have changed, and at all folders once, when a session begins."""

    def __init__(self, folder: Path, history: History, mirror: Mirror | None = None) -> None:
        self.folder, self.history, self.mirror = folder, history, mirror
        self._best = self._now_best()
        self._tidy(folders.trials(folder))  # a session that was killed may have left some
        if mirror is not None:
            self._tidy_store(folders.trials_in(mirror.store.names(folders.TRIALS)))

    def ended(self, number: int) -> None:
        """A trial has ended, and the history knows; what was best before may be no more."""
        before, self._best = self._best, self._now_best()
        changed = {number} | before - self._best
        self._tidy(changed)
        self._tidy_store(changed)

    def _now_best(self) -> set[int]:
        """With the leaders of a search that is confirmed: after more trials, or on more seeds, others may win."""
        history, confirm = self.history, self.history.study.confirm
        leading = [] if confirm is None else history.tally.ranked[: confirm.top]
        return {*(trial.number for trial in history.front()), *(number for _, number in leading)}

    def _tidy(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            folder = folders.of_trial(self.folder, number)
            if (stays := self._stays(number)) is None or not folder.exists():
                continue
            if not stays:
                shutil.rmtree(folder, ignore_errors=True)
            for checkpoint in folder.glob("checkpoint*"):
                checkpoint.unlink(missing_ok=True)
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()

    def _stays(self, number: int) -> bool | None:
        """Whether the folder of a trial that has ended stays; None of one that has not, or whose setting has not."""
        trial = self.history.trials.get(number)
        if trial is None or trial.state == "running" or number in self.history.settings.open:
            return None
        whole_design = self.history.study.ablation is not None  # each of its complete trials is a result
        return trial.state == "complete" if whole_design else number in self._best

    def _tidy_store(self, numbers: Iterable[int]) -> None:
        """The same of a study in a store, once its ledger there says so; the best students come home."""
        for number in numbers:
            if self.mirror is not None and (stays := self._stays(number)) is not None:
                home = self.folder if stays and number in self._best else None
                self.mirror.later(partial(_tidy_there, self.mirror.store, number, stays, home))


def _tidy_there(store: Store, number: int, stays: bool, home: Path | None) -> None:
    there = store.at(folders.of_trial(Path(), number).as_posix())
    there.remove(name for name in there.names() if not stays or name.startswith("checkpoint"))
    if home is not None:
        bring_home(home, store, number)
