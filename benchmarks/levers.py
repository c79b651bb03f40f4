"""What exact shortcuts are worth: each put back to the plain code that it stands for, by turns with the code as it is.

    GLIBC_TUNABLES=glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=4294967296 OMP_NUM_THREADS=1 \\
        python -m benchmarks levers fast dfad mhad

A call is what a round does in one phase of the real loop: five steps of the source, or of the student. Calls of both
variants alternate, and which goes first alternates too, in one process. Printed: the median time of a call of each, the
median of the ratios of neighbouring calls, and their middle half. `nothing` is the null control: the same code twice.
`mixed precision` is no exact shortcut: what it is worth beside them.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, get_args
from unittest.mock import patch

import torch
from machine import machine
from torch import Tensor
from torch.nn import functional as F

from dfkd_ray import datasets, study
from dfkd_ray.methods import config
from dfkd_ray.nets import channels_last
from dfkd_ray.nets.attention import HighOrderAttention
from dfkd_ray.nets.sharing import Ranks
from dfkd_ray.nets.upsampling import UpsampledConv
from dfkd_ray.runs import preparing
from dfkd_ray.train.loop import distill
from dfkd_ray.train.runtime import Runtime
from dfkd_ray.tune.options import Options
from dfkd_ray.util import shipped
from dfkd_ray.util.choices import Precision

ENDLESS = {"schedule.epochs": 10**6, "schedule.rounds": 1, "schedule.warmup": 0}
PHASES = {"source": (5, 0), "student": (0, 5)}


def upsampled(conv: UpsampledConv, input: Tensor) -> Tensor:
    return F.conv2d(F.interpolate(input, scale_factor=2.0), conv.weight, conv.bias, padding=1)


def moments(ranks: Ranks, x: Tensor) -> tuple[Tensor, Tensor]:
    mean = x.mean((0, 2, 3))
    return mean, (x - mean.view(-1, 1, 1)).square().mean((0, 2, 3))


def stacked(attention: HighOrderAttention, features: Tensor) -> Tensor:
    factors, routes = iter(attention.reduce(features).split(attention.inner, dim=1)), []
    for rank, expand in enumerate(attention.expand, start=1):
        product = next(factors)
        for _ in range(rank - 1):
            product = product * next(factors)
        routes.append(expand(product.relu()))
    return torch.stack(routes).sigmoid().mean(0)


def through_logsumexp(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return (x - x.logsumexp(axes, keepdim=True)).exp()


def plain(lever: str) -> AbstractContextManager[Any]:
    """Within it the code is the one before the lever."""
    before: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        "nothing": nullcontext,
        "mixed precision": nullcontext,
        "transposed convolution": lambda: patch.object(UpsampledConv, "forward", upsampled),
        "gates in place": lambda: patch.object(HighOrderAttention, "forward", stacked),
        "softmax": lambda: patch.object(channels_last, "softmax", through_logsumexp),
        "gradients as they lie": lambda: patch.multiple(channels_last, _lies_so=lambda x: False, laid=lambda x: x),
        "moments": lambda: patch.object(Ranks, "moments", moments),
    }
    return before[lever]()


LEVERS = {  # and the phases that they touch
    "nothing": [*PHASES],
    "transposed convolution": ["source"],
    "moments": ["source"],
    "gates in place": ["student"],
    "softmax": [*PHASES],
    "gradients as they lie": [*PHASES],
    "mixed precision": [*PHASES],
}


def calls(setting: str, steps: tuple[int, int], precision: Precision) -> Iterator[object]:
    """The real loop, cut so that each item is one call."""
    name, task = ("dfkd_fgvc" if setting == "mhad" else setting), datasets.load("gliders")
    fixed = study.load(shipped.find("mhad")).fixed if setting == "mhad" else {}
    plan = {"schedule.source_steps": steps[0], "schedule.student_steps": steps[1]}
    method = config.change(preparing.in_preset(config.load(name), name, "laptop", task), {**fixed, **ENDLESS, **plan})
    runtime = Runtime("cpu", precision, threads=1)
    work = preparing.prepare(method, task, Options(device="cpu", precision=precision, threads=1))
    return distill(work.open(method, 0, runtime, runtime.open()))


def measure(lever: str, setting: str, phase: str, precision: Precision, blocks: int) -> list[tuple[float, float]]:
    """Seconds of the process's own time for a call, as it is and before the lever."""
    now: Precision = "mixed" if lever == "mixed precision" else precision
    runs = [calls(setting, PHASES[phase], each) for each in (now, precision)]
    found = []
    for number in range(-2, blocks):  # the first two warm up
        spent = [0.0, 0.0]
        for which in (0, 1) if number % 2 else (1, 0):
            with plain(lever) if which else nullcontext():
                began = time.process_time()
                next(runs[which])
                spent[which] = time.process_time() - began
        if number >= 0:
            found.append((spent[0], spent[1]))
    return found


def row(setting: str, phase: str, lever: str, found: list[tuple[float, float]]) -> str:
    now, before = (statistics.median(each) for each in zip(*found))
    low, middle, high = statistics.quantiles([a / b for a, b in found], n=4, method="inclusive")
    cells = [setting, phase, lever, f"{1e3 * before:.0f} ms", f"{1e3 * now:.0f} ms"]
    return f"| {' | '.join(cells)} | {middle:.2f} ({low:.2f} to {high:.2f}) |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="+", help="methods as `laptop` has them on gliders, or mhad, that study's")
    parser.add_argument("--levers", nargs="*", choices=LEVERS, default=list(LEVERS))
    parser.add_argument("--precision", choices=get_args(Precision), default="float32")
    parser.add_argument("--blocks", type=int, default=9)
    asked = parser.parse_args()
    print(f"{machine()}; {asked.precision}\n\n| setting | phase | lever | before | now | ratio (middle half) |")
    print(f"|{'---|' * 6}")
    torch.set_num_threads(1)
    for setting in asked.settings:
        for lever in asked.levers:
            for phase in LEVERS[lever]:
                found = measure(lever, setting, phase, asked.precision, asked.blocks)
                print(row(setting, phase, lever, found), flush=True)


if __name__ == "__main__":
    main()
