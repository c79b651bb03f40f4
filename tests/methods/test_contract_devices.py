"""Every shipped method on a device that is not the CPU: see on_a_device."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dfkd_ray.methods import config

HERE = Path(__file__).parent


@pytest.mark.slow
def test_nothing_of_one_device_stands_on_another() -> None:
    words = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(HERE / "on_a_device.py")]
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run([sys.executable, "-m", "pytest", *words], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "." * len(config.method_names()) in done.stdout, "a dot each"
