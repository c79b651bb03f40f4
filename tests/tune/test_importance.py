"""What mattered, found again where it is known."""

from __future__ import annotations

import pytest

from dfkd_ray.study.domains import Bool, Uniform
from dfkd_ray.study.specs import Random
from dfkd_ray.tune.importance import importance
from dfkd_ray.tune.search import Search
from tests.tune.test_search import make


def test_importance() -> None:
    study = make(Random(seed=2), {"x": Uniform(0, 1), "other": Uniform(0, 1), "m": Bool()}, objectives=2)
    search = Search(study)
    points = []
    for _ in range(40):
        changes = search.propose().changes  # type: ignore[union-attr]
        points.append((changes, [changes["x"], changes["other"] ** 2]))
    shares = importance(study, points)
    assert list(shares) == ["val_accuracy", "kl/noise"]
    assert next(iter(shares["val_accuracy"])) == "x"
    assert next(iter(shares["kl/noise"])) == "other"
    assert sum(shares["val_accuracy"].values()) == pytest.approx(1)
    assert importance(study, points[:7]) == {}
    assert importance(study, [(changes, [1.0, 1.0]) for changes, _ in points]).keys() == shares.keys()
