"""Set aside what is damaged in a ledger, and say what that costs: a study goes on with what is left.

Line ends and encodings that a tool has converted are brought back. The file as it was is kept beside the new one.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfkd_ray.tune import salvage
from dfkd_ray.tune.history import OF_A_TRIAL, History
from dfkd_ray.tune.ledger import END, NAME, UTF16, Record, decode, encode, is_torn, locked, refusal
from dfkd_ray.tune.trials import CONFIRM, LOST
from dfkd_ray.util import folders, store
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.words import typed

_GUESS = re.compile(rb'"kind":"(\w+)"|"trial":(\d+)|"epoch":(\d+)')


@dataclass
class Repaired:
    """What became of a ledger.

    lines: of the new one. aside: (line of the old one, what it was and what it costs, bytes) of all others.
    told: what else the study has lost or got back. original, damaged: the files that keep what was there.
    """

    history: History
    lines: list[bytes] = field(default_factory=list)
    aside: list[tuple[int, str, bytes]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    original: Path | None = None  # None: nothing was wrong
    damaged: Path | None = None  # None: nothing had to be set aside


def repair(folder: Path) -> Repaired:
    """Repair the ledger of a study; nothing is written where it is whole.

    StudyError where there is nothing to go on with: without the first record the study itself is not known.
    """
    path = folder / NAME
    if not path.exists():
        raise StudyError(f"{folder} holds no study to repair: there is no {NAME}")
    if (there := store.of(folder)) is not None:
        raise StudyError(
            f"{folder} is the copy of {there.url}, whose ledger is never changed: to go on without what is damaged, "
            f"copy {folder} without {store.NAME}, and repair and resume that"
        )
    with locked(folder):
        data = path.read_bytes()
        pieces = list(_pieces(data))
        found = [(number, piece, decode(piece)) for number, piece in pieces]
        first = next((record for _, _, record in found if record is not None), None)
        if first is None and not is_torn(data):
            raise StudyError(refusal(path, data, 1).partition("; take it")[0] + "; nothing of it can be repaired")
        if first is not None and first["kind"] != "study":
            raise StudyError(
                f"{path}: the first record, the study itself, is lost, so it cannot be continued; take the file from a "
                f"copy. What its tables know: dfkd-ray report {typed(folder)}"
            )
        done = _folded(folder, found)
        whole = b"".join(done.lines)
        if not (data.startswith(whole) and is_torn(data[len(whole) :])):
            _write(path, whole, done)
        return done


def _pieces(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(line from 1, bytes of one record): each line, or what is in it where a line end is lost or converted."""
    encoding = UTF16.get(data[:2])
    if encoding is not None:
        data = data.decode(encoding, "replace").encode()
    *lines, tail = data.split(b"\n")
    for number, line in enumerate([*lines, *([] if is_torn(tail) else [tail])], 1):
        if decode(line) is not None:
            yield number, line
            continue
        for piece in END.split(line):
            begun = piece[max(piece.find(b"{"), 0) :]  # before it: a mark of the encoding, or what was a line end
            if len(piece) > 1 and piece.strip():
                yield number, begun if decode(begun) is not None else piece


def _folded(folder: Path, found: list[tuple[int, bytes, Record | None]]) -> Repaired:
    """The records that a history takes, one after another."""
    done, others_say = Repaired(History()), salvage.asked(folder)
    asked = [record["trial"] for _, _, record in found if record is not None and record["kind"] == "asked"]
    for number, piece, record in found:
        if record is None:
            done.aside.append((number, _guess(piece), piece))
            continue
        if record.get("trial") is not None:
            _fill(done, record, others_say, max(asked, default=-1))
        why = _unfit(done.history, record)
        if why is None:
            done.history.apply(record)
            done.lines.append(piece + b"\n")
        else:
            done.aside.append((number, why, piece))
    _fill_gaps(folder, done)
    done.told += _left(done)
    return done


def _fill(done: Repaired, record: Record, others_say: Mapping[int, tuple[Record, str]], last: int) -> None:
    """What was asked for before this record, and is lost: from who else knows, else an empty place among the trials.

    Samplers count trials, so that a later one cannot move up.
    """
    there = done.history.trials
    while len(there) < record["trial"] + (record["kind"] in OF_A_TRIAL):
        number, clock = len(there), {"time": record["time"], "trial": len(there)}
        if number in others_say:
            planned, who = others_say[number]
            if planned.get("arm") and done.history.study.ablation is None:
                planned = {**planned, "phase": CONFIRM}  # a card does not say
            new = [{"kind": "asked", **clock, **planned, "attrs": {}, "study_attrs": {}}]
            done.told.append(f"trial {number}: what was asked for is taken from {who}")
        elif number < last:
            blank = {"changes": {}, "seed": done.history.study.each_seed[0], "attrs": {}, "study_attrs": {}}
            end: Record = {"state": "failed", "reason": LOST, "rung": None, "values": None, "final": {}}
            new = [{"kind": "asked", **clock, **blank}, {"kind": "ended", **clock, **end}]
            done.told.append(f"trial {number} is lost: nobody knows what was asked for")
        else:
            return
        for each in new:
            done.history.apply(each)
            done.lines.append(encode(each))


