"""What the habits of the loop are worth: one thing changed at a time, both variants in turn, as ratios within one run.

    GLIBC_TUNABLES=glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=4294967296 OMP_NUM_THREADS=1 \\
        python benchmarks/loop.py --setting mhad

A block is some calls of one variant; blocks alternate, and which variant goes first alternates too. Printed: the median
time a call of each variant, the median of the ratios of neighbouring blocks, and the middle half of those ratios. With
one thread the clock is the process's own CPU time, which other processes of the machine disturb little.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from dfkd_ray import study
from dfkd_ray.methods import config
from dfkd_ray.nets.sharing import ALONE
from dfkd_ray.runs import preparing
from dfkd_ray.train.loop import distill
from dfkd_ray.train.run import Run
from dfkd_ray.train.runtime import Runtime
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.ray_setup import MALLOC
from dfkd_ray.util import shipped

SETTINGS = {
    "mhad": "dfkd_fgvc as search_spaces/mhad.yaml fixes it, on gliders",
    "paper": "dfkd_fgvc as the paper states it (width 64, batch 64), on gliders at 32 pixels",
}
ONLY_SOURCE = {"schedule.source_steps": 1, "schedule.student_steps": 0}
ONLY_STUDENT = {"schedule.source_steps": 0, "schedule.student_steps": 1}
ROUND = {"schedule.source_steps": 1, "schedule.student_steps": 5}
Tweak = Callable[[Run], object]


@dataclass(frozen=True)
class Pair:
    """The code as it is (or `base` changed), against `tweak` of the opened run or further `changes` of the method."""

    unit: str
    as_is: str
    instead: str
    base: dict[str, Any]
    changes: dict[str, Any] | None = None
    tweak: Tweak = lambda run: None


def contiguous(run: Run) -> None:
    for net in (run.teacher, run.student):
        net.to(memory_format=torch.contiguous_format)


def generator_contiguous(run: Run) -> None:
    run.source.net.to(memory_format=torch.contiguous_format)


def teacher_with_gradients(run: Run) -> None:
    run.teacher.requires_grad_(True)


def statistics_always(run: Run) -> None:
    """Forward hooks on every BatchNorm of the teacher that never leave, as in DeepInversion's code."""
    kept: dict[nn.Module, Any] = {}
    for module in run.teacher.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda m, args, output: kept.__setitem__(m, ALONE.moments(args[0])))


PAIRS = [
    Pair("source step", "teacher, student channels_last", "contiguous", ONLY_SOURCE, tweak=contiguous),
    Pair("student step", "teacher, student channels_last", "contiguous", ONLY_STUDENT, tweak=contiguous),
    Pair("source step", "generator channels_last", "contiguous", ONLY_SOURCE, tweak=generator_contiguous),
    Pair("student step", "generator channels_last", "contiguous", ONLY_STUDENT, tweak=generator_contiguous),
    Pair("source step", "teacher frozen", "requires gradients", ONLY_SOURCE, tweak=teacher_with_gradients),
    Pair("student step", "teacher frozen", "requires gradients", ONLY_STUDENT, tweak=teacher_with_gradients),
    Pair("student step", "BN statistics when read", "always hooked", ONLY_STUDENT, tweak=statistics_always),
    Pair("source step", "with the adversarial term", "without", ONLY_SOURCE, {"source_loss.adversarial": None}),
    Pair("round of 1 + 5 steps", "fresh images, reuse 1", "reuse 5", ROUND, {"memory.reuse": 5}),
]


def calls(setting: str, changes: dict[str, Any], threads: int, tweak: Tweak = lambda run: None) -> Iterator[object]:
    """The real loop, cut so that each item is one call of what is measured."""
    fixed = study.load(shipped.find("mhad")).fixed if setting == "mhad" else {}
    endless = {"schedule.epochs": 10**6, "schedule.rounds": 1}
    method = config.change(config.load("dfkd_fgvc"), {**fixed, **endless, **changes})
    runtime = Runtime("cpu", threads=threads)
    work = preparing.prepare(method, "gliders", Options(device="cpu", threads=threads))
    run = work.open(method, 0, runtime, runtime.open())
    tweak(run)
    return distill(run)


