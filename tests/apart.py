"""Tests that need a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def passes(file: Path) -> str:
    """What pytest prints of a file, all of whose tests have to pass, in a process that has done nothing else."""
    words = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(file)]
    env = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    done = subprocess.run([sys.executable, "-m", "pytest", *words], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
