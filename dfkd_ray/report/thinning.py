"""Which trials of a large study are drawn one by one: what no eye tells apart is left out, and the chart says so.

Of a study with fewer trials than a chart has room for, all are drawn. Of a larger one always the best, those of the
Pareto front and those that the chart itself names; then the best few; then an even sample of the others.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa

from dfkd_ray.report.trial import TrialRow
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words

MARKS = 500  # trials as marks: more of them lie on one another
PANEL = 300  # the same in a small panel
LINES = 200  # trials as lines
BESIDE = 50  # trials as lines where a band stands for the others
POINTS = 600  # epochs of a line: an epoch a pixel
ROWS = 500  # trials that a page knows in full
LISTED = 10_000  # trials in the table to work with
BEST = 10  # one in so many of what is drawn is of the best
_KEY = b"thinned"  # in the metadata of a chart's rows: what is left out, in sentences


def drawn(
    found: Sequence[TrialRow], tables: Tables, most: int, named: Collection[int] = (), few: int | None = None
) -> list[TrialRow]:
    """These trials, in their order, or of more than `most` about so many, or about `few`.

    named: numbers of those that are never left out. The sample is even in what the trials of each state have reached,
    so it has their quantiles, and it is always the same.
    """
    if len(found) <= most:
        return list(found)
    most = few or most
    kept = always(found, tables, most // BEST) | set(named)
    rest = sorted((t for t in found if t.number not in kept), key=lambda t: (t.state, _poorness(t, tables)))
    room = max(most - len(kept), most // BEST)
    kept |= {rest[place].number for place in np.linspace(0, len(rest) - 1, min(room, len(rest))).round().astype(int)}
    return [trial for trial in found if trial.number in kept]


def listed(tables: Tables) -> list[TrialRow]:
    """The trials of the table of trials, by number: all, or about LISTED, the best ones."""
    if len(tables.all) <= LISTED:
        return list(tables.all)
    kept = always(tables.all, tables, LISTED)
    return [trial for trial in tables.all if trial.number in kept]


def always(found: Sequence[TrialRow], tables: Tables, few: int) -> set[int]:
    """The numbers of the best, of those of the front where there are several objectives, and of the `few` best."""
    front = tables.front if len(tables.objectives) > 1 else ()
    ranked = sorted(found, key=lambda t: (not t.complete, _poorness(t, tables)))
    named = {trial.number for trial in (tables.best, *front, *ranked[:few]) if trial is not None}
    return named & {trial.number for trial in found}


def _poorness(trial: TrialRow, tables: Tables) -> tuple[bool, float, int]:
    return trial.value is None, -tables.objective.sign * (trial.value or 0.0), trial.number


def epochs(known: Sequence[int], values: Sequence[float]) -> list[int]:
    """The epochs at which a line is drawn: all, or of more than POINTS those of the extremes of each few.

    The first and the last are among them, and a chart says so, see `long`. Where a chart is no wider than POINTS / 2
    pixels it looks as before.
    """
    if len(known) <= POINTS:
        return list(known)
    parts = np.array_split(np.asarray(values), POINTS // 2)
    starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
    places = {start + find(part) for start, part in zip(starts, parts) for find in (np.argmin, np.argmax)}
    return [known[place] for place in sorted({0, *places, len(known) - 1})]


def part_of(rows: pa.Table, shown: int, count: int) -> pa.Table:
    """A chart's rows with a note that they show so many of so many trials; as they are where that is all of them."""
    note = (
        f"Drawn one by one are {words.number(shown)} of {words.number(count)} trials: the best ones, and of the others "
        "an even sample by what they reached. All are in trials.arrow and steps.arrow."
    )
    return rows if shown == count else _noted(rows, note)


def long(rows: pa.Table, epochs_of_a_line: int) -> pa.Table:
    """A chart's rows with a note that its longest line has lost epochs; as they are where it has not."""
    note = f"Of {words.number(epochs_of_a_line)} epochs a line has the lowest and the highest value of each few."
    return rows if epochs_of_a_line <= POINTS else _noted(rows, note)


def _noted(rows: pa.Table, note: str) -> pa.Table:
    return rows.replace_schema_metadata({_KEY: json.dumps([*said(rows), note])})


def said(rows: pa.Table) -> list[str]:
    """What a chart says of what it leaves out; nothing where it draws all."""
    found: list[str] = json.loads((rows.schema.metadata or {}).get(_KEY, b"[]"))
    return found
