"""The table of all trials as columns, for the script that shows it: what each cell says, and what it sorts by.

A column is sent whole, so a page of 5,000 trials holds numbers, not rows of HTML; the script writes the rows in sight.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dfkd_ray import metrics
from dfkd_ray.report import over_seeds, thinning
from dfkd_ray.report.settings import Parameter, is_number
from dfkd_ray.report.trial import TrialRow
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words

MORE = 12  # final metrics that wait among the columns one may add


@dataclass(frozen=True)
class Column:
    """A column: `texts` are what cells show, `values` what they sort and filter by and what is exported.

    path: a setting's. shown: at first. unit, scale: of a number, as somebody types it into a filter (`%`, 100).
    log: whether its axis is in powers.
    """

    name: str
    values: Sequence[Any]
    texts: Sequence[str]
    path: str | None = None
    shown: bool = True
    unit: str = ""
    scale: float = 1.0
    log: bool = False

    @property
    def number(self) -> bool:
        return any(map(is_number, self.values))

    @property
    def plain(self) -> dict[str, Any]:
        """For the script; texts that say what the values are do not travel twice."""
        same = all(text == ("" if value is None else str(value)) for text, value in zip(self.texts, self.values))
        kept: dict[str, Any] = {
            "name": self.name,
            "number": self.number,
            "shown": self.shown,
            "values": list(self.values),
        }
        more: dict[str, Any] = {
            "path": self.path,
            "unit": self.unit,
            "log": self.log,
            "texts": None if same else list(self.texts),
        }
        more["scale"] = None if self.scale == 1.0 else self.scale
        return kept | {key: value for key, value in more.items() if value}


def columns(tables: Tables, trials: Sequence[TrialRow]) -> list[Column]:
    """Every column that the study has, those first that are shown at first, as they are read."""
    goals = [_measured(m, [t.values[i] for t in trials]) for i, m in enumerate(o.metric for o in tables.objectives)]
    tested = _measured(
        tables.quality.test_last, [t.final.get(tables.quality.test_last) for t in trials], "Test, last epoch"
    )
    rows = [trial.row for trial in trials]
    found = [
        _said("Trial", [t.number for t in trials]),
        *_whose(tables, trials),
        _said("State", [words.state(t.state) for t in trials]),
        *goals,
        tested,
        _number("Epochs", [row["epochs"] for row in rows], words.number),
        _number("Time", [row["seconds"] for row in rows], words.duration, "s"),
        *(_setting(parameter, trials) for parameter in tables.parameters),
        *_hidden(tables, trials),
    ]
    return [column for column in found if column.shown or any(value is not None for value in column.values)]


def _whose(tables: Tables, trials: Sequence[TrialRow]) -> Iterator[Column]:
    """Whose trial it is: its arm, seed and draw, its place in the arm's own search; what speaks against it."""
    pairs = [trial.pair for trial in trials]
    if any(t.arm for t in trials):
        yield _said("Arm", [t.arm or "" for t in trials])
    if tables.is_ablation or len(tables.searched) < len(tables.all):
        yield _said("Seed", [seed for seed, _ in pairs])
    if tables.seeds:
        yield _said("Setting", [t.setting for t in trials])
        wholes = {setting.number: setting for setting in tables.searched}
        for i, objective in enumerate(tables.objectives):
            yield _over_seeds(objective.metric, i, [wholes.get(t.setting) for t in trials])
    if any(draw for _, draw in pairs):
        yield _said("Draw", [draw for _, draw in pairs])
    if any(t.tuning for t in trials):
        yield _number("Tuning", [t.row["tuning"] for t in trials], words.number)
    if tables.degenerate:
        yield _said("Degenerate", [words.listed(list(tables.degenerate.get(t.number, ()))) for t in trials])
    if any(t.changed for t in trials):
        yield _said("Inputs", [t.changed or "as begun" for t in trials])


def _hidden(tables: Tables, trials: Sequence[TrialRow]) -> Iterator[Column]:
    """What may be added to the table."""
    rows = [trial.row for trial in trials]
    yield _said("Reason", [row["reason"] for row in rows], shown=False)
    if not tables.is_ablation and len(tables.searched) == len(tables.all):
        yield _said("Seed", [row["seed"] for row in rows], shown=False)
    yield _number("Best epoch", [row["best_epoch"] for row in rows], words.number, shown=False)
    memory = [row["peak_memory"] for row in rows]
    yield _number("Peak memory", memory, words.memory, "bytes", shown=False)
    yield _number("Attempts", [row["attempts"] for row in rows], words.number, shown=False)
    yield _said("Host", [row["host"] for row in rows], shown=False)
    yield _said("Fingerprint", [row["fingerprint"] for row in rows], shown=False)
    known = dict.fromkeys(name for trial in trials[:100] for name in trial.final)
    there = {tables.quality.test_last, metrics.BEST_EPOCH, *(o.metric for o in tables.objectives)}
    for name in [name for name in known if name not in there][:MORE]:
        yield _measured(name, [t.final.get(name) for t in trials], shown=False)


def _said(name: str, values: Sequence[Any], shown: bool = True) -> Column:
    """A column whose cells are what they say."""
    return Column(name, values, ["" if value is None else str(value) for value in values], shown=shown)


def _number(name: str, values: Sequence[Any], said: Callable[[Any], str], unit: str = "", shown: bool = True) -> Column:
    known = [value if is_number(value) else None for value in values]
    return Column(name, known, [words.DASH if v is None else said(v) for v in known], shown=shown, unit=unit)


def _measured(metric: str, values: Sequence[float | None], name: str | None = None, shown: bool = True) -> Column:
    unit = metrics.find(metric).unit
    texts = [metrics.with_unit(metric, value) for value in values]
    known = [value if is_number(value) else None for value in values]
    return Column(name or metrics.label(metric), known, texts, shown=shown, unit=unit.head, scale=unit.scale)


def _over_seeds(metric: str, place: int, settings: Sequence[TrialRow | None]) -> Column:
    """What the setting of each trial comes to over its seeds; nothing of a trial that confirms one."""
    texts = [words.DASH if t is None else over_seeds.value(t, metric, place) for t in settings]
    known, unit = [None if t is None else t.values[place] for t in settings], metrics.find(metric).unit
    return Column(f"{metrics.label(metric)}, mean", known, texts, unit=unit.head, scale=unit.scale)


def _setting(parameter: Parameter, trials: Sequence[TrialRow]) -> Column:
    chosen = [trial.changes.get(parameter.path) for trial in trials]
    here = [parameter.path in trial.changes for trial in trials]
    texts = [words.shorten(words.setting(value)) if own else words.DASH for own, value in zip(here, chosen)]
    values = [value if is_number(value) else text if own else None for own, value, text in zip(here, chosen, texts)]
    return Column(words.shorten(parameter.label), values, texts, parameter.path, log=parameter.kind == "log")


def data(tables: Tables) -> dict[str, Any]:
    """All that the script knows of the trials; see also `details`."""
    trials = thinning.listed(tables)
    study = tables.study
    return {
        "study": str(study.get("study") or "study"),
        "goal": metrics.label(tables.objective.metric),
        "best": None if tables.best is None else tables.best.number,
        "columns": [column.plain for column in columns(tables, trials)],
    }