def block(steps: Iterator[object], count: int, clock: Callable[[], float]) -> float:
    """Seconds a call."""
    began = clock()
    for _ in range(count):
        next(steps)
    return (clock() - began) / count


def measure(pair: Pair, setting: str, threads: int, blocks: int, seconds: float) -> tuple[float, float, list[float]]:
    """Median seconds a call of both variants, and the ratio of each pair of neighbouring blocks."""
    clock = time.process_time if threads == 1 else time.perf_counter
    variants = [
        calls(setting, pair.base, threads),
        calls(setting, {**pair.base, **(pair.changes or {})}, threads, pair.tweak),
    ]
    warm = [block(steps, 2, clock) and block(steps, 2, clock) for steps in variants]
    counts = [max(2, round(seconds / each)) for each in warm]
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(blocks):
        for which in (0, 1) if number % 2 else (1, 0):
            times[which].append(block(variants[which], counts[which], clock))
    return *(statistics.median(each) for each in times), [b / a for a, b in zip(*times)]  # type: ignore[return-value]


def malloc(setting: str, threads: int, repeats: int) -> tuple[float, float, list[float]]:
    """A round in processes of their own, in turn with and without the tunables (malloc reads them once)."""
    command = [sys.executable, __file__, "--setting", setting, "--threads", str(threads), "--one-round"]
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(repeats):
        for which in (0, 1) if number % 2 else (1, 0):
            env = {key: value for key, value in os.environ.items() if key != "GLIBC_TUNABLES"}
            if which == 0:
                env["GLIBC_TUNABLES"] = MALLOC
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
            times[which].append(float(done.stdout))
    return *(statistics.median(each) for each in times), [b / a for a, b in zip(*times)]  # type: ignore[return-value]


def one_round(setting: str, threads: int) -> float:
    clock = time.process_time if threads == 1 else time.perf_counter
    steps = calls(setting, ROUND, threads)
    block(steps, 2, clock)
    return statistics.median(block(steps, 1, clock) for _ in range(9))


def machine(threads: int) -> str:
    cpu = next((line.split(":")[1].strip() for line in _cpuinfo() if line.startswith("model name")), platform.machine())
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    versions = f"Python {platform.python_version()}, torch {torch.__version__}"
    tunables = os.environ.get("GLIBC_TUNABLES", "none")
    clock = "CPU time of the process" if threads == 1 else "wall clock"
    return f"{cpu}, {os.cpu_count()} cores, load {load}; {versions}; {threads} threads; malloc: {tunables}; {clock}"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def row(unit: str, as_is: str, instead: str, found: tuple[float, float, list[float]]) -> str:
    a, b, ratios = found
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    cells = [unit, as_is, f"{1e3 * a:.1f} ms", instead, f"{1e3 * b:.1f} ms", f"{middle:.2f} ({low:.2f} to {high:.2f})"]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--setting", choices=SETTINGS, default="mhad")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--blocks", type=int, default=15, help="of each variant")
    parser.add_argument("--seconds", type=float, default=0.4, help="of one block, about")
    parser.add_argument("--malloc", type=int, default=5, help="processes with, and without, malloc's tunables")
    parser.add_argument("--one-round", action="store_true", help="print the seconds of a round and end")
    options = parser.parse_args()
    if options.one_round:
        print(one_round(options.setting, options.threads))
        return
    print(f"{SETTINGS[options.setting]}.\n{machine(options.threads)}\n")
    print("| a | as it is | time | instead | time | ratio (middle half) |\n|---|---|---|---|---|---|")
    for pair in PAIRS:
        found = measure(pair, options.setting, options.threads, options.blocks, options.seconds)
        print(row(pair.unit, pair.as_is, pair.instead, found), flush=True)
    if options.malloc > 1:
        found = malloc(options.setting, options.threads, options.malloc)
        print(row("round of 1 + 5 steps", "malloc with the tunables", "malloc's defaults", found))
    print(f"\nload at the end: {', '.join(f'{value:.1f}' for value in os.getloadavg())}")


if __name__ == "__main__":
    main()
