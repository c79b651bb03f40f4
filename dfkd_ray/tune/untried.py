"""Which settings of a space a sweep has not run yet: the same changes with the same seed are the same bits."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

from dfkd_ray.study.domains import canonical
from dfkd_ray.study.space import Space, points


class Untried:
    """Told of every setting that is asked for, whatever becomes of it; `order`: of the settings, where that counts."""

    def __init__(self, space: Space, order: Sequence[Mapping[str, Any]] | None = None) -> None:
        self._tried: set[str] = set()
        counted = points(space) if order is None else order
        self._left = None if counted is None else {canonical(point): point for point in counted}

    @property
    def none(self) -> bool:
        """Whether the space is exhausted."""
        return self._left is not None and not self._left

    def __contains__(self, changes: Mapping[str, Any]) -> bool:
        return canonical(dict(changes)) not in self._tried

    def take(self, changes: Mapping[str, Any]) -> None:
        key = canonical(dict(changes))
        self._tried.add(key)
        if self._left is not None:
            self._left.pop(key, None)

    @property
    def first(self) -> Mapping[str, Any]:
        """The first of those that are left, of a space that is not exhausted."""
        assert self._left
        return next(iter(self._left.values()))

    def any(self, seed: int) -> Mapping[str, Any] | None:
        """One of those that are left; None where nobody can count them."""
        return None if self._left is None else random.Random(seed).choice([*self._left.values()])
