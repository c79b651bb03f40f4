"""What a process of `step` finds: whether two loops do the same, seconds of a step, and memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, get_args

import torch
from step_cases import STEPS, Case
from step_variants import LEVERS, Clock, Convolutions, Floor, Ours, Seconds, Twin, compiled, graphs
from torch.utils.flop_counter import FlopCounterMode

from dfkd_ray.parts.sources.lifecycles import Keep
from dfkd_ray.train.runtime import Meter
from dfkd_ray.util.choices import Precision

HALVES = tuple(name for name in get_args(Precision) if name not in ("float32", "float16"))
CHECKED = 8  # images of a batch whose losses are compared
# Two rounds of this: six steps of each phase, and what lies between rounds. A bias before BatchNorm has no gradient but
# rounding, of which Adam makes steps all the same; SpaceshipNet's running means show them, so they are to be small.
CHECK = {"schedule.source_steps": 3, "schedule.student_steps": 3, "source.optimizer.lr": 1e-4}


def difference(case: Case) -> float:
    """The largest between the losses of ours and of the twin, to their size where that is above 1, in float64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        run = case.run(batch=min(case.images, CHECKED), changes=CHECK)
        seen: list[float] = []
        for loss in (run.source_loss, run.student_loss):
            loss.register_forward_hook(lambda module, args, out: seen.append(out[0].item()))
        twin, ours = Twin(run), Ours(run)
        for _ in range(2):
            ours.round()
            twin.round()
    finally:
        torch.set_default_dtype(before)
    pairs = list(zip(seen, twin.naive.losses, strict=True))
    return max(abs(one - other) / max(1.0, abs(one)) for one, other in pairs)


def variants(case: Case) -> dict[str, Callable[[], Any]]:
    """What runs side by side, by name, as it is opened; each has a run of its own."""
    floor = cache(lambda: Floor(case.run()))
    found: dict[str, Callable[[], Any]] = {
        "ours": lambda: Ours(case.run()),
        "again": lambda: Ours(case.run()),
        "naive": lambda: Twin(case.run()),
        "F1": floor,
        "F2": lambda: Convolutions(floor()),
    }
    if not case.levers:
        return found
    lasts = case.device == "cuda" and isinstance(case.run().method.source.lifecycle, Keep)  # a copy is not compiled
    for name, tweak in LEVERS.items():
        if lasts or tweak not in (compiled, graphs):
            found[name] = partial(lambda tweak: Ours(case.run(), tweak), tweak)
    for precision in HALVES:
        found[precision] = partial(lambda precision: Ours(case.run(precision)), precision)
    return found


def measure(case: Case) -> dict[str, Any]:
    """Seconds a step of each phase and variant, repetition by repetition."""
    found: dict[str, Any] = {"difference": difference(case), "failed": {}, "seconds": {}}
    there: dict[str, Any] = {}
    for name, open_it in variants(case).items():
        try:
            variant = open_it()
            variant.round(), variant.round()
            there[name] = variant
        except Exception as error:  # a lever that this device or this torch does not bear is a row that says so
            if name not in (*LEVERS, *HALVES):
                raise
            found["failed"][name] = str(error).strip().partition("\n")[0]
    with FlopCounterMode(display=False) as flops:
        there["again"].round()
    count = max(1, round(case.seconds / sum(there["ours"].round())))
    for number in range(case.repeats):
        order = list(there)[:: 1 if number % 2 else -1]
        for name in order:
            times = [block(there[name], count, STEPS[case.method])]
            found["seconds"].setdefault(name, []).extend(times)
    device = torch.device(case.device)
    rates = {
        name: product_rate(device, dtype) for name, dtype in (("float32", torch.float32), ("half", torch.bfloat16))
    }
    return {**found, "flops": flops.get_total_flops(), "rates": rates}


def block(variant: Any, rounds: int, steps: tuple[int, int]) -> Seconds:
    """Seconds a step of either phase, over so many rounds."""
    times = [variant.round() for _ in range(rounds)]
    return tuple(sum(phase) / rounds / each for phase, each in zip(zip(*times), steps))  # type: ignore[return-value]


def product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of a large product of matrices: what the share of peak is a share of."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32  # as convolutions are computed
    side, clock = 8192 if device.type == "cuda" else 1024, Clock(device)
    a, rates = torch.randn(side, side, device=device, dtype=dtype), []
    for _ in range(5):
        began = clock()
        a @ a
        rates.append(2 * side**3 / (clock() - began))
    return max(rates)


def memory(case: Case) -> dict[str, Any]:
    """GB at most of one variant through two rounds."""
    run = case.run()
    meter, variant = Meter(run.device), {"ours": Ours, "naive": Twin}[case.alone](run)
    variant.round(), variant.round()
    return {"memory": meter.peak() / 1e9}
