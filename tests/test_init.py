"""What `import dfkd_ray` offers: by name, and imported when it is used."""

from __future__ import annotations

import pytest

import dfkd_ray
from dfkd_ray import study
from dfkd_ray.api import commands, results
from dfkd_ray.runs import register


def test_what_it_offers_is_there_when_it_is_asked_for() -> None:
    assert dfkd_ray.register is register
    assert dfkd_ray.study is study
    assert dfkd_ray.sweep is commands.sweep
    assert dfkd_ray.load is results.load
    for name in dfkd_ray.__all__:
        assert getattr(dfkd_ray, name).__doc__, name
    assert set(dfkd_ray.__all__) <= set(dir(dfkd_ray))


def test_what_there_is_not_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match=r"^module 'dfkd_ray' has no attribute 'registre'$"):
        _ = dfkd_ray.registre  # type: ignore[attr-defined]
