"""What the source `diffusion` takes at the size of Stable Diffusion v1.5, 512 pixels, with a ResNet-34 at 224 that
guides it and a ResNet-18 that is its adversary: memory and arithmetic, with and without each lever.

    OMP_NUM_THREADS=1 python benchmarks/diffusion.py count        # nothing is computed: any machine will do
    OMP_NUM_THREADS=1 python benchmarks/diffusion.py check        # that count against what torch gave out, on a CPU
    python benchmarks/diffusion.py measure --batch 8              # seconds and memory on the device that is there
    OMP_NUM_THREADS=1 python benchmarks/diffusion.py measure --model FOLDER --set source.timesteps=20    # on gliders

`count` runs the real trajectory on tensors that have a shape and no values (torch's FakeTensorMode) and adds up the
storages that are alive: weights and activations, with the fused attention of a CPU, which keeps what a GPU's keeps.
What is not in it: what an allocator loses to fragmentation, a CUDA context, workspaces of cuDNN. A timestep is one
guidance update and one step of DDPM. The weights of that size are random, so nothing is said of images. Seconds are of
the process's own CPU time, on a GPU of the clock; memory is what the process held resident, or allocated on the GPU.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import torch
from sd15 import LEVERS, TIMED, Alive, Lever, Size, nets_of, opened, tweaked, updates, without_values
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from dfkd_ray.cli.options import assignments
from dfkd_ray.methods import config
from dfkd_ray.runs import preparing
from dfkd_ray.train.run import Run
from dfkd_ray.train.runtime import Meter, Runtime
from dfkd_ray.tune.options import Options

TRAJECTORY = 50  # timesteps
GIB = 2**30
TITLES = {
    "count": "| levers | precision | {batches} | a timestep | a trajectory |\n|---|---|{rule}---|---|",
    "check": "| levers | counted, GiB | recorded, GiB | ratio |\n|---|---|---|---|",
    "measure": "| levers | first update, s | a timestep, s | all, s | memory, GiB |\n|---|---|---|---|---|",
}


def count(lever: Lever, batches: list[int], size: Size) -> str:
    """A row: GiB at most for each batch; TFLOP of a timestep and of a trajectory of one latent."""
    run = opened(lever, size, 3, "cpu", filled=False)
    with without_values(run):
        peaks = [peak(run, replace(size, batch=batch)) for batch in batches]
        with FlopCounterMode(display=False) as flops:
            first, second = (flops.get_total_flops() / 1e12 for _ in updates(run, replace(size, batch=1)))
        update, step = first, second - 2 * first
        last = flops.get_total_flops() / 1e12 - 2 * update - 3 * step  # the finished image
    whole = (TRAJECTORY - 1) * update + TRAJECTORY * step + last
    cells = [
        lever.name,
        size.precision,
        *(f"{high / GIB:.1f}" for _, high in peaks),
        f"{update + step:.1f}",
        f"{whole:.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def peak(run: Run, size: Size) -> tuple[int, int]:
    """Bytes of the weights, and the most that is alive up to the end of a second guidance update."""
    with Alive(*nets_of(run)) as alive:
        held = alive.now
        collections.deque(itertools.islice(updates(run, size), 2), maxlen=0)
    return held, alive.peak


def check(lever: Lever, size: Size) -> str:
    """A row: what is alive beyond the weights, counted, and as torch's own allocator records it on this CPU."""
    run = opened(lever, size, 3, "cpu", filled=False)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorded:
        collections.deque(itertools.islice(updates(run, size), 2), maxlen=0)
    events = recorded.profiler.kineto_results.events()
    given = sorted((event.start_ns(), event.nbytes()) for event in events if event.name() == "[memory]")
    real = max(itertools.accumulate(size for _, size in given))
    with without_values(run):
        held, high = peak(run, size)
    counted = high - held
    return f"| {lever.name} | {counted / GIB:.3f} | {real / GIB:.3f} | {counted / real:.3f} |"


