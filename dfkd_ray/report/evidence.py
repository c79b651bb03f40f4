"""The evidence at the end of the page: what failed, what it cost, where the numbers come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfkd_ray.report import thinning
from dfkd_ray.report.asked import configured
from dfkd_ray.report.blocks import Block, Cell, Code, Facts, Folded, Inline, Listing, Mark, Section, Table, Text
from dfkd_ray.report.view import Tables, mapping, part
from dfkd_ray.util import words, yamls

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
    rows: list[list[Inline | Cell]] = [
        [
            str(t.number),
            Mark(t.state, "state", t.state),
            words.number(t.row["epochs"]),
            Cell(t.row["reason"] or words.DASH, wide=True),
        ]
        for t in sorted(ended, key=lambda t: t.state)[: thinning.ROWS]
    ]
    if len(rows) < len(ended):
        count = f"{words.number(len(rows))} of {words.number(len(ended))} trials that did not complete"
        said += f" Shown are {count}, those that failed first; the reasons of all are in trials.arrow."
    listing = Table(["Trial", "State", "Epochs", "Reason"], rows, "Trials that did not complete")
    return _section("failures", "Failures and early stops", Text(said), *([listing] if rows else []))


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
    return _section("budget", "What it cost", Facts(pairs))


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
