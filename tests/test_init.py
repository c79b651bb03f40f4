"""What the package offers by itself is imported when it is asked for."""

from __future__ import annotations

import pytest

import dfkd_ray
from dfkd_ray.runs import register


def test_register_is_there_when_it_is_asked_for() -> None:
    assert dfkd_ray.register is register


def test_what_there_is_not_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match=r"^module 'dfkd_ray' has no attribute 'registre'$"):
        _ = dfkd_ray.registre
