"""What a study's records add up to: its trials and how they stand. The fold is pure: no clock, no file."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dfkd_ray import study as studies
from dfkd_ray.study import Study
from dfkd_ray.tune import ledger
from dfkd_ray.tune.amending import compared, guarded, moved, ranks_of, remembers, with_parts
from dfkd_ray.tune.ledger import Record
from dfkd_ray.tune.pictures import Picture
from dfkd_ray.tune.ranks import Ranks
from dfkd_ray.tune.trials import Trial
from dfkd_ray.tune.winners import Winners
from dfkd_ray.util import leaving
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.words import shorten
from dfkd_ray.util.yamls import Document

VERSION = 3  # of the records: 1 had no methods and no options in its first one, 2 no experiment, and its pictures in it
PLANNED = ("arm", "draw", "tuning", "attrs", "reused", "proposed_by", "repeats", "phase", "setting")
KNOWN = {"trial", "changes", "state", "values", "epoch", "rung", "excesses"}  # of a trial of an earlier study
OF_A_TRIAL = ("started", "row", "accident", "ended", "settled")  # records that follow the "asked" of their trial


# What a record raises that is sound by its checksum, and was written by somebody else.
FOREIGN = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


class History(Winners):
    """The fold over a study's records: `apply` is the only way that anything in here changes."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        super().__init__()
        self.ranks: Ranks | None = None  # what the stopper goes by; None where nothing is stopped
        self.provenance: dict[str, Any] = {}
        self.methods: dict[str, Any] = {}  # by name as the study has it: the method as the experiment has it
        self.begun: dict[str, Any] = {}  # the experiment that it was begun as, see tune/differences.py
        self.experiment: dict[str, Any] = {}  # that which it is now, where changes were accepted
        self.changed: str | None = None  # how the two differ, which every trial carries from then on
        self.accepted = False  # whether they ever differed
        self.options: dict[str, Any] = {}  # how it was run last, see tune/options.py
        self.task: dict[str, Any] = {}
        self.study_attrs: dict[str, Any] = {}
        self.amendments: list[Record] = []  # how its file was edited while it had trials, see tune/growing.py
        self.earlier: list[Record] = []  # trials of earlier studies that the sampler knows, see tune/borrowed.py
        self.alike: dict[str, str] = {}  # arm -> the arm that runs for it, since both resolve to the same method
        self.refused: dict[str, str] = {}  # arm of a path -> why it is no method and is left out
        self.resolved: set[str] = set()  # arms of a path of which both are known
        self.searched = 0  # settings of the search, or trials of the design
        self.finished = False
        self.active_seconds = 0.0  # that the study has been run for, over all its sessions; no clock on the wall
        self._study: Study | None = None
        self._count = 0  # of records
        for record in records:
            self.apply(record)

    @property
    def study(self) -> Study:
        if self._study is None:
            raise StudyError("the ledger has no study in it: nothing was started")
        return self._study

    def running(self) -> list[Trial]:
        return [self.trials[number] for number in sorted(self.tally.running)]

    def in_state(self, state: str) -> int:
        return self.tally.states[state]

    def apply(self, record: Record) -> None:
        """Take one record in; StudyError where nobody here writes such a one, or it does not fit to those before it."""
        self._count += 1
        try:
            self._apply(record)
        except FOREIGN as error:
            why = f"{type(error).__name__}: {shorten(str(error))}"
            told = f"record {self._count} of the ledger is none that this dfkd-ray writes"
            raise StudyError(f"{told} ({why})") from error

    def _apply(self, record: Record) -> None:
        kind, number = record["kind"], record.get("trial")
        if self._study is None and kind != "study":
            raise StudyError(f"the ledger has lost its first record, the study itself: it begins with {_told(record)}")
        if kind == "asked" and number != len(self.trials):
            raise StudyError(f"the ledger has records that do not fit together: {_told(record)} is out of its turn")
        of = (number,) if kind in OF_A_TRIAL else record.get("trials", ())
        if not self.trials.keys() >= {*of}:
            raise StudyError(f"the ledger has lost records: there is {_told(record)}, which was never asked for")
        self.active_seconds = record.get("active", self.active_seconds)
        getattr(self, TAKES[kind])(record)

    def _started_study(self, record: Record) -> None:
        if record["version"] != VERSION:
            raise StudyError(
                f"the ledger is of version {record['version']}, this dfkd-ray goes on with version {VERSION} alone: "
                f"take the one that began it; its tables are read by `dfkd-ray report` all the same"
            )
        self._study = studies.parse(Document(record["study"], file="ledger"))
        self.provenance, self.methods, self.options = record["provenance"], record["methods"], record["options"]
        self.task = record["task"]
        self.ranks, self._compares = ranks_of(self._study), (self._study.objective[0].metric, guarded(self._study))
        self.begun = self.experiment = record["experiment"]
        self.alike = record.get("alike", {})

    def _resumed(self, record: Record) -> None:
        self.provenance = {**self.provenance, "resumed": [*self.provenance.get("resumed", []), record["provenance"]]}
        self.options = record["options"]
        self.finished = False
        if "experiment" in record:
            self.experiment, self.methods = record["experiment"], record["methods"]
            self.changed, self.accepted = record["changed"], True
        for trial in self.running():
            trial.stalled, trial._mark = 0, trial.epoch

    def _amended(self, record: Record) -> None:
        """The study's file was edited: from here on it is this one, and its trials are points of this space."""
        was, self._study = self.study, studies.parse(Document(record["study"], file="ledger"))
        self.amendments.append(record)
        self.begun, self.experiment = (with_parts(made, record["parts"]) for made in (self.begun, self.experiment))
        of_the_search = moved(self.trials, record["defaults"])
        if not remembers(was, self._study):
            self.study_attrs = {}
            for trial in self.trials.values():
                trial.attrs = {}
        if was.stopper != self._study.stopper:
            self.ranks = ranks_of(self._study, of_the_search)
        if (was.constraints, was.best) != (self._study.constraints, self._study.best):
            self.judge_again(of_the_search)
        if was.constraints != self._study.constraints:
            self.reconsider()

    def _earlier(self, record: Record) -> None:
        if not all(each.keys() >= KNOWN for each in record["known"]):
            raise KeyError(record["folder"])
        self.earlier.append(record)

    def _reopened(self, record: Record) -> None:
        """Failed trials that are run again, from the start: what they failed of may have been mended."""
        for number in record["trials"]:
            old = self.trials[number]
            if old.state == "failed":  # not where its end was damaged, and the ledger repaired
                self.tally.reopened(number, old.reason, old.epoch, old.seconds)
            if self.ranks is not None:
                self.ranks.forget(number)
            self.trials[number] = old.reopened()
            if old.phase is not None:
                self.fresh.reopened(str(old.arm), old.seed)
            else:
                self.settings.reopened(number, old.setting)

    def _round(self, record: Record) -> None:
        self.resolved |= set(record["arms"])
        self.alike = {arm: other for arm, other in self.alike.items() if arm not in self.resolved} | record["alike"]
        self.refused |= record["refused"]

    def _asked(self, record: Record) -> None:
        number = record["trial"]
        planned = {key: record[key] for key in PLANNED if key in record}
        first = planned.get("setting")
        planned["place"] = self.searched if first is None else self.trials[first].place
        trial = Trial(number, record["changes"], record["seed"], changed=self.changed, **planned)
        self.trials[number] = trial
        self.searched += trial.leads
        if trial.phase is None and self.study.seeds:
            self.settings.asked(number, first)
        self.tally.begun(number)
        self.study_attrs |= record["study_attrs"]

    def _started(self, record: Record) -> None:
        trial = self.trials[record["trial"]]
        trial.attempts += 1
        trial.changed = self.changed or trial.changed
        if trial.started is None:
            trial.started = record["time"]

    def _row(self, record: Record) -> None:
        trial = self.trials[record["trial"]]
        taken, ranks = trial.rows.take(record), self.ranks if trial.leads else None
        if taken is not None and ranks is not None and (value := compared(*self._compares, *taken)) is not None:
            ranks.take(trial.number, record["epoch"], value)
        if "picture" in record:
            trial.pictures[record["epoch"]] = Picture(**record["picture"])
        if record.get("method"):
            trial.method_json, trial.fingerprint = json.dumps(record["method"]), record["fingerprint"]
            trial.parameters = record.get("parameters")

    def _accident(self, record: Record) -> None:
        """The trial goes on; its reason says what has happened until it ends."""
        trial = self.trials[record["trial"]]
        if not record["reason"].startswith(leaving.SAVED):  # else it has lost nothing
            trial.stalled = 0 if trial.epoch > trial._mark else trial.stalled + 1
        trial.reason, trial._mark = record["reason"], trial.epoch

    def _ended(self, record: Record) -> None:
        trial = self.trials[record["trial"]]
        trial.state, trial.reason, trial.rung = record["state"], record["reason"], record["rung"]
        trial.values, trial.final = record["values"], record["final"]
        self.tally.ended(trial.number, trial.state, trial.reason, trial.epoch, trial.seconds)
        if trial.phase is not None:
            self.confirm(trial)
        elif not self.study.seeds:
            self.compete(trial)

    def _settled(self, record: Record) -> None:
        number = record["trial"]
        if self.settings.settled(record).state == "complete":
            place = self.study.seeds.index
            runs = sorted(self.runs(number), key=lambda trial: place(trial.seed))
            self.settings.learn([trial.values or () for trial in runs])
            self.compete(self.whole(number))

    def _confirming(self, record: Record) -> None:
        if unknown := {*record["arms"].values()} - {None, *record["trials"]}:
            raise ValueError(f"it confirms {unknown}, and names other trials")
        self.fresh.begun(record, self.study.objective[0].mode or "max")

    def _finished(self, record: Record) -> None:
        self.finished = True


def read_history(folder: Path) -> History:
    """What the ledger in a folder adds up to; StudyError where it cannot be read."""
    history = History()
    ledger.fold(folder / ledger.NAME, history.apply)
    return history


TAKES = {
    **{"study": "_started_study", "resumed": "_resumed", "amended": "_amended", "earlier": "_earlier"},
    **{"reopened": "_reopened", "round": "_round", "asked": "_asked", "confirming": "_confirming"},
    **{"started": "_started", "row": "_row", "accident": "_accident", "ended": "_ended", "finished": "_finished"},
    "settled": "_settled",
}


def _told(record: Record) -> str:
    """`"row" of trial 3`."""
    of = f" of trial {record['trial']}" if "trial" in record else ""
    return f'"{record["kind"]}"{of}'
