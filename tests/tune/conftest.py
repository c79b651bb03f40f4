"""The toys are a module that other processes import too: Ray's workers, drivers that are killed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray reads it once, when it is imported
