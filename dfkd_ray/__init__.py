"""dfkd-ray: the laboratory for data-free knowledge distillation.

Importing the package imports nothing heavier than the standard library. `register`, for components of one's own, is
imported when it is asked for.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"
_LAZY = {"register": "dfkd_ray.runs.register"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(_LAZY[name])
