"""What a study's records add up to: its trials and how they stand. Pure: no clock, no file."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dfkd_ray import study as studies
from dfkd_ray.stats import front as pareto
from dfkd_ray.study import Objective, Study
from dfkd_ray.tune.ledger import Record
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.yamls import Document

VERSION = 3  # of the records: 1 had no methods and no options in its first one, 2 no experiment, and its pictures in it
REUSED = "reused: "  # how the reason of a trial begins that an earlier study has run
ROW = ("epoch", "seconds", "metrics", "last", "final", "host", "device", "peak_memory")


@dataclass
class Trial:
    """One trial as far as the ledger knows it."""

    number: int
    changes: Mapping[str, Any]  # as proposed
    seed: int
    arm: str | None = None
    draw: int = 0  # of the nuisance draws that all arms of an ablation share
    tuning: int | None = None  # its number in the search of its arm; None: it counts for the effects
    attrs: Mapping[str, Any] = field(default_factory=dict)  # what the sampler remembers of it
    reused: str | None = None  # whose it is, where a trial of an earlier study is to be taken over
    state: str = "running"
    reason: str | None = None
    rung: int | None = None
    values: list[float] | None = None  # what the sampler was told
    final: Mapping[str, float] = field(default_factory=dict)
    rows: dict[int, Record] = field(default_factory=dict)  # by epoch
    pictures: dict[int, bytes] = field(default_factory=dict)
    method: Mapping[str, Any] | None = None
    fingerprint: str | None = None
    started: float | None = None
    attempts: int = 0
    changed: str | None = None  # what was another than when the study was begun, where that was accepted

    @property
    def epoch(self) -> int:
        return max(self.rows, default=0)

    @property
    def last(self) -> Record | None:
        return self.rows[self.epoch] if self.rows else None

    @property
    def seconds(self) -> float | None:
        return self.rows[self.epoch]["seconds"] if self.rows else None

    def curve(self, metric: str) -> dict[int, float]:
        """Epoch -> value of a metric."""
        return {epoch: row["metrics"][metric] for epoch, row in self.rows.items() if metric in row["metrics"]}

    def best_epoch(self, objective: Objective) -> int | None:
        """The epoch where an objective is best (the first of equals), or None where it is nowhere finite."""
        finite = {e: v * objective.sign for e, v in sorted(self.curve(objective.metric).items()) if math.isfinite(v)}
        return max(finite, key=lambda epoch: finite[epoch]) if finite else None


class History:
    """The fold over a study's records: `apply` is the only way that anything in here changes."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.trials: dict[int, Trial] = {}
        self.ended: list[int] = []  # in the order of their ends
        self.provenance: dict[str, Any] = {}
        self.methods: dict[str, Any] = {}  # by name as the study has it: the method as the experiment has it
        self.begun: dict[str, Any] = {}  # the experiment that it was begun as, see tune/differences.py
        self.experiment: dict[str, Any] = {}  # that which it is now, where changes were accepted
        self.changed: str | None = None  # how the two differ, which every trial carries from then on
        self.accepted = False  # whether they ever differed
        self.options: dict[str, Any] = {}  # how it was run last, see tune/options.py
        self.task: dict[str, Any] = {}
        self.study_attrs: dict[str, Any] = {}
        self.alike: dict[str, str] = {}  # arm -> the arm that runs for it, since both resolve to the same method
        self.refused: dict[str, str] = {}  # arm of a path -> why it is no method and is left out
        self.resolved: set[str] = set()  # arms of a path of which both are known
        self.finished = False
        self.active_seconds = 0.0
        self._study: Study | None = None
        self._clock: float | None = None
        for record in records:
            self.apply(record)

    @property
    def study(self) -> Study:
        if self._study is None:
            raise StudyError("the ledger has no study in it: nothing was started")
        return self._study

    def running(self) -> list[Trial]:
        return [trial for trial in self.trials.values() if trial.state == "running"]

    def in_state(self, state: str) -> int:
        return sum(trial.state == state for trial in self.trials.values())

    def complete(self) -> list[Trial]:
        return [trial for trial in self.trials.values() if trial.state == "complete"]

    def points(self, trials: Iterable[Trial]) -> dict[int, list[float]]:
        """Of each of these trials that is complete its objectives, higher is better: see `stats.front`."""
        signs = [objective.sign for objective in self.study.objective]
        complete = [trial for trial in trials if trial.state == "complete" and trial.values]
        return {t.number: [value * sign for value, sign in zip(t.values or (), signs)] for t in complete}

    def best(self) -> Trial | None:
        """The best complete trial by the first objective."""
        number = pareto.best(self.points(self.trials.values()))
        return None if number is None else self.trials[number]

    def front(self) -> list[Trial]:
        """The best complete trials: one for one objective, for several all that none dominates."""
        best = self.best()
        if best is None or len(self.study.objective) == 1:
            return [] if best is None else [best]
        return [self.trials[number] for number in pareto.front(self.points(self.trials.values()))]

    def active(self, now: float) -> float:
        """Seconds that the study has been run for, over all its sessions."""
        return self.active_seconds + (0.0 if self._clock is None else max(0.0, now - self._clock))

    def apply(self, record: Record) -> None:
        """Take one record in."""
        time = record["time"]
        fresh = record["kind"] in ("study", "resumed")
        if not fresh and self._clock is not None:
            self.active_seconds += max(0.0, time - self._clock)
        self._clock = time
        take = {
            "study": self._started_study,
            "resumed": self._resumed,
            "round": self._round,
            "asked": self._asked,
            "started": self._started,
            "row": self._row,
            "picture": self._picture,
            "ended": self._ended,
            "finished": self._finished,
        }[record["kind"]]
        take(record)

    def _started_study(self, record: Record) -> None:
        if record["version"] != VERSION:
            raise StudyError(
                f"the ledger is of version {record['version']}, this dfkd-ray goes on with version {VERSION} alone: "
                f"take the one that began it; its tables are read by `dfkd-ray report` all the same"
            )
        self._study = studies.parse(Document(record["study"], file="ledger"))
        self.provenance, self.methods, self.options = record["provenance"], record["methods"], record["options"]
        self.task = record["task"]
        self.begun = self.experiment = record["experiment"]
        self.alike = record.get("alike", {})

    def _resumed(self, record: Record) -> None:
        self.provenance = {**self.provenance, "resumed": [*self.provenance.get("resumed", []), record["provenance"]]}
        self.options = record["options"]
        self.finished = False
        if "experiment" in record:
            self.experiment, self.methods = record["experiment"], record["methods"]
            self.changed, self.accepted = record["changed"], True

    def _round(self, record: Record) -> None:
        self.resolved |= set(record["arms"])
        self.alike = {arm: other for arm, other in self.alike.items() if arm not in self.resolved} | record["alike"]
        self.refused |= record["refused"]

    def _asked(self, record: Record) -> None:
        number = record["trial"]
        planned = {key: record[key] for key in ("arm", "draw", "tuning", "attrs", "reused") if key in record}
        self.trials[number] = Trial(number, record["changes"], record["seed"], changed=self.changed, **planned)
        self.study_attrs |= record["study_attrs"]

    def _started(self, record: Record) -> None:
        trial = self.trials[record["trial"]]
        trial.attempts += 1
        trial.changed = self.changed or trial.changed
        if trial.started is None:
            trial.started = record["time"]

    def _row(self, record: Record) -> None:
        trial = self.trials[record["trial"]]
        trial.rows.setdefault(record["epoch"], {key: record.get(key) for key in ROW})
        if record.get("method"):
            trial.method, trial.fingerprint = record["method"], record["fingerprint"]

    def _picture(self, record: Record) -> None:
        self.trials[record["trial"]].pictures[record["epoch"]] = base64.b64decode(record["picture"])

    def _ended(self, record: Record) -> None:
        trial = self.trials[record["trial"]]
        trial.state, trial.reason, trial.rung = record["state"], record["reason"], record["rung"]
        trial.values, trial.final = record["values"], record["final"]
        self.ended.append(trial.number)

    def _finished(self, record: Record) -> None:
        self.finished = True
