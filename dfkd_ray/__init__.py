"""dfkd-ray: the laboratory for data-free knowledge distillation.

    import dfkd_ray

    found = dfkd_ray.sweep("mhad", trials=4, runner="serial")
    found.trials          # a DataFrame, a row a trial, its settings as columns
    found.figure("history")
    dfkd_ray.load("reports/mhad").student()

Importing the package imports nothing heavier than the standard library: what it offers is imported when it is used.
`register` is for components of one's own.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # a type checker takes it for true, and `typing` takes longer than all else here
if TYPE_CHECKING:
    from typing import Any

    from dfkd_ray import study as study
    from dfkd_ray.api.commands import ablate, distill, plan, resume, sweep
    from dfkd_ray.api.results import Results, load
    from dfkd_ray.runs import register as register

__version__ = "0.1.0"
__all__ = ["Results", "ablate", "distill", "load", "plan", "register", "resume", "study", "sweep"]
_LAZY = {  # name: the module that has it
    **dict.fromkeys(("ablate", "distill", "plan", "resume", "sweep"), "dfkd_ray.api.commands"),
    **dict.fromkeys(("Results", "load"), "dfkd_ray.api.results"),
}
_MODULES = {"register": "dfkd_ray.runs.register", "study": "dfkd_ray.study"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
