"""From a table to the study that runs it again: at the paper's scale, or on the embedded task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from dfkd_ray import metrics
from dfkd_ray.study.published.table import PublishedTable
from dfkd_ray.util import shipped, yamls
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.registry import did_you_mean

Scale = Literal["paper", "gliders"]

SEEDS = 5  # as in the shipped study fgvc_claims
LAPTOP = "mhad"  # the shipped study whose task, preset, lengths and objective are this project's small scale
CLAIMS = "fgvc_claims"  # that of DFKD-FGVC's claims, which has the weights that are published over those of the preset
METHODS = "methods"  # the shipped study that brings each method to that scale
RESOURCES = {"cpu": 4, "gpu": 1}  # of one trial at 224 pixels


def study(
    table: PublishedTable, column: str | None = None, scale: Scale = "paper", seeds: int = SEEDS
) -> dict[str, Any]:
    """The ablation that re-runs a table, as its file would have it: the rows are the arms.

    paper: the column's task and networks, and the method's own schedule; a table of several columns needs one named.
    gliders: the same arms on the embedded task at a laptop's length (where rows are methods, with the settings of the
    shipped study of methods, because their own are for another task); the column is then only what the results are put
    beside. ConfigError for a table, a column or a scale that cannot be run.
    """
    if not table.runnable:
        raise ConfigError.at("", f"{table.id} is data alone: {table.not_run}")
    if scale not in get_args(Scale):
        raise ConfigError.at("scale", f"unknown scale {scale!r}{did_you_mean(scale, get_args(Scale))}")
    if column is not None and column not in table.runs:
        raise ConfigError.at("column", f"{table.id} has no run for {column!r}{did_you_mean(column, table.runs)}")
    return _laptop(table, seeds) if scale == "gliders" else _paper(table, column, seeds)


def _paper(table: PublishedTable, column: str | None, seeds: int) -> dict[str, Any]:
    if column is None and len(table.runs) > 1:
        raise ConfigError.at("column", f"which column of {table.id}? (known: {', '.join(table.runs)})")
    column = column or next(iter(table.runs))
    fixed = dict(table.runs[column])
    where = {"task": fixed.pop("task"), "fixed": fixed, "objective": {"metric": metrics.VAL_ACCURACY, "mode": "max"}}
    return _ablation(table, column, where, seeds) | {"resources": dict(RESOURCES)}


def _laptop(table: PublishedTable, seeds: int) -> dict[str, Any]:
    of_methods = any("method" in changes for changes in table.arms.values())
    of_one = CLAIMS if table.method == yamls.load(shipped.find(CLAIMS)).data["method"] else LAPTOP
    small = yamls.load(shipped.find(METHODS if of_methods else of_one)).data
    where = {key: small[key] for key in ("preset", "task", "fixed", "objective")}
    if small["study"] == LAPTOP:  # its lengths alone: rates in it are those of another method
        where["fixed"] = {path: value for path, value in where["fixed"].items() if path.startswith("schedule.")}
    made = _ablation(table, "gliders", where, seeds)
    if not of_methods:
        return made
    rows = {row: str(changes.get("method", table.method)) for row, changes in table.arms.items()}
    return made | {"method": small["method"], "arms": {row: dict(small["arms"][name]) for row, name in rows.items()}}


def _ablation(table: PublishedTable, label: str, where: Mapping[str, Any], seeds: int) -> dict[str, Any]:
    return {
        "study": f"{table.id.replace('/', '_')}_{label}",
        "question": f"Does {table.number} of {table.source.short} hold on {where['task']}?",
        "method": table.method,
        **where,
        "design": "arms",
        "arms": {row: dict(changes) for row, changes in table.arms.items()},
        "seeds": seeds,
    }
