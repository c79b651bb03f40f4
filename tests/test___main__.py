"""`python -m dfkd_ray` is `dfkd-ray`, also in what it says of itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from dfkd_ray import __version__

ROOT = Path(__file__).parents[1]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100", "NO_COLOR": "1"}
    return subprocess.run([sys.executable, "-m", "dfkd_ray", *words], env=env, capture_output=True, text=True)


def test_it_is_the_command_line() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{__version__}\n", "")


def test_its_exit_code_and_its_name_are_those_of_the_command() -> None:
    done = run("swep")
    assert done.returncode == 2
    assert "Usage: dfkd-ray " in done.stderr
    assert "__main__" not in done.stderr
