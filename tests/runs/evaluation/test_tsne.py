from __future__ import annotations

import sys

import pytest
import torch

from dfkd_ray.runs.evaluation.tsne import plane
from dfkd_ray.util.errors import MissingExtra


def test_groups_stay_together_and_the_same_features_give_the_same_points() -> None:
    pytest.importorskip("sklearn")
    rng = torch.Generator().manual_seed(0)
    features = torch.cat([torch.randn(30, 60, generator=rng) + 12 * torch.eye(60)[k] * 3 for k in range(2)])
    points = plane(features)
    assert points.shape == (60, 2)
    assert torch.equal(points, plane(features))
    centres = points[:30].mean(0), points[30:].mean(0)
    own = torch.cat([(points[:30] - centres[0]).norm(dim=1), (points[30:] - centres[1]).norm(dim=1)])
    other = torch.cat([(points[:30] - centres[1]).norm(dim=1), (points[30:] - centres[0]).norm(dim=1)])
    assert bool((own < other).all())


def test_few_images_and_features_that_are_all_alike() -> None:
    pytest.importorskip("sklearn")
    assert plane(torch.randn(4, 3, generator=torch.Generator().manual_seed(1))).isfinite().all()
    assert torch.equal(plane(torch.ones(9, 5)), torch.zeros(9, 2))


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.decomposition", None)
    with pytest.raises(MissingExtra, match=r"scikit-learn.*pip install 'dfkd-ray\[evaluation\]'"):
        plane(torch.randn(9, 5))
