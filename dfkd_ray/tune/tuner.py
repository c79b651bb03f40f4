"""Who records: the one object that both runners drive.

A runner asks it for jobs, reports each row, and does what it is told. The tuner writes the ledger before anything acts
on it, lets the stopper and the sampler decide, and tells the observers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from dfkd_ray.study import Study
from dfkd_ray.tune import by_setting, confirm, row_records
from dfkd_ray.tune.accidents import Recovery
from dfkd_ray.tune.designed import DesignedSearch, proposer
from dfkd_ray.tune.duplicates import find_duplicates
from dfkd_ray.tune.endings import Ending, ending_of, given_up
from dfkd_ray.tune.history import History
from dfkd_ray.tune.interrupts import Interrupted
from dfkd_ray.tune.ledger import Ledger, Record
from dfkd_ray.tune.observers import Observer, Observers
from dfkd_ray.tune.options import NOTHING_SAID, RETRIES, Options
from dfkd_ray.tune.proposal import Proposal
from dfkd_ray.tune.reuse import Finished
from dfkd_ray.tune.tidy import Tidier
from dfkd_ray.tune.trials import REUSED, Trial
from dfkd_ray.tune.watchdog import FACTOR, Watchdog
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util import folders
from dfkd_ray.util.errors import GivenUp

Answer = Literal["continue", "stop"]
Reuse = Callable[[Mapping[str, Any], int], Finished | None]  # (changes, seed) -> that trial of an earlier study
Fingerprint = Callable[[Mapping[str, Any]], str]  # of the method with these changes, see tune/duplicates.py


class Tuner:
    """A study that is being run. Made by `start` or `resume` of tune/launch.py."""

    def __init__(
        self,
        ledger: Ledger,
        history: History,
        folder: Path,
        max_epochs: int,
        options: Options = NOTHING_SAID,
        observers: Iterable[Observer] = (),
        ticks: Callable[[], float] = time.monotonic,
        reuse: Reuse | None = None,
        fingerprint: Fingerprint | None = None,
    ) -> None:
        self.ledger, self.history, self.folder, self.max_epochs = ledger, history, folder, max_epochs
        self.reuse, self.fingerprint = reuse or (lambda changes, seed: None), fingerprint
        self.concurrency = 1  # trials at a time: the runner knows
        self._ticks, self._began = ticks, ticks() - self.history.active_seconds
        self.study: Study = self.history.study
        self.resources = options.resources(self.study.resources)  # of one trial, or of those that are fused
        self.threads = options.runtime(self.study.runtime).get("threads", self.resources.threads)
        self.search = proposer(self.study, self.history)
        self.search.rebuild(self.history)
        self._given_up: GivenUp | None = None
        self.recovery = Recovery(RETRIES if options.retries is None else options.retries)
        self.watchdog = Watchdog(FACTOR if options.watchdog is None else options.watchdog)
        self._root = folder.resolve()
        self._tidier = Tidier(self._root, self.history, ledger.mirror)
        self.observers = Observers(observers)
        self.observers.start(self, ledger)
        for trial in self.history.running():
            if not self._taken_over(trial) and (not trial.rows or self._answer(trial) == "continue"):
                self.recovery.waiting.append(trial)
        self._settle()

    @property
    def active(self) -> float:
        """Seconds that the study has been run for, over all its sessions, by a clock that nobody sets."""
        return self._ticks() - self._began

    @property
    def total(self) -> int | None:
        """How many trials there will be at most, where that is known."""
        return confirm.total(self.history, self.search.total)

    def next_job(self) -> Job | None:
        """What to run next: first what an earlier run left unfinished, then a proposal.

        None when there is no more, unless what is running now leads to more: ask again when a trial has ended.
        """
        if self._given_up is not None or self.recovery.hopeless(self.concurrency):
            return None
        if self.recovery.waiting:
            return self._job(self.recovery.waiting.popleft())
        while (proposal := self._proposed()) is not None:
            trial = self._asked(proposal)
            if not self._taken_over(trial):
                return self._job(trial)
        return None

    def _proposed(self) -> Proposal | None:
        """What the search or the design wants next, settings that have begun first; then what confirms it."""
        if (proposal := by_setting.due(self.history)) is not None:
            return proposal
        if not self._spent() and (proposal := self._searched()) is not None:
            return proposal
        if (begins := confirm.beginning(self.history, self.fingerprint)) is not None:
            self._note("confirming", **begins)
        return confirm.propose(self.history)

    def _searched(self) -> Proposal | None:
        """A path's arms are resolved before their round begins."""
        while self.fingerprint is not None and isinstance(self.search, DesignedSearch) and (arms := self.search.unseen):
            self._note("round", **asdict(find_duplicates(arms, self.fingerprint)))
        return self.search.propose()

    def _asked(self, proposal: Proposal) -> Trial:
        seed = self.study.each_seed[0] if proposal.seed is None else proposal.seed
        found = self.reuse(proposal.changes, seed)
        facts = {**vars(proposal), "seed": seed, "reused": None if found is None else found.origin}
        del facts["number"]  # that of the search, which may have fewer trials
        self._note("asked", trial=len(self.history.trials), **facts)
        return self.history.trials[len(self.history.trials) - 1]

    def _taken_over(self, trial: Trial) -> bool:
        """Whether an earlier study has run this very trial: its rows become this one's, and its reason says whose."""
        found = None if trial.attempts else self.reuse(trial.changes, trial.seed)
        if found is None:
            return False
        self._note_all(row_records.taken_over(self._root, trial, found))
        self._answer(trial)
        return True

    def started(self, job: Job) -> None:
        """A runner has begun with a job: for the first time, after a resume, or after its worker died."""
        self._note("started", trial=job.trial, wait=False)
        self.watchdog.began(job.trial)

    def report(self, job: Job, row: Row) -> Answer:
        """Take in what a trial says after an epoch, and say whether it goes on. An epoch that is known is ignored."""
        trial = self.history.trials[job.trial]
        if trial.state != "running":
            return "stop"
        self.watchdog.reported(job.trial)
        if row.epoch in trial.rows:
            return "continue" if not row.last else self._answer(trial)
        self._note(**row_records.reported(self._root, trial, row), wait=False)
        self.recovery.gained()
        return self._answer(trial)

    def end(self, job: Job, ending: Ending) -> None:
        """Record how a trial ended and let everyone know; a trial that has ended already stays as it is."""
        trial = self.history.trials[job.trial]
        if trial.state == "running":
            self._end(trial, ending)

    def accident(self, job: Job, reason: str) -> None:
        """Something that is not the trial's doing has ended it: nobody learns of it, and the trial is tried again."""
        trial = self.history.trials[job.trial]
        self.watchdog.ended(job.trial)
        if trial.state == "running":
            self._note("accident", trial=job.trial, reason=reason)
            self.recovery.met(trial)

    def check(self) -> None:
        """Raise GivenUp if all trials fail alike, Interrupted if none can be run: called where it is safe to stop."""
        self.ledger.settle()
        if self._given_up is not None:
            raise self._given_up
        if self.recovery.hopeless(self.concurrency):
            raise Interrupted(self.folder, self.recovery.cause)

    def finish(self) -> None:
        """All trials have ended and there will be no more. Raises Interrupted where some were set aside."""
        if self.recovery.aside:
            raise Interrupted(self.folder, self.recovery.cause)
        if not self.history.finished:
            self._note("finished")

    def close(self) -> None:
        """This session is over, whatever the reason."""
        self.observers.close()

    def _answer(self, trial: Trial) -> Answer:
        """After the latest row of a running trial: complete, failed, stopped, or on with it."""
        ending = ending_of(trial, self.history, self.max_epochs)
        if ending is None:
            return "continue"
        if trial.reused and not trial.attempts:  # nobody has begun with it here
            ending = replace(ending, reason=f"{REUSED}{trial.reused}")
        self._end(trial, ending)
        return "stop"

    def _end(self, trial: Trial, ending: Ending) -> None:
        self._note("ended", trial=trial.number, **asdict(ending))
        self.watchdog.ended(trial.number)
        if self.study.seeds:
            self._settle()
        elif trial.phase is None:
            self._tell(trial)
        self._tidier.ended(trial.number)
        self._given_up = self._given_up or given_up(self.history, trial)

    def _settle(self) -> None:
        """Settings with several seeds of which no other one is to be run."""
        for record in by_setting.settling(self.history):
            self._note(**record)
            self._tell(self.history.trials[record["trial"]])
            self._tidier.ended(record["trial"])

    def _tell(self, trial: Trial) -> None:
        """What became of a trial, or of its setting, to whoever proposed it."""
        self.search.tell(trial.place, *vars(by_setting.told(self.study, self.history, trial)).values())

    def _spent(self) -> bool:
        budget, asked = self.study.budget, self.history.searched
        if budget.trials is not None and asked >= budget.trials:
            return True
        return budget.hours is not None and self.active >= budget.hours * 3600

    def _job(self, trial: Trial) -> Job:
        """What a runner gets; in a store the trial is known first, so that no other machine gives its number away."""
        folder, mirror = folders.of_trial(self._root, trial.number), self.ledger.mirror
        if mirror is None:
            folder.mkdir(parents=True, exist_ok=True)
        else:
            mirror.settle()
        place = str(folder) if mirror is None else mirror.place(folder)
        rest = (trial.arm, self.threads, self.study.study, self.resources.ranks)
        return Job(trial.number, trial.changes, trial.seed, place, *rest)

    def _note(self, kind: str, wait: bool = True, **facts: Any) -> None:
        """Into the ledger first, then into memory: as the ledger gives it back, so that a resume sees the same."""
        self._known(self.ledger.append(self._dated({"kind": kind, **facts}), wait))

    def _note_all(self, records: Iterable[Record]) -> None:
        """What waits together goes to the disk together."""
        for kept in self.ledger.append_all(map(self._dated, records)):
            self._known(kept)

    def _dated(self, record: Record) -> Record:
        return {"kind": record["kind"], "time": round(time.time(), 3), "active": round(self.active, 3), **record}

    def _known(self, record: Record) -> None:
        self.history.apply(record)
        self.observers.record(record)
