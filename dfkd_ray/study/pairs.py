"""Which sampler goes with which space, objectives and stopper, and which of these with trials that share a process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dfkd_ray import metrics
from dfkd_ray.study import space
from dfkd_ray.study.domains import Bool, Choice
from dfkd_ray.study.specs import Cmaes, Gp, Grid, NoStopper, Optunahub, SamplerSpec, StopperSpec, samplers
from dfkd_ray.util.errors import ConfigError, Problem


def of_results(sampler: SamplerSpec | None, objectives: Sequence[Any], stopper: StopperSpec) -> Iterator[Problem]:
    """Whether a sampler can be told of what it will get: several objectives, trials that were stopped."""
    if len(objectives) > 1:
        if sampler is not None and not sampler.multi_objective:
            able = ", ".join(name for name in samplers if samplers[name].multi_objective)
            yield Problem("sampler", f"{_name(sampler)} takes one objective; for several: {able}")
        if not isinstance(stopper, NoStopper):
            yield Problem("stopper", "trials with several objectives cannot be ranked early: `stopper: none`")
    elif sampler is not None and sampler.stopped == "refused" and not isinstance(stopper, NoStopper):
        what = f"the package {sampler.package}" if isinstance(sampler, Optunahub) else _name(sampler)
        yield Problem(
            "stopper",
            f"{what} models values, and that of a trial stopped early is none of its last epoch: "
            f"`stopper: none`, or take tpe, cmaes or nsga2, which know what was stopped",
        )


def with_space(sampler: SamplerSpec, search: space.Space) -> Iterator[Problem]:
    """Whether a sampler can search a space."""
    if isinstance(sampler, Grid):
        try:
            space.enumerate_grid(search)
        except ConfigError as error:
            yield from (problem for problem in error.problems if not problem.path.endswith(".when"))
    if isinstance(sampler, (Cmaes, Gp)) and any(domain.when for domain in search.values()):
        yield Problem("sampler", f"{_name(sampler)} does not model conditional domains (`when`): take tpe")
    if isinstance(sampler, Cmaes):
        ranges = [path for path, d in search.items() if not isinstance(d, (Choice, Bool))]
        if len(ranges) < 2:
            yield Problem("sampler", f"cmaes needs at least two ranges (uniform, log, int), got {len(ranges)}")


def of_costs(resources: Any, selecting: Iterable[Any]) -> Iterator[Problem]:
    """That nothing is selected by what a trial costs, where nobody can tell what each of several costs by itself;
    `selecting`: objectives and constraints."""
    if resources is not None and resources.fuse > 1:
        for metric in sorted({each.metric for each in selecting} & {metrics.TIME, metrics.PEAK_MEMORY}):
            yield Problem("resources.fuse", f"fused trials have no {metric} of their own to select by: take fuse: 1")


def _name(spec: Any) -> str:
    return str(spec.registered_as)
