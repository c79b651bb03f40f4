"""The tables of a study as DataFrames of pandas, which the extra `python` brings."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dfkd_ray.report.trial import TrialRow
from dfkd_ray.report.view import Tables
from dfkd_ray.util.errors import MissingExtra

if TYPE_CHECKING:
    import pandas as pd

WHOSE = ("phase", "setting", "arm", "draw", "tuning", "seed", "state")
ABOUT = (
    *("epochs", "best_epoch", "seconds", "started", "host", "device", "peak_memory", "attempts"),
    *("reason", "rung", "changed", "fingerprint"),
)


def frame(table: pa.Table) -> pd.DataFrame:
    """A table as it stands; names that recur (of metrics) as a categorical."""
    _check()
    return table.to_pandas()


def trials(tables: Tables) -> pd.DataFrame:
    """A row a trial, by its number: whose it is and how it ended, the objectives by metric, the settings by path, what
    was measured at its end by metric, and what it cost.

    Objectives of a stopped trial are those where it was stopped. What a trial does not have is missing, and so is a
    setting that is null.
    """
    _check()
    import pandas as pd

    goals = [objective.metric for objective in tables.objectives]
    settings = dict.fromkeys([*(p.path for p in tables.parameters), *(path for t in tables.all for path in t.changes)])
    final = dict.fromkeys(name for t in tables.all for name in t.final if name not in goals)
    rows = [_row(trial, goals, [*settings], [*final]) for trial in tables.all]
    whose, about = ([name for name in names if _told(tables, name)] for names in (WHOSE, ABOUT))
    columns = list(dict.fromkeys([*whose, *goals, *settings, *final, *about]))
    index = pd.Index([trial.number for trial in tables.all], name="trial")
    return pd.DataFrame(rows, index=index, columns=columns)


def _told(tables: Tables, name: str) -> bool:
    """Whether a column of `trials.arrow` says something of any trial."""
    return any(trial.row[name] is not None for trial in tables.all)


def _row(trial: TrialRow, goals: list[str], settings: list[str], final: list[str]) -> dict[str, Any]:
    measured = trial.final
    return {
        **{name: trial.row[name] for name in (*WHOSE, *ABOUT)},
        **dict(zip(goals, trial.values)),
        **{path: trial.changes.get(path) for path in settings},
        **{name: measured.get(name) for name in final},
    }


def _check() -> None:
    if importlib.util.find_spec("pandas") is None:
        raise MissingExtra("pandas", "python", "a DataFrame")
