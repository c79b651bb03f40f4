"""A published table beside its re-run, and what that says of each claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from dfkd_ray import metrics
from dfkd_ray.report.blocks import Block, Cell, Inline, Mark, Section, Table, Text
from dfkd_ray.report.settings import is_number
from dfkd_ray.report.view import Tables, part
from dfkd_ray.util import words

TITLE = "Published and measured"
OURS = (
    "Here no epoch is chosen by the test split: the best epoch is the one that was best by the study's objective. A "
    "run's best on test is not below its last epoch or this one, and is not known."
)
_VERDICTS = {"holds here": "helps", "fails here": "hurts"}  # how they look
_MARKS = {"read": "read in the paper", "secondary": "from a secondary source"}


def claims(tables: Tables) -> list[Mapping[str, Any]]:
    told = part(tables.note, "published").get("claims")
    return [each for each in told if isinstance(each, Mapping)] if isinstance(told, list) else []


def sentence(tables: Tables) -> str:
    """How the claims of the table fared, as plain text; empty where there are none."""
    found = claims(tables)
    if not found:
        return ""
    counts = Counter(str(each.get("verdict")) for each in found)
    order = [*_VERDICTS, *(verdict for verdict in counts if verdict not in _VERDICTS)]
    plural = {"holds here": "hold here", "fails here": "fail here"}
    said = [f"{counts[v]} {v if counts[v] == 1 else plural.get(v, v)}" for v in order if counts[v]]
    source = part(tables.note, "published").get("source") or "the table"
    return f"Of {words.count(len(found), 'claim')} of {source}, {words.listed(said)}."


def side_by_side(tables: Tables) -> Section | None:
    """The section; None where the study re-runs no published table."""
    told = part(tables.note, "published")
    if not told:
        return None
    above = " · ".join(str(told[key]) for key in ("source", "title") if told.get(key))
    column = told.get("column")
    which = f"Published is the column {column}." if column else "Published is the mean of the columns that are re-run."
    shown: list[Block] = [Text(above, "reading"), Text(f"{which} {_scale(tables, told)}", "note"), *_cells(told)]
    shown += [*_best_on_test(told), *_cut(told), *_claims(claims(tables))]
    return Section(TITLE.lower().replace(" ", "-"), TITLE, TITLE, shown)


def _scale(tables: Tables, told: Mapping[str, Any]) -> str:
    if told.get("scale") == "paper":
        return "The study ran at the paper's scale, so the difference is one of results."
    task = part(tables.note, "task").get("name") or told.get("scale") or "another task"
    return (
        f"The study ran on {task}, not at the paper's scale: the difference of a row says nothing of the paper, "
        "the claims ask for the order of rows alone."
    )


def _cells(told: Mapping[str, Any]) -> list[Table]:
    found = told.get("cells")
    best = bool(told.get("best_on_test"))
    rows = [_cell(each, best) for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []
    unit = told.get("unit") or "points"
    head = ["Row", "Published", "Mark", "Measured", f"95{words.NBSP}% interval", "n", "Measured minus published"]
    if told.get("best_on_test"):
        head[3], head[6:] = "Last epoch", ["Last minus published", "Best epoch", "Best minus published"]
    return [Table(head, rows, f"The table's rows and this study's arms, {unit}")] if rows else []


def _cell(row: Mapping[str, Any], best: bool) -> list[Inline | Cell]:
    mark = str(row.get("mark") or "")
    at_best = [_number(row.get("best")), _number(row.get("best_difference"), signed=True)] if best else []
    return [
        str(row.get("row") or ""),
        _number(row.get("published"), digits=2),
        _MARKS.get(mark, mark),
        _number(row.get("measured")),
        _interval(row, "t_low", "t_high"),
        _number(row.get("n"), digits=0),
        _number(row.get("difference"), signed=True),
        *at_best,
    ]


def _best_on_test(told: Mapping[str, Any]) -> list[Text]:
    """Which epoch is compared with which, where the source chose its own by the split it reports."""
    code = told.get("best_on_test")
    if not code:
        return []
    return [
        Text(f"The published numbers are of the epoch that was best on the split they report ({code}). {OURS}", "note")
    ]


def _cut(told: Mapping[str, Any]) -> list[Text]:
    whose = told.get("cut")
    said = metrics.cut(str(told.get("metric")), [str(row) for row in whose]) if isinstance(whose, list) else ""
    return [Text(said, "note")] if said else []


def _claims(found: Sequence[Mapping[str, Any]]) -> list[Table]:
    """Each claim with its difference here and its verdict."""
    rows: list[list[Inline | Cell]] = [
        [
            Cell(str(each.get("text") or ""), wide=True),
            {"text": "in words", "table": "by its numbers"}.get(str(each.get("by")), str(each.get("by") or "")),
            _number(each.get("published"), digits=2, signed=True),
            _number(each.get("difference"), signed=True),
            _interval(each, "low", "high"),
            _number(each.get("pairs"), digits=0),
            Mark(str(each.get("verdict") or ""), "verdict", _VERDICTS.get(str(each.get("verdict")), "open")),
        ]
        for each in found
    ]
    head = ["Claim", "Claimed", "Published", "Here", f"95{words.NBSP}% interval", "Pairs", "Verdict"]
    return [Table(head, rows, "What the table claims, as differences of its rows")] if rows else []


def _number(value: Any, digits: int = 1, signed: bool = False) -> Cell:
    if not is_number(value):
        return Cell(words.DASH, number=True)
    said = f"{abs(value):.{digits}f}"
    sign = "" if not float(said) else words.MINUS if value < 0 else "+" if signed else ""
    return Cell(f"{sign}{said}", float(value), number=True)


def _interval(row: Mapping[str, Any], *ends: str) -> Cell:
    low, high = (row.get(end) for end in ends)
    if not is_number(low) or not is_number(high):
        return Cell(words.DASH, number=True)
    said = (f"{words.MINUS if end < 0 else ''}{abs(end):.1f}" for end in (low, high))
    return Cell(" to ".join(said), float(low), number=True)
