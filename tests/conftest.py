"""One torch thread for a test process and all that it starts: bits depend on it, and tests run side by side."""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before the first import of torch reads it
