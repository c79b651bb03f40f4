"""A worker of another dfkd-ray computes nothing, and its trial is met by an accident."""

from __future__ import annotations

import platform

import pytest

from dfkd_ray import __version__
from dfkd_ray.tune.accidents import Accident
from dfkd_ray.tune.work import Job


def test_a_worker_of_another_version_says_so_before_it_unpacks_anything() -> None:
    from dfkd_ray.tune import ray_runner

    trial = object.__new__(ray_runner._Trial)
    trial._parcel, trial._version, trial._jobs = b"what nobody may unpack", "0.0.9", [Job(0, {}, 0, None)]
    with pytest.raises(Accident) as met:
        trial.step()
    assert str(met.value) == (
        f"{platform.node()} has dfkd-ray {__version__}, the driver 0.0.9: both have to be the same"
    )