def _unfit(history: History, record: Record) -> str | None:
    """Why a sound record cannot be kept."""
    kind, number = record["kind"], record.get("trial")
    if kind == "asked" and number != len(history.trials):
        return f"trial {number} was asked for twice"
    lost = [each for each in record.get("trials", ()) if each not in history.trials]
    if lost:
        return f'"{kind}" of trial {", ".join(map(str, lost))}, which is lost'
    if kind not in OF_A_TRIAL:
        return None
    assert number is not None
    trial = history.trials.get(number)
    if trial is None or trial.reason == LOST:
        return f'"{kind}" of trial {number}, which is lost'
    if kind == "ended" and trial.state != "running":
        return f"trial {number} ended twice"
    if kind == "settled" and any(each.state == "running" for each in history.runs(number)):
        return f"the end of the setting of trial {number}, of which a trial runs again"
    if kind == "settled" and number not in history.settings.open:
        return f"the setting of trial {number} has ended"
    whole = trial.last is not None and trial.last["last"]
    if kind == "ended" and record["state"] == "complete" and not whole:
        return f"the end of trial {number}, whose last epoch is lost: it runs again"
    return None


def _guess(piece: bytes) -> str:
    """What a damaged line was, as far as it can be read."""
    said: dict[int, str] = {}
    for match in _GUESS.finditer(piece):
        assert match.lastindex is not None
        said.setdefault(match.lastindex, match[match.lastindex].decode())
    kind, trial, epoch = (said.get(place) for place in (1, 2, 3))
    of = "" if trial is None else f" of trial {trial}" + ("" if epoch is None else f", epoch {epoch}")
    cost = {
        "ended": ": it runs again where its last epoch does not tell how it ended",
        "row": ": its numbers are lost",
        "amended": ": the study is what it was before; sweep the edited file again, and it is taken up again",
    }
    return f'damaged; it reads as "{kind}"{of}{cost.get(kind, "")}' if kind else "damaged, and cannot be read"


def _gaps(history: History) -> dict[int, list[int]]:
    """The epochs before its last that a trial lacks."""
    lacking = {number: sorted({*range(1, each.epoch)} - {*each.rows}) for number, each in history.trials.items()}
    return {number: epochs for number, epochs in lacking.items() if epochs}


def _fill_gaps(folder: Path, done: Repaired) -> None:
    """What the tables know of lost epochs of trials that have ended; one that runs reports them again."""
    ended = {n: epochs for n, epochs in _gaps(done.history).items() if done.history.trials[n].state != "running"}
    for record in salvage.rows(folder, ended) if ended else []:
        record["time"] = 0.0
        done.history.apply(record)
        done.lines.append(encode(record))
        done.told.append(f"trial {record['trial']}: epoch {record['epoch']} is taken from steps.arrow")


def _left(done: Repaired) -> Iterator[str]:
    """What the study lacks now, and what is run on."""
    for number, missing in _gaps(done.history).items():
        again = ", and gets it back" if done.history.trials[number].state == "running" else ""
        yield f"trial {number} lacks epoch {', '.join(map(str, missing))}{again}"
    if running := [str(trial.number) for trial in done.history.running()]:
        yield f"to be run on by `resume`: trial {', '.join(running)}"


def _write(path: Path, written: bytes, done: Repaired) -> None:
    """The original first, then what is set aside, then the new ledger: a crash in between loses nothing."""
    count = next(i for i in range(1, 10_000) if not _beside(path, "original", i).exists())
    done.original = _beside(path, "original", count)
    with atomic_write(done.original) as copy, path.open("rb") as there:
        shutil.copyfileobj(there, copy)
    if done.aside:
        done.damaged = _beside(path, "damaged", count)
        with atomic_write(done.damaged) as file:
            for number, why, piece in done.aside:
                told: Mapping[str, Any] = {"line": number, "why": why, "bytes": piece.decode("latin-1")}
                file.write(json.dumps(told).encode() + b"\n")
    with atomic_write(path) as file:
        file.write(written)
    number = len(done.history.trials)
    while (unknown := folders.of_trial(path.parent, number)).exists():  # of one that is lost: its number is given again
        for checkpoint in unknown.glob("checkpoint*"):
            checkpoint.unlink()
        number += 1


def _beside(path: Path, what: str, count: int) -> Path:
    return path.with_name(f"ledger.{what}-{count}.jsonl")
