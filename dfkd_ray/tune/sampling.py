"""The samplers as Optuna has them: one function a spec, and who has made a proposal, a model or chance."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from optuna.samplers import BaseSampler, CmaEsSampler, GPSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler

from dfkd_ray.study import Study
from dfkd_ray.study.specs import Cmaes, Gp, Grid, Nsga2, Optunahub, Qmc, Random, Tpe
from dfkd_ray.study.startup import drawn_first
from dfkd_ray.tune import hub
from dfkd_ray.tune.proposal import DRAWN, MODEL
from dfkd_ray.util.registry import Registry

Build = Callable[[Any, Study, int], BaseSampler]  # (spec, study, seed of this proposal)
builders: Registry[Build] = Registry("sampler")


@builders.register("tpe")
def tpe(spec: Tpe, study: Study, seed: int) -> BaseSampler:
    joint = len(study.objective) == 1 if spec.multivariate is None else spec.multivariate
    return TPESampler(
        seed=seed,
        n_startup_trials=drawn_first(study) or 1,
        n_ei_candidates=spec.candidates,
        multivariate=joint,
        group=joint and any(domain.when for domain in study.search.values()),
        constant_liar=True,  # running trials count as bad ones, so that parallel proposals differ
    )


@builders.register("random")
def random_sampler(spec: Random, study: Study, seed: int) -> BaseSampler:
    return RandomSampler(seed=seed)


@builders.register("grid")
def grid(spec: Grid, study: Study, seed: int) -> BaseSampler:
    return RandomSampler(seed=0)  # never draws: each point is put into the queue before it is asked for


@builders.register("qmc")
def qmc(spec: Qmc, study: Study, seed: int) -> BaseSampler:
    return QMCSampler(
        qmc_type=spec.sequence,
        scramble=spec.scramble,
        # The same for all trials: it names the sequence, and the study's attributes the place in it.
        seed=spec.seed % (1 << 63),
        independent_sampler=RandomSampler(seed=seed),
        warn_independent_sampling=False,
    )


@builders.register("cmaes")
def cmaes(spec: Cmaes, study: Study, seed: int) -> BaseSampler:
    return CmaEsSampler(seed=seed, popsize=spec.population, warn_independent_sampling=False)


@builders.register("gp")
def gp(spec: Gp, study: Study, seed: int) -> BaseSampler:
    return GPSampler(seed=seed, n_startup_trials=drawn_first(study) or 1)


@builders.register("nsga2")
def nsga2(spec: Nsga2, study: Study, seed: int) -> BaseSampler:
    return NSGAIISampler(seed=seed, population_size=drawn_first(study) or 2)


@builders.register("optunahub")
def optunahub(spec: Optunahub, study: Study, seed: int) -> BaseSampler:
    return hub.build(spec, seed)


def who_proposed(study: Study, told: int, relative: Mapping[str, Any], attrs: Mapping[str, Any]) -> str | None:
    """Whether the sampler's model has made a proposal when it knew `told` trials, or it is drawn at random."""
    sampler, first = study.sampler, drawn_first(study)
    if first is None:
        return None
    if isinstance(sampler, Tpe):
        modelled = told >= first
    elif isinstance(sampler, Gp):
        modelled = bool(relative)
    else:
        modelled = any(key.endswith(":generation") and number > 0 for key, number in attrs.items())
    return MODEL if modelled else DRAWN


def trial_seed(seed: int, number: int, repeats: int = 0) -> int:
    """31 bits for one trial, from the sampler's seed, the trial's number, and how often it was asked for before."""
    text = f"{seed}/{number}" + (f"/{repeats}" if repeats else "")
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
