"""Means of losses, by hand."""

from __future__ import annotations

import pytest
import torch

from dfkd_ray.train.means import Means
from dfkd_ray.util.errors import TrialFailed


def test_means_are_means_and_name_what_is_not_finite() -> None:
    means = Means()
    for kd, extra in ((1.0, 4.0), (2.0, 6.0)):
        means.add("student", {"kd": torch.tensor(kd), "extra": torch.tensor(extra)})
    means.add("source", {"kd": torch.tensor(7.0)})
    assert means.close() == {"loss/student/kd": 1.5, "loss/student/extra": 5.0, "loss/source/kd": 7.0}
    assert Means().close() == {}
    for value in (float("nan"), float("inf"), -float("inf")):
        broken = Means()
        broken.add("student", {"kd": torch.tensor(1.0), "high_order": torch.tensor(value)})
        broken.add("student", {"kd": torch.tensor(1.0), "high_order": torch.tensor(1.0)})
        with pytest.raises(TrialFailed, match=r"^not finite: loss/student/high_order$"):
            broken.close()
