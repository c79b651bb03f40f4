"""Every shipped method on a device that is not the CPU: see on_a_device."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.methods import config
from tests.apart import passes

HERE = Path(__file__).parent


@pytest.mark.slow
def test_nothing_of_one_device_stands_on_another() -> None:
    assert "." * len(config.method_names()) in passes(HERE / "on_a_device.py"), "a dot each"
