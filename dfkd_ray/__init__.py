"""dfkd-ray: the laboratory for data-free knowledge distillation.

    import dfkd_ray

    found = dfkd_ray.sweep("mhad", trials=4, runner="serial")
    found.trials          # a DataFrame, a row a trial, its settings as columns
    found.figure("history")
    dfkd_ray.load("reports/mhad").student()

Importing the package imports nothing heavier than the standard library: what it offers is imported when it is used.
"""

from __future__ import annotations

import importlib

TYPE_CHECKING = False  # a type checker takes it for true, and `typing` takes longer than all else here
if TYPE_CHECKING:
    from typing import Any

    from dfkd_ray import study as study
    from dfkd_ray.api.commands import ablate, distill, plan, resume, sweep
    from dfkd_ray.api.results import Results, load

__version__ = "0.1.0"
__all__ = ["Results", "ablate", "distill", "load", "plan", "resume", "study", "sweep"]
_COMMANDS, _RESULTS = "dfkd_ray.api.commands", "dfkd_ray.api.results"
_LAZY = {  # name: the module that has it, or that it is
    **dict.fromkeys(("ablate", "distill", "plan", "resume", "sweep"), _COMMANDS),
    **dict.fromkeys(("Results", "load"), _RESULTS),
    "study": "dfkd_ray.study",
}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(_LAZY[name])
    return module if _LAZY[name] == f"{__name__}.{name}" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})
