"""What a search makes of `prior:` on its domains: some of its trials are drawn around what is believed.

PriorBand's idea (Mallik et al., 2023) in a search without brackets: the values themselves run first, and of the trials
that are drawn at random half are drawn around them. Then the model proposes, from what was found alone: a wrong prior
costs some trials, and does not bind the search. Measured in `docs/pages/concepts/growing.md`.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Any

from dfkd_ray.study import Study
from dfkd_ray.study.domains import Bool, Choice, Domain, Int, Log, Uniform
from dfkd_ray.study.space import draw
from dfkd_ray.study.starting import fitted
from dfkd_ray.study.startup import drawn_first

HALF = 0.5  # of what is drawn at random
SPREAD = {"low": 0.5, "medium": 0.25, "high": 0.125}  # standard deviation as a share of the range, as NePS has it
KEPT = {"low": 0.5, "medium": 0.7, "high": 0.9}  # how often a choice is the value itself, besides by chance


def setting(study: Study, number: int, before: int, seed: int) -> Mapping[str, Any] | None:
    """The setting of a trial that is drawn from the priors, where so many were `before`; None where the sampler is
    asked."""
    space = study.search
    if all(domain.prior is None for domain in space.values()):
        return None
    rng = random.Random(f"prior {seed}")
    if before == 0:
        return draw(space, lambda path, domain: _believed(domain, rng, spread=False))
    first = drawn_first(study)
    if rng.random() >= HALF or (first is not None and number >= first):
        return None
    return draw(space, lambda path, domain: _believed(domain, rng))


def _believed(domain: Domain, rng: random.Random, spread: bool = True) -> Any:
    """A value of a domain: its prior's, or one around it; where it has none, any."""
    if domain.prior is None:
        return _at(domain, rng.random())
    value, confidence = fitted(domain, domain.prior.value), domain.prior.confidence
    if not spread:
        return value
    if isinstance(domain, (Choice, Bool)):
        return value if rng.random() < KEPT[confidence] else _at(domain, rng.random())
    centre = _place(domain, value)
    drawn = (rng.gauss(centre, SPREAD[confidence]) for _ in iter(int, 1))
    return _at(domain, next(place for place in drawn if 0 <= place <= 1))


def _place(domain: Domain, value: float) -> float:
    """Where a value lies on its range, 0 to 1; a whole number in the middle of its own part."""
    assert isinstance(domain, (Int, Uniform, Log))
    if isinstance(domain, Log):
        return math.log(value / domain.low) / math.log(domain.high / domain.low)
    if isinstance(domain, Uniform):
        return (value - domain.low) / (domain.high - domain.low)
    if domain.log:
        return math.log((value + 0.5) / domain.low) / math.log((domain.high + 1) / domain.low)
    return ((value - domain.low) / domain.step + 0.5) / domain.count


def _at(domain: Domain, place: float) -> Any:
    """The value at a place of a domain, 0 to 1: each as likely as the domain has it where the place is uniform."""
    if isinstance(domain, (Choice, Bool)):
        return domain.grid()[min(int(place * domain.count), domain.count - 1)]
    assert isinstance(domain, (Int, Uniform, Log))
    if isinstance(domain, Log):
        return min(max(domain.low * (domain.high / domain.low) ** place, domain.low), domain.high)
    if isinstance(domain, Uniform):
        return domain.nearest(min(domain.low + place * (domain.high - domain.low), domain.high))
    if domain.log:
        return min(int(domain.low * ((domain.high + 1) / domain.low) ** place), domain.high)
    return domain.low + domain.step * min(int(place * domain.count), domain.count - 1)
