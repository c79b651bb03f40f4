"""The Arrow tables of a study, kept up to date while it runs."""

from __future__ import annotations

import time

from dfkd_ray.tune.observers import Observer, Progress
from dfkd_ray.tune.trials import Trial

SHARE = 20  # the tables are rewritten after at least this many times of what the last writing took


class TableWriter(Observer):
    """Rebuilds them from the history when a trial has ended, and when the session is over.

    parquet: trials and steps as Parquet too.
    """

    def __init__(self, parquet: bool = False) -> None:
        self.parquet = parquet
        self.due = 0.0

    def start(self, study: Progress) -> None:
        self.study = study

    def end(self, trial: Trial) -> None:
        if time.perf_counter() >= self.due:
            self._write()

    def close(self) -> None:
        self._write()

    def _write(self) -> None:
        from dfkd_ray.tune.tabulate import write_tables

        began = time.perf_counter()
        write_tables(self.study.history, self.study.folder, self.parquet)
        ended = time.perf_counter()
        self.due = ended + SHARE * (ended - began)
