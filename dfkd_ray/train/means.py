"""The losses of an epoch: means over its steps."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from dfkd_ray import metrics
from dfkd_ray.util.errors import TrialFailed


class Means:
    """Running means of loss values, kept on the device until the epoch ends (reading one stalls a GPU)."""

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}

    def add(self, phase: str, values: Mapping[str, Tensor]) -> None:
        for name, value in values.items():
            key = metrics.loss(phase, name)
            self.sums[key] = self.sums[key] + value if key in self.sums else value
            self.counts[key] = self.counts.get(key, 0) + 1

    def close(self) -> dict[str, float]:
        """The means as numbers; TrialFailed names the terms that are not finite."""
        means = {key: float(total) / self.counts[key] for key, total in self.sums.items()}
        bad = [key for key, value in means.items() if not abs(value) < float("inf")]
        if bad:
            raise TrialFailed(f"not finite: {', '.join(sorted(bad))}")
        return means
