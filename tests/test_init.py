"""What `import dfkd_ray` offers: by name, and imported when it is used."""

from __future__ import annotations

import pytest

import dfkd_ray
from dfkd_ray import study
from dfkd_ray.api import commands, results


def test_the_face_is_there_when_it_is_asked_for() -> None:
    assert dfkd_ray.sweep is commands.sweep
    assert dfkd_ray.load is results.load
    assert dfkd_ray.study is study
    for name in dfkd_ray.__all__:
        assert getattr(dfkd_ray, name).__doc__, name
    assert set(dfkd_ray.__all__) <= set(dir(dfkd_ray))


def test_what_there_is_not_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match=r"^module 'dfkd_ray' has no attribute 'sweeep'$"):
        _ = dfkd_ray.sweeep  # type: ignore[attr-defined]
