"""Who records: the one object that both runners drive.

A runner asks it for jobs, reports each row, and does what it is told. The conductor writes the ledger before anything
acts on it, lets the stopper and the sampler decide, and keeps the tables and the view up to date.
"""

from __future__ import annotations

import base64
import shutil
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from dfkd_ray import study as studies
from dfkd_ray.study import Study
from dfkd_ray.tune import live
from dfkd_ray.tune.designed import Cells
from dfkd_ray.tune.duplicates import find_duplicates
from dfkd_ray.tune.endings import Ending, ending_of
from dfkd_ray.tune.history import REUSED, VERSION, History, Trial
from dfkd_ray.tune.ledger import Ledger, Record
from dfkd_ray.tune.reuse import Finished
from dfkd_ray.tune.search import Proposal, Search
from dfkd_ray.tune.tabulate import write_tables
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util.errors import StudyError

Answer = Literal["continue", "stop"]
Reuse = Callable[[Mapping[str, Any], int], Finished | None]  # (changes, seed) -> that trial of an earlier study
Fingerprint = Callable[[Mapping[str, Any]], str]  # of the method with these changes, see sweep/look.py
TABLES_SHARE = 20  # the tables are rewritten after at least this many times of what the last writing took


class Tuner:
    """A study that is being run. Made by `start` or `resume` of sweep/launch.py."""

    def __init__(
        self,
        ledger: Ledger,
        folder: Path,
        max_epochs: int,
        view: live.View | None = None,
        clock: Callable[[], float] = time.time,
        parquet: bool = False,
        reuse: Reuse | None = None,
        fingerprint: Fingerprint | None = None,
    ) -> None:
        self.ledger, self.folder, self.max_epochs = ledger, folder, max_epochs
        self.view, self.clock, self.parquet = view or live.Silent(), clock, parquet
        self.reuse = reuse or (lambda changes, seed: None)
        self.fingerprint = fingerprint
        self.concurrency = 1  # trials at a time: the runner knows
        self.history = History(ledger.records)
        self.study: Study = self.history.study
        self.resources = self.study.resources  # of one trial: a runner may be told others
        self.search = Search(self.study) if self.study.ablation is None else Cells(self.study, self.history)
        self.search.rebuild(self.history)
        self._tables_due = 0.0
        self._given_up: StudyError | None = None
        self._queue: deque[Trial] = deque()
        for trial in self.history.running():
            if not self._taken_over(trial) and (not trial.rows or self._judge(trial) == "continue"):
                self._queue.append(trial)

    def next_job(self) -> Job | None:
        """What to run next: first what an earlier run left unfinished, then a proposal.

        None when there is no more, unless what is running now leads to more: ask again when a trial has ended.
        """
        if self._given_up is not None:
            return None
        if self._queue:
            return self._job(self._queue.popleft())
        while not self._spent() and (proposal := self._proposed()) is not None:
            trial = self._asked(proposal)
            if not self._taken_over(trial):
                return self._job(trial)
        return None

    def _proposed(self) -> Proposal | None:
        """What the search or the design wants next; a path's arms are looked at before their round begins."""
        while self.fingerprint is not None and isinstance(self.search, Cells) and (arms := self.search.unseen):
            self._note("round", **asdict(find_duplicates(arms, self.fingerprint)))
        return self.search.propose()

    def _asked(self, proposal: Proposal) -> Trial:
        seed = self.study.seed if proposal.seed is None else proposal.seed
        found = self.reuse(proposal.changes, seed)
        self._note(
            "asked",
            trial=proposal.number,
            changes=proposal.changes,
            seed=seed,
            reused=None if found is None else found.origin,
            arm=proposal.arm,
            draw=proposal.draw,
            tuning=proposal.tuning,
            attrs=proposal.attrs,
            study_attrs=proposal.study_attrs,
        )
        return self.history.trials[proposal.number]

    def _taken_over(self, trial: Trial) -> bool:
        """Whether an earlier study has run this very trial: its rows become this one's, and its reason says whose."""
        found = None if trial.attempts else self.reuse(trial.changes, trial.seed)
        if found is None:
            return False
        for epoch, picture in found.pictures.items():
            self._note("picture", trial=trial.number, epoch=epoch, picture=base64.b64encode(picture).decode())
        for row in found.rows:
            self._note("row", trial=trial.number, **row, fingerprint=found.fingerprint, method=found.method)
        self._judge(trial)
        return True

    def started(self, job: Job) -> None:
        """A runner has begun with a job: for the first time, after a resume, or after its worker died."""
        self._note("started", trial=job.trial)
        self._show()

    def report(self, job: Job, row: Row) -> Answer:
        """Take in what a trial says after an epoch, and say whether it goes on. An epoch that is known is ignored."""
        trial = self.history.trials[job.trial]
        if trial.state != "running":
            return "stop"
        if row.epoch in trial.rows:
            return "continue" if not row.last else self._judge(trial)
        facts: Record = {"host": row.host, "device": row.device, "peak_memory": row.peak_memory}
        if trial.method is None:  # the same for all epochs: once is enough
            facts |= {"fingerprint": row.fingerprint, "method": row.method}
        last = {"last": True, "final": row.final} if row.last else {"last": False}
        if row.picture is not None:
            text = base64.b64encode(row.picture).decode()
            self._note("picture", trial=job.trial, epoch=row.epoch, picture=text)
        self._note("row", trial=job.trial, epoch=row.epoch, seconds=row.seconds, metrics=row.metrics, **last, **facts)
        answer = self._judge(trial)
        if answer == "continue":
            self._show()
        return answer

    def end(self, job: Job, outcome: Ending) -> None:
        """Record how a trial ended and let everyone know; a trial that has ended already stays as it is."""
        trial = self.history.trials[job.trial]
        if trial.state == "running":
            self._end(trial, outcome)

    def check(self) -> None:
        """Raise StudyError if the study has been given up: called by runners where it is safe to stop."""
        if self._given_up is not None:
            raise self._given_up

    def finish(self) -> None:
        """All trials have ended and there will be no more."""
        if not self.history.finished:
            self._note("finished")
        self.write_tables()

    def write_tables(self) -> None:
        """Rebuild the tables from the history."""
        began = time.perf_counter()
        write_tables(self.history, self.folder, self.parquet)
        ended = time.perf_counter()
        self._tables_due = ended + TABLES_SHARE * (ended - began)

    def _judge(self, trial: Trial) -> Answer:
        """After the latest row of a running trial: complete, failed, stopped, or on with it."""
        outcome = ending_of(trial, self.history, self.max_epochs)
        if outcome is None:
            return "continue"
        if trial.reused and not trial.attempts:  # nobody has begun with it here
            outcome = replace(outcome, reason=f"{REUSED}{trial.reused}")
        self._end(trial, outcome)
        return "stop"

    def _end(self, trial: Trial, outcome: Ending) -> None:
        self._note(
            "ended",
            trial=trial.number,
            state=outcome.state,
            reason=outcome.reason,
            rung=outcome.rung,
            values=outcome.values,
            final=outcome.final,
        )
        curve = trial.curve(self.study.objective[0].metric)
        self.search.tell(trial.number, outcome.state, outcome.values, curve, outcome.rung)
        self._tidy()
        if time.perf_counter() >= self._tables_due:
            self.write_tables()
        self._show(trial)
        self._consider_giving_up()

    def _consider_giving_up(self) -> None:
        """A mistake that fails every trial should not burn the whole budget."""
        limit = self.study.budget.give_up_after
        ended = [self.history.trials[number] for number in self.history.ended]
        heads = {(trial.reason or "").partition("\n")[0] for trial in ended}
        if limit and len(ended) >= limit and len(heads) == 1 and all(trial.state == "failed" for trial in ended):
            self._given_up = StudyError(
                f"the first {len(ended)} trials have all failed alike, so the study was stopped "
                f"(budget.give_up_after: {limit}):\n{ended[-1].reason}"
            )

    def _tidy(self) -> None:
        """Remove the folders of ended trials; the best keep theirs, without checkpoints."""
        best = {trial.number for trial in self.history.front()}
        for trial in self.history.trials.values():
            folder = self._folder(trial.number)
            if trial.state == "running" or not folder.exists():
                continue
            if trial.number not in best:
                shutil.rmtree(folder, ignore_errors=True)
            for checkpoint in folder.glob("checkpoint*"):
                checkpoint.unlink(missing_ok=True)
            if folder.exists() and not any(folder.iterdir()):
                folder.rmdir()

    def _spent(self) -> bool:
        budget, asked = self.study.budget, len(self.history.trials)
        if budget.trials is not None and asked >= budget.trials:
            return True
        return budget.hours is not None and self.history.active(self.clock()) >= budget.hours * 3600

    def _job(self, trial: Trial) -> Job:
        folder = self._folder(trial.number)
        folder.mkdir(parents=True, exist_ok=True)
        return Job(trial.number, trial.changes, trial.seed, str(folder), trial.arm, self.resources.threads)

    def _folder(self, number: int) -> Path:
        return self.folder.resolve() / "trials" / f"{number:04d}"

    def _note(self, kind: str, **facts: Any) -> None:
        """Into the ledger first, then into memory: as the ledger gives it back, so that a resume sees the same."""
        record: Record = {"kind": kind, "time": self.clock(), **facts}
        self.history.apply(self.ledger.append(record))

    def _show(self, ended: Trial | None = None) -> None:
        now = live.snapshot(self.history, self.max_epochs, self.search.total, self.concurrency)
        self.view.update(now, None if ended is None else live.shown(ended, self.study.objective[0].metric))


def opening(
    study: Study,
    provenance: Mapping[str, Any],
    task: Mapping[str, Any],
    clock: float,
    alike: Mapping[str, str] | None = None,
) -> Record:
    """The first record of a ledger; `alike`: arms that another arm runs for."""
    head = {"kind": "study", "time": clock, "version": VERSION, "study": studies.plain(study)}
    return {**head, "provenance": provenance, "task": task, "alike": dict(alike or {})}
