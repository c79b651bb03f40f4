"""Which trial of a front is taken where one is asked for: `best: knee`, `best: {constraint: {seconds: "<= 60"}}`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from dfkd_ray.study import constraints
from dfkd_ray.study.constraints import Constraint
from dfkd_ray.util.errors import ConfigError, Problem
from dfkd_ray.util.registry import did_you_mean

Rule = Literal["first", "knee", "constraint"]


@dataclass(frozen=True)
class Pick:
    """first: the best by the first objective, the later ones break ties. knee: see `stats.front.knee`; `first` where
    there is none. constraint: the best by the first objective among those that keep to `bounds` on other objectives
    (the epsilon-constraint method of Haimes, Lasdon and Wismer, 1971); none where none does.
    """

    rule: Rule = "first"
    bounds: tuple[Constraint, ...] = ()

    def floors(self, objectives: Sequence[Any]) -> tuple[float | None, ...]:
        """The bound of each objective, higher is better."""
        bounds = {each.metric: each.bound for each in self.bounds}
        return tuple(bounds[o.metric] * o.sign if o.metric in bounds else None for o in objectives)

    def __str__(self) -> str:
        bounds = " and ".join(f"{each.metric} {each}" for each in self.bounds)
        return f"{self.rule} {bounds}".rstrip()


FIRST = Pick()


def parse(raw: Any) -> Pick:
    """As a study file has it; ConfigError."""
    if isinstance(raw, Mapping) and raw.keys() == {"constraint"}:
        try:
            return Pick("constraint", constraints.parse(raw["constraint"]))
        except ConfigError as error:
            raise ConfigError(Problem(_at("constraint", each.path), each.message) for each in error.problems) from None
    if raw in ("first", "knee"):
        return Pick(raw)
    if isinstance(raw, str) and raw != "constraint":
        raise ConfigError.at("", f"no such rule: {raw!r}{did_you_mean(raw, get_args(Rule))}")
    way = 'first, knee, or {constraint: {metric: bound}} on objectives, such as {constraint: {kl/noise: "<= 0.5"}}'
    raise ConfigError.at("", f"expected {way}, got {raw!r}")


def _at(*parts: str) -> str:
    return ".".join(filter(None, parts))


def plain(pick: Pick) -> Any:
    return {"constraint": constraints.plain(pick.bounds)} if pick.rule == "constraint" else pick.rule


def conflicts(pick: Pick, objectives: Sequence[Any]) -> Iterator[Problem]:
    """Whether a rule goes with the objectives."""
    if pick != FIRST and len(objectives) == 1:
        yield Problem("best", f"{pick.rule} is for several objectives, and there is one: {objectives[0].metric}")
        return
    known = {each.metric: each for each in objectives}
    for bound in pick.bounds:
        at = f"best.constraint.{bound.metric}"
        if bound.metric not in known:
            way = "; what no trial may leave stands under `constraints`"
            yield Problem(at, f"is no objective{did_you_mean(bound.metric, known)}{way}")
        elif bound.metric == objectives[0].metric:
            yield Problem(at, "is the first objective, by which the best of the others is taken")
        elif bound.most != (known[bound.metric].mode == "min"):
            yield Problem(at, f"{bound} keeps away what is better: {known[bound.metric].mode} is asked for")
