"""The evidence at the end of the page: what failed, what it cost, where the numbers come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dfkd_ray.report import thinning
from dfkd_ray.report.asked import configured
from dfkd_ray.report.blocks import Block, Cell, Code, Facts, Folded, Inline, Listing, Mark, Section, Table, Text
from dfkd_ray.report.notes import fused
from dfkd_ray.report.trial import TrialRow
from dfkd_ray.report.view import Tables, mapping, part
from dfkd_ray.util import words, yamls

_NAMED = 12  # trials of one reason
_RECORD = {
    "commit": "Commit",
    "dfkd_ray": "dfkd-ray",
    "python": "Python",
    "torch": "PyTorch",
    "ray": "Ray",
    "optuna": "Optuna",
    "runner": "Runner",
    "host": "Host",
    "platform": "Platform",
    "cpus": "CPUs",
    "started": "Started",
    "written": "Tables written",
}


def failures(tables: Tables) -> Section:
    ended = [t for t in tables.all if t.state in ("failed", "pruned")]
    failed = sum(t.state == "failed" for t in ended)
    said = f"{words.count(failed, 'trial')} failed." if failed else "No trial failed."
    groups: dict[tuple[str, str], list[TrialRow]] = {}
    for trial in sorted(ended, key=lambda t: t.state):
        groups.setdefault((trial.state, alike(trial.row["reason"] or words.DASH)), []).append(trial)
    rows: list[list[Inline | Cell]] = [
        [
            Mark(words.state(state), "state", state),
            Cell(own[0].row["reason"] or words.DASH if len(own) == 1 else reason, wide=True),
            Cell(words.number(len(own)), float(len(own)), number=True),
            Cell(words.some([str(t.number) for t in own], _NAMED), wide=True),
        ]
        for (state, reason), own in sorted(groups.items(), key=lambda group: (group[0][0], -len(group[1])))
    ]
    head = ["State", "Reason", "Trials", "Which"]
    if len(rows) > thinning.ROWS:
        said += f" Shown are the {thinning.ROWS} most frequent of {len(rows)} reasons; all are in the table of trials."
    listing = Table(head, rows[: thinning.ROWS], "Trials that did not complete, by reason")
    return _section("failures", "Failures and early stops", Text(said), *([listing] if rows else []))


def alike(reason: str) -> str:
    """A reason without its numbers: one word for what differs in the epoch or the value alone."""
    return re.sub(r"(?<![\w.])[-+]?\d[\d.]*(e[-+]?\d+)?(?![\w])", "…", reason)


def budget(tables: Tables) -> Section:
    seconds = [t.row["seconds"] for t in tables.all if t.row["seconds"] is not None]
    stopped = [t.row["seconds"] for t in tables.all if t.state == "pruned" and t.row["seconds"] is not None]
    peak = max((t.row["peak_memory"] or 0 for t in tables.all), default=0)
    repeated = [f"trial {t.number} ({t.row['attempts']})" for t in tables.all if (t.row["attempts"] or 1) > 1]
    pairs = [
        ("Work, all trials", words.duration(sum(seconds)) if seconds else None),
        ("Longest trial", words.duration(max(seconds)) if seconds else None),
        ("In stopped trials", words.duration(sum(stopped)) if stopped else None),
        ("Epochs, all trials", words.number(sum(t.row["epochs"] or 0 for t in tables.all))),
        ("Peak memory of a trial", words.memory(peak) if peak else "not recorded"),
        ("More than one attempt", words.some(repeated, 100)),
        ("Resources of a trial", configured(tables.study.get("resources"))),
    ]
    many = fused(tables.note)
    shared = (
        f"Up to {many} trials shared a process (fuse): the time of each is that of the clock, of which the others took "
        f"their part, and its memory is that of all."
    )
    return _section("budget", "What it cost", Facts(pairs), *([Text(shared, "note")] if many > 1 else []))


def provenance(tables: Tables) -> Section:
    places = sorted({" ".join(filter(None, (t.row["host"], t.row["device"]))) for t in tables.all} - {""})
    seeds = sorted({str(t.row["seed"]) for t in tables.all if t.row["seed"] is not None}, key=int)
    pairs = [
        *recorded(tables.note),
        ("Trials ran on", ", ".join(places)),
        ("Seeds of the trials", words.shorten(", ".join(seeds), 120)),
        (
            "Fingerprint of the best",
            Code(tables.best.row["fingerprint"] or "not recorded") if tables.best else None,
        ),
    ]
    missing = Text("The tables hold no record of versions, host or commit.", "note")
    known = bool(part(tables.note, "provenance"))
    study = folded("The study file, every default filled in", tables.study)
    best = mapping(tables.best.row["method"]) if tables.best else {}
    method = folded("The method of the best trial, every default filled in", best)
    shown: list[Block] = [*([] if known else [missing]), Facts(pairs), *study, *method]
    return _section("provenance", "Provenance", *shown)


def _section(identity: str, title: str, *shown: Block) -> Section:
    return Section(identity, title, title, shown)


def recorded(note: Mapping[str, Any]) -> list[tuple[str, object]]:
    """Command, commit, versions and host, as the metadata of a table has them."""
    record = part(note, "provenance")
    if record.get("dirty"):
        record = {**record, "commit": f"{record['commit']}, with changes that are not committed"}
    order = [*_RECORD, *(name for name in record if name not in _RECORD and name not in ("command", "dirty"))]
    known = [(_RECORD.get(name, name), words.setting(record[name])) for name in order if record.get(name) is not None]
    command = record.get("command")
    return [("Command", Code(command) if command else "not recorded"), *known]


def folded(title: str, data: object) -> list[Folded]:
    """Data as YAML that opens at a click; nothing where there is none."""
    written = yamls.dump(data, allow_unicode=True, width=100)
    return [Folded(title, [Listing(written)])] if data else []
