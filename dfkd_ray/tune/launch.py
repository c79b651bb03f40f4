"""Start a study in a folder, or go on with the one that is there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dfkd_ray import study as studies
from dfkd_ray.study import Study
from dfkd_ray.study.arms import Walk
from dfkd_ray.tune import serial_runner
from dfkd_ray.tune.duplicates import find_duplicates
from dfkd_ray.tune.history import VERSION, History, read_history
from dfkd_ray.tune.interrupts import Interrupted
from dfkd_ray.tune.ledger import NAME, Ledger, Record, locked
from dfkd_ray.tune.observers import Observer
from dfkd_ray.tune.observers.table_writer import TableWriter
from dfkd_ray.tune.observers.tracking import listening
from dfkd_ray.tune.options import NOTHING_SAID, Options
from dfkd_ray.tune.ray_setup import environment
from dfkd_ray.tune.reuse import Finished, Key, library
from dfkd_ray.tune.summing import Summary, summary_of
from dfkd_ray.tune.trials import LOST
from dfkd_ray.tune.tuner import Reuse, Tuner
from dfkd_ray.tune.work import Work
from dfkd_ray.util import store
from dfkd_ray.util.errors import ConfigError, Problem, StudyError
from dfkd_ray.util.files import why
from dfkd_ray.util.words import typed


@dataclass(frozen=True)
class StudyFacts:
    """What a ledger says of a study beside its file: versions and command, the task, the methods that it names as they
    were when it began, so that whoever resumes needs none of their files, and the experiment that it is by digests of
    all that decides results, see tune/differences.py."""

    provenance: Mapping[str, Any]
    task: Mapping[str, Any]
    methods: Mapping[str, Any]
    experiment: Mapping[str, Any] = field(default_factory=dict)


def start(
    study: Study,
    work: Work,
    folder: Path,
    facts: StudyFacts,
    options: Options = NOTHING_SAID,
    *observers: Observer,
    earlier: Iterable[Record] = (),
) -> Summary:
    """Run a study to its end. earlier: records of trials that its sampler knows, see tune/borrowed.py.

    A folder that has a ledger is refused, unless `options.fresh`: then it is moved aside, never deleted. Raises
    StudyError, and Interrupted (exit code 130) after Ctrl-C.
    """
    check_share(study, options)
    options = options if options.track else replace(options, track=study.track)
    known, trackers = library(options.reuse, facts.task, study.ablation is None), listening(options.track)
    if options.fresh and (there := store.of(folder)) is not None and there.names():
        raise StudyError(f"{there.url} holds a study, and --fresh moves none in a store: name another with --out")
    if options.fresh and (folder / NAME).exists():
        _move_aside(folder)
    with Ledger(folder, lambda record: None) as ledger:  # how many there are is enough
        if ledger.count > 1:
            raise held_already(folder)
        ledger.clear()  # of a start that got no further than its first record
        record = first_record(study, facts, options, time.time(), alike(study, work))
        history = History(ledger.append_all([record, *earlier]))
        return _run(ledger, history, folder, work, options, _reuse(known, work, study), (*trackers, *observers))


def check_share(study: Study, options: Options) -> None:
    """ConfigError where what was said of a trial's share does not go with the rest of the study."""
    replace(study, resources=options.resources(study.resources))


def held_already(folder: Path, done: bool = False) -> StudyError:
    """The error of a folder with a study, which asks for nothing that is not there; done: it is a sweep to its end."""
    place = typed(store.place_of(folder))
    state, way = (", finished", "more trials") if done else ("", "resume")
    more = " --trials N" if done else ""
    return StudyError(
        f"{folder} holds a study already{state}; {way} with: dfkd-ray resume {place}{more} "
        f"(or start afresh with --fresh, which moves it aside)"
    )


def first_record(
    study: Study, facts: StudyFacts, options: Options, clock: float, alike: Mapping[str, str] | None = None
) -> Record:
    """The first record of a ledger; `alike`: arms that another arm runs for."""
    head = {"kind": "study", "time": clock, "version": VERSION, "study": studies.plain(study)}
    return {**head, **vars(facts), "options": options.plain(), "alike": dict(alike or {})}


