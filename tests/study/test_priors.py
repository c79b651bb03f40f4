"""A prior is data: what a search makes of it is tested in tests/tune/test_by_prior.py."""

from __future__ import annotations

from dfkd_ray.study.priors import Prior


def test_who_says_no_more_is_sure_of_it_by_half() -> None:
    assert Prior(3) == Prior(3, "medium")