def measure(lever: Lever, run: Run, size: Size, warm: int) -> str:
    """A row: seconds of the first guidance update, of a timestep (median after the warm-up), of all; memory."""
    meter, marks = Meter(run.device), [now(run.device)]
    for _ in updates(run, size):
        marks.append(now(run.device))
    whole = now(run.device) - marks[0]
    steps = [after - before for before, after in itertools.pairwise(marks[1:])][warm:]
    cells = [
        lever.name,
        f"{marks[1] - marks[0]:.3f}",
        f"{statistics.median(steps):.3f}" if steps else "",
        f"{whole:.2f}",
    ]
    return f"| {' | '.join([*cells, f'{meter.peak() / GIB:.2f}'])} |"


def now(device: torch.device) -> float:
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def loaded(lever: Lever, options: argparse.Namespace) -> Run:
    """The shipped method on gliders, with a pipeline from a folder."""
    changes = {f"source.{name}": value for name, value in lever.changes.items()} | assignments(options.set)
    method = config.change(config.load("diff_dfkd"), changes | {"source.model": options.model})
    runtime = Runtime(options.device)
    work = preparing.prepare(method, "gliders", Options(device=options.device))
    return tweaked(work.open(method, 0, runtime, runtime.open()), lever)


def arguments() -> argparse.Namespace:
    keys = [lever.key for lever in [*LEVERS, *TIMED]]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=("count", "check", "measure"))
    parser.add_argument("--lever", choices=keys, action="append", help="may be given again; all without")
    parser.add_argument("--batch", type=int, action="append", help="may be given again for `count`")
    parser.add_argument("--pixels", type=int, default=512, help="the side of the decoded image")
    parser.add_argument("--precision", choices=("bfloat16", "float32"), default="bfloat16")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--warm", type=int, default=2, help="timesteps before the clock counts")
    parser.add_argument("--repeats", type=int, default=5, help="timesteps that it counts")
    parser.add_argument("--model", help="a folder: its pipeline on gliders, whole trajectories")
    parser.add_argument("--set", action="append", default=[], metavar="PATH=VALUE", help="of the method, with --model")
    parser.add_argument("--alone", action="store_true", help="print the rows and nothing else")
    return parser.parse_args()


def rows(options: argparse.Namespace) -> Iterator[str]:
    size = Size((options.batch or [1])[0], options.pixels, options.precision)
    for lever in [lever for lever in [*LEVERS, *TIMED] if lever.key in options.lever]:
        if options.mode == "count":
            yield count(lever, options.batch or [1, 2, 4, 8], size)
        elif options.mode == "check":
            yield check(lever, size)
        elif options.model:
            run = loaded(lever, options)
            yield measure(lever, run, replace(size, batch=run.method.source.at_once), options.warm)
        else:
            timesteps = 2 + options.warm + options.repeats
            run = opened(lever, size, timesteps, options.device, filled=True)
            yield measure(lever, run, size, options.warm)


def main() -> None:
    """Each lever in a process of its own: what one leaves behind is no part of another's memory."""
    options = arguments()
    if options.alone:
        for row in rows(options):
            print(row, flush=True)
        return
    batches = [str(batch) for batch in options.batch or [1, 2, 4, 8]]
    print(TITLES[options.mode].format(batches=" | ".join(batches), rule="---|" * len(batches)))
    words = [options.mode]
    for name in ("batch", "pixels", "precision", "device", "warm", "repeats", "model", "set"):
        value = getattr(options, name)
        words += [f"--{name}={each}" for each in (value if isinstance(value, list) else [value]) if each is not None]
    usual = LEVERS if options.mode != "measure" else [*LEVERS, *TIMED]
    for key in options.lever or [lever.key for lever in usual if not (options.model and "decoder" in lever.changes)]:
        subprocess.run([sys.executable, __file__, *words, f"--lever={key}", "--alone"], check=False)


if __name__ == "__main__":
    main()