def resume(
    folder: Path,
    make: Callable[[History, Options], tuple[Work, Mapping[str, Any]]],
    options: Options = NOTHING_SAID,
    *observers: Observer,
    failed: bool = False,
) -> Summary:
    """Go on with a study that was interrupted or killed: running trials from their checkpoints, then the rest.
    failed: those that failed are run again as well, from the start.

    make: the work of what the ledger says, under the options that hold: those of the last session, and what was said
    over them; and what the ledger's record keeps of the session (its provenance; the experiment and how it is changed,
    where that was accepted). What make has amended in the history, or borrowed, is written once nothing refuses it.
    """
    if not (folder / NAME).exists() and store.of(folder) is None:
        raise StudyError(f"{folder} holds no study to resume: there is no {NAME}")
    history = History()
    with Ledger(folder, history.apply) as ledger:
        if not ledger.count:
            raise StudyError(f"{folder} holds no study to resume: {NAME} is empty")
        options = options.over(Options.of(history.options))
        trackers = listening(options.track)
        amended, known = len(history.amendments), len(history.earlier)
        work, session = make(history, options)
        check_share(history.study, options)
        ledger.append_all([*history.amendments[amended:], *history.earlier[known:]])
        sweep, there = history.study.ablation is None, [path for path in options.reuse if path.exists()]
        finished = library(there, history.task, others=sweep)
        record = {"kind": "resumed", "time": time.time(), "options": options.plain(), **session}
        history.apply(ledger.append(record))
        numbers = [t.number for t in history.trials.values() if t.state == "failed" and t.reason != LOST]
        if failed and numbers:
            again = {"kind": "reopened", "time": time.time(), "trials": numbers}
            history.apply(ledger.append(again))
        reuse = _reuse(finished, work, history.study)
        return _run(ledger, history, folder, work, options, reuse, (*trackers, *observers))


def summary(folder: Path) -> Summary:
    """What the ledger in a folder says; reads only, so it may be asked while the study runs."""
    return summary_of(read_history(folder), folder)


def alike(study: Study, work: Work) -> dict[str, str]:
    """Arms of an ablation that resolve to the same method as another arm -> that one; a path is asked in each round.

    ConfigError for an arm that is no method.
    """
    if study.ablation is None or isinstance(study.ablation.design, Walk):
        return {}
    found = find_duplicates(study.ablation.arms, work.fingerprint)
    if found.refused:
        raise ConfigError(Problem(f"arms.{arm}", why) for arm, why in found.refused.items())
    return found.alike


def _reuse(known: Mapping[Key, Finished], work: Work, study: Study) -> Reuse:
    """What to take over: what has been run with the same seed, and reports what this study goes by."""
    if not known:
        return lambda changes, seed: None

    def find(changes: Mapping[str, Any], seed: int) -> Finished | None:
        found = known.get((work.fingerprint(changes), seed))
        goals = [*(each.metric for each in study.objective), *(each.metric for each in study.constraints)]
        return found if found is not None and all(map(found.reports, goals)) else None

    return find


def _run(
    ledger: Ledger,
    history: History,
    folder: Path,
    work: Work,
    options: Options,
    reuse: Reuse,
    observers: Iterable[Observer],
) -> Summary:
    def fingerprint(changes: Mapping[str, Any]) -> str:
        return work.fingerprint(changes)

    told = (TableWriter(options.parquet), *observers)
    tuner = Tuner(ledger, history, folder, work.max_epochs, options, told, reuse=reuse, fingerprint=fingerprint)
    try:
        if options.runner == "serial":
            serial_runner.run(tuner, work)
        else:
            with environment(options.address):
                from dfkd_ray.tune import ray_runner

                ray_runner.run(tuner, work, options)
    except KeyboardInterrupt as stopped:
        raise Interrupted(tuner.folder, getattr(stopped, "cause", None)) from None
    except OSError as error:  # of the ledger, say: where nothing can be written down, nothing can be run
        raise Interrupted(tuner.folder, why(error)) from error
    finally:
        tuner.close()
    return summary_of(tuner.history, tuner.folder)


def _move_aside(folder: Path) -> None:
    with locked(folder):  # nobody is writing it
        aside = next(path for i in range(1, 10_000) if not (path := folder.with_name(f"{folder.name}.old{i}")).exists())
        folder.rename(aside)
