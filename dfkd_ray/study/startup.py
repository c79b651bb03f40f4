"""How many trials a sampler draws at random before any result counts, and what that leaves its model to propose."""

from __future__ import annotations

from math import log

from dfkd_ray.study.domains import Bool, Choice
from dfkd_ray.study.space import Space
from dfkd_ray.study.specs import Cmaes, Gp, Nsga2, SamplerSpec, Tpe
from dfkd_ray.study.study import Study
from dfkd_ray.util.words import counted, the_first

STARTUP = 10  # trials at most, as Optuna has it
POPULATION = 50  # as Optuna has it


def drawn_first(study: Study) -> int | None:
    """Trials of a sweep that are drawn at random at least; None for a sampler that goes by no result.

    Where the file does not say, it follows the budget: half of the trials for `tpe` and `gp`, at most STARTUP, of which
    `tpe` makes more than of a third (simulated, benchmarks/RESULTS.md); for `nsga2` a population of a fifth, 4 to
    POPULATION, so that there are five generations.
    """
    sampler, trials = study.sampler, study.trials
    if isinstance(sampler, (Tpe, Gp)):
        return sampler.startup or (STARTUP if trials is None else min(STARTUP, max(1, trials // 2)))
    if isinstance(sampler, Nsga2):
        return sampler.population or (POPULATION if trials is None else min(POPULATION, max(4, trials // 5)))
    if isinstance(sampler, Cmaes):
        return 1 + (sampler.population or _population(study.search))  # the first says what the ranges are
    return None


def describe(study: Study) -> str | None:
    """One line: how many trials the model proposes. None where the sampler has no model, or nothing is swept."""
    first, trials = drawn_first(study), study.trials
    if first is None or study.one_run or study.ablation is not None:
        return None
    name = _name(study.sampler)
    if trials is None:
        return f"{name} draws {the_first(first, 'trial')} at random, its model proposes the others"
    if trials == study.settings:
        return f"each of the {counted(trials, 'setting')} is run once: {name} decides their order alone"
    if first >= trials:
        return (
            f"{name} draws {the_first(first, 'trial')} at random, and there are {trials}: this is random search; "
            f"for a model take more trials{_smaller(study.sampler)}"
        )
    return f"{name} draws {the_first(first, 'trial', trials)} at random, its model proposes at most {trials - first}"


def _smaller(sampler: SamplerSpec) -> str:
    if isinstance(sampler, (Tpe, Gp)):
        return ", or a smaller `startup`"
    return ", a smaller `population`, or tpe"


def _population(search: Space) -> int:
    """4 + floor(3 ln d) of d ranges (Hansen, 2016, table 1)."""
    ranges = sum(not isinstance(domain, (Choice, Bool)) for domain in search.values())
    return 4 + int(3 * log(max(1, ranges)))


def _name(sampler: SamplerSpec) -> str:
    return str(sampler.registered_as)  # type: ignore[attr-defined]
