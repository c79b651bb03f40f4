"""When a trial is degenerate: its own images are no ground to compare it on, however well student and teacher agree.

On images that are all alike, of one class, or of none, it is easy to agree: every data-free metric that is taken on
them flatters the trial. Each rule is a bound of one metric; all stand here, and tuner, terminal and page go by them.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dfkd_ray import metrics

OF = {"below": operator.lt, "above": operator.gt}


@dataclass(frozen=True)
class Bound:
    """A rule: degenerate is what lies on that `side` of a `value` of `metric`; `reason`: what the images are then."""

    reason: str
    metric: str
    side: str
    value: float

    def broken(self, found: float) -> bool:
        """Whether what was found is degenerate; what is no number is not known to be."""
        return bool(OF[self.side](found, self.value))

    @property
    def said(self) -> str:
        """`one class: class entropy, own images below 10.0 %`"""
        return f"{self.reason}: {metrics.inside(self.metric)} {self.side} {metrics.with_unit(self.metric, self.value)}"


# Real images lie far from each bound, measured in benchmarks/RESULTS.md.
RULES = (
    Bound("one image", metrics.IMAGE_DISTANCE, "below", 0.02),  # 5 of 255 steps from black to white
    Bound("one image to the teacher", metrics.EMBEDDING_DISTANCE, "below", 0.01),
    Bound("one class", metrics.CLASS_ENTROPY, "below", 0.1),  # of ten classes: one has 94 % of the images, or more
    Bound("a teacher that is unsure of all", metrics.UNCERTAINTY, "above", 0.9),
)


def reasons(found: Mapping[str, float]) -> tuple[str, ...]:
    """Of the metrics of an epoch: what makes it degenerate; nothing where it is not, or none of them was taken."""
    return tuple(rule.reason for rule in RULES if rule.metric in found and rule.broken(found[rule.metric]))


def guarded(objectives: Iterable[str]) -> bool:
    """Whether degenerate trials are kept from winning: where no objective is taken on real images, which are no matter
    of agreement."""
    return all(metrics.find(metric).split is None for metric in objectives)
