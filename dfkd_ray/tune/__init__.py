"""Studies at work: who decides (search, stoppers), who runs (serial_runner, ray_runner), who records (tuner, ledger).

`start` and `resume` are imported when they are asked for, so that a trial's process, which needs `tune.work` alone,
loads neither Optuna nor pyarrow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dfkd_ray.tune.interrupts import Interrupted
    from dfkd_ray.tune.launch import resume, start, summary
    from dfkd_ray.tune.summing import Summary

__all__ = ["Interrupted", "Summary", "resume", "start", "summary"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from dfkd_ray.tune import interrupts, launch, summing

    return getattr({"Interrupted": interrupts, "Summary": summing}.get(name, launch), name)
