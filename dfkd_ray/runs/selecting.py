"""What a study selects by, objectives and constraints, against what its trials will report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dfkd_ray import metrics
from dfkd_ray.methods.method import Method
from dfkd_ray.runs import preparing
from dfkd_ray.study import Study
from dfkd_ray.study.domains import canonical
from dfkd_ray.study.reading import attempts
from dfkd_ray.util.choices import Targets
from dfkd_ray.util.errors import ConfigError, Problem, UnknownName
from dfkd_ray.util.registry import did_you_mean

Resolve = Callable[[dict[str, Any]], Method]  # the study's method with changes; ConfigError or UnknownName


def mistakes(study: Study, resolve: Resolve, targets: Targets) -> Iterator[Problem]:
    """Metrics that no trial reports, and those that some lack: a term that is null has no loss, say.

    What a choice or an arm does is asked of each by itself; changes that the method does not take are told elsewhere.
    """
    first = study.objective[0].metric
    if first in metrics.COSTS:
        yield Problem("objective", f"{first} is a cost: it may come after a metric of each epoch, which the best is of")
    goals = {each.metric: "objective" for each in study.objective}
    goals |= {each.metric: f"constraints.{each.metric}" for each in study.constraints if each.metric not in goals}
    rows = (row for row in metrics.known_rows() if targets in row.of)
    always = {row.name for row in rows if row.data_free and row.needs != metrics.LABELS}
    always |= {metrics.QUALITY[targets].val, *metrics.COSTS}
    asked = {metric: at for metric, at in goals.items() if metric not in always}
    told = list(_told(study, resolve, targets)) if asked else []
    for metric, at in asked.items():
        yield from _of(metric, at, told)


Told = tuple[str, dict[str, Any], list[str]]  # where the file sets it, the changes, what a trial with them reports


def _told(study: Study, resolve: Resolve, targets: Targets) -> Iterator[Told]:
    """First of the method as the study fixes it, then with each thing that a trial might be given."""
    for at, changes, _ in [("", dict(study.fixed), {}), *attempts(study)]:
        try:
            yield at, changes, preparing.reported(resolve(changes), targets)
        except (ConfigError, UnknownName):
            continue


def _of(metric: str, goal: str, told: list[Told]) -> Iterator[Problem]:
    """The mistakes of one metric. Where the method lacks it, a searched path that always brings it is enough."""
    has = [metric in names for _, _, names in told]
    if not any(has):
        known = dict.fromkeys(name for _, _, names in told for name in names)
        costs = metrics.COSTS if goal != "objective" else ()
        yield Problem(goal, f"no trial reports {metric!r}{did_you_mean(metric, [*known, *costs])}")
        return
    by_place: dict[str, list[bool]] = {}
    for (at, _, _), there in zip(told, has):
        by_place.setdefault(at, []).append(there)
    if not has[0] and any(at.startswith("search.") and all(own) for at, own in by_place.items()):
        return
    for (at, changes, _), there in zip(told, has):
        alone = at in ("", "fixed", "components")  # told by what is searched, by the arms, or by each component
        if not there and not alone and (has[0] or any(by_place[at]) or not at.startswith("search.")):
            yield Problem(at, f"{_with(at, changes)} reports no {metric}, {_asked(goal)}")


def _with(at: str, changes: Mapping[str, Any]) -> str:
    path = at.removeprefix("search.")
    return f"a trial with {canonical(changes[path])}" if path in changes else "a trial of this"


def _asked(goal: str) -> str:
    what = "the objective" if goal == "objective" else "a constraint"
    return f"which {what} asks for: take a metric that every trial reports, or leave this out"
