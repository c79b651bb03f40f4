"""The settings of a sweep that its sampler does not choose."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from dfkd_ray.study import Study
from dfkd_ray.study.space import enumerate_grid
from dfkd_ray.study.specs import Grid
from dfkd_ray.tune import by_prior
from dfkd_ray.tune.proposal import PRIOR, START
from dfkd_ray.tune.untried import Untried

REPEATS = 5  # settings in a row that were run already: then chance decides
Given = tuple[Mapping[str, Any] | None, str | None]  # a setting, None: the sampler's; and what it is, see Proposal


def given(study: Study, untried: Untried | None, number: int, believed: int, seed: int, repeats: int) -> Given:
    """Of what was not tried: what the study starts with, the next point of a grid, what is left where the sampler
    repeats itself, what the priors draw, of which there were `believed` before."""
    if untried is None:
        return None, None
    for setting in study.start:
        if setting in untried:
            return setting, START
    if isinstance(study.sampler, Grid):
        return untried.first, None
    if repeats >= REPEATS:
        return untried.any(seed), None
    drawn = by_prior.setting(study, number, believed, seed)
    return drawn, None if drawn is None else PRIOR


def untried_of(study: Study, repeating: bool) -> Untried | None:
    """What a sweep has not run yet; None where it may run a setting again."""
    if not isinstance(study.sampler, Grid):
        return None if repeating else Untried(study.search)
    points = enumerate_grid(study.search)
    if study.sampler.shuffle:
        random.Random(study.sampler.seed).shuffle(points)
    return Untried(study.search, points)
