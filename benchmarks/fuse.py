"""What several trials in one process gain: a round of each, batched and by turns, beside the same in a process alone.

    GLIBC_TUNABLES=glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=4294967296 OMP_NUM_THREADS=1 \\
        python -m benchmarks fuse [METHOD ...] [--size gliders] [--trials 2 4 8] [--device cuda]

K trials of one method, with seeds and rates of their own, at a size of `step`. By turns, in one process: a round of
each trial, one after the other (`alone`, which is what K trials cost without `fuse`; `again`, its null control), and a
round of all in step, batched (`batched`) and not (`by turns`). Printed: milliseconds of a trial's round alone, and the
median of alone / other with its middle half: above 1, the other is faster. `operations`: how many torch computes in a
trial's round, alone and batched: what a GPU that waits for launches can gain by. On a CPU an optimiser takes one for
each parameter, on a GPU one for all, so the ratio there is higher.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from machine import machine
from step_cases import SIZES, Size, method_of, opened
from step_variants import Clock
from torch.utils._python_dispatch import TorchDispatchMode

from dfkd_ray.methods import config
from dfkd_ray.nets.fusing import in_step
from dfkd_ray.train.lockstep import Lockstep
from dfkd_ray.train.loop import distill
from dfkd_ray.train.run import Run
from dfkd_ray.train.runtime import Runtime

METHODS = ("fast", "dfad", "dafl", "dfkd_fgvc")
RATE = "student.optimizer.lr"


def runs(name: str, size: Size, count: int, runtime: Runtime) -> list[Run]:
    """So many trials that differ in a rate; one teacher for all, as in a pack."""
    device = torch.device(runtime.device)
    method = method_of(name, size, size.batch[device.type != "cpu"])
    lr = method.student.optimizer.lr
    found = [opened(config.change(method, {RATE: lr * (1 + number / 8)}), size, runtime) for number in range(count)]
    for run in found[1:]:
        run.teacher = found[0].teacher
    return found


def alone(members: list[Run]) -> Callable[[], object]:
    loops = [distill(run) for run in members]
    return lambda: [next(loop) for loop in loops]


def together(members: list[Run], batches: bool) -> Callable[[], object]:
    def opens(run: Run) -> Iterator[Any]:
        return in_step(distill(run))

    return Lockstep({number: partial(opens, run) for number, run in enumerate(members)}, batches).step


class Operations(TorchDispatchMode):
    """Counts what torch computes in this thread, backward passes included; views are none."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        views = any(each.alias_info and not each.alias_info.is_write for each in func._schema.returns)
        Operations.count += not views
        return func(*args, **(kwargs or {}))


def operations(members: list[Run], batches: bool) -> int:
    """Of a trial's second round."""

    def opens(run: Run) -> Iterator[Any]:
        with Operations():  # in the thread of this trial
            yield from in_step(distill(run))

    pack = Lockstep({number: partial(opens, run) for number, run in enumerate(members)}, batches)
    pack.step()
    Operations.count = 0
    pack.step()
    pack.close()
    return round(Operations.count / len(members))


def measured(acts: dict[str, Callable[[], object]], repeats: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Seconds of each, in alternation; who is first alternates too."""
    for act in acts.values():
        act(), act()
    found: dict[str, list[float]] = {name: [] for name in acts}
    for number in range(repeats):
        for name in list(acts)[:: 1 if number % 2 else -1]:
            began = clock()
            acts[name]()
            found[name].append(clock() - began)
    return found


def quartiles(ratios: list[float]) -> str:
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("methods", nargs="*", metavar="METHOD", default=[*METHODS])
    parser.add_argument("--size", choices=SIZES, default="gliders")
    parser.add_argument("--trials", nargs="+", type=int, default=[2, 4, 8], help="in a pack")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--repeats", type=int, default=9)
    args = parser.parse_args()
    size, runtime = SIZES[args.size], Runtime(args.device, args.precision, 1)
    clock = Clock(torch.device(args.device))
    print(f"{machine()}; {size.said}; {args.device}, {args.precision}; {args.repeats} repetitions\n")
    print("| method | trials | a round alone | again | by turns | batched | operations |", "|---" * 7 + "|", sep="\n")
    for name in args.methods or METHODS:
        for count in args.trials:
            make = partial(runs, name, size, count, runtime)
            acts = {"alone": alone(make()), "again": alone(make())}
            acts |= {"by turns": together(make(), False), "batched": together(make(), True)}
            found = measured(acts, args.repeats, clock)
            of = {each: [a / b for a, b in zip(found["alone"], found[each])] for each in found}
            told = " | ".join(quartiles(of[each]) for each in ("again", "by turns", "batched"))
            counts = " to ".join(f"{operations(make(), batches):,}" for batches in (False, True))
            round_ = statistics.median(found["alone"]) / count * 1e3
            print(f"| {name} | {count} | {round_:.0f} ms | {told} | {counts} |", flush=True)


if __name__ == "__main__":
    main()
