"""Whether a stopper begins where it can tell anything: while a student learns, and before a trial ends."""

from __future__ import annotations

from dfkd_ray.study.specs import NoStopper, StopperSpec


def describe(stopper: StopperSpec, epochs: int, warmup: int) -> str | None:
    """One line on a stopper that begins too late, or before the student does; None where there is none, or it is well.

    epochs, warmup: of a trial; in the first `warmup` epochs the student does not learn.
    """
    if isinstance(stopper, NoStopper):
        return None
    name, begins = stopper.registered_as, max(1, stopper.grace)  # type: ignore[attr-defined]
    if begins >= epochs:
        return f"{name} stops nothing: it begins after epoch {begins}, and a trial has {epochs} (`grace`)"
    if begins <= warmup:
        soonest = min(warmup + 3, epochs - 1)
        take = f"`grace: {soonest}`" if soonest > warmup else "`stopper: none`"
        return (
            f"{name} begins after epoch {begins}, when no student has learnt anything (schedule.warmup is {warmup}), "
            f"and compares by chance until then: take {take}"
        )
    return None
