"""A step of a method: ours, the same the published way, and the floors; in alternation, as ratios.

    python -m benchmarks step                        # six methods at gliders' size
    python -m benchmarks step gliders cifar large --methods fast dfad --levers --json step.json
    python -m benchmarks step gliders cifar cifar34 large --device cuda

`naive / ours`: the same mathematics as published codes write it (naive.py), void where its losses are not ours within
1e-9 over five steps and more in float64. `ours / F1`: the nets with a plain logit loss, the teacher folded, no prior
and no optimiser. `ours / F2`: the convolutions of that alone. `ours / ours`: the null control. Medians over repetitions
of ratios within one, with an interval of 95 % by their order. Every case has a process of its own, with malloc's
tunables; with one thread seconds are the process's own. Memory is the highest of a process that ran that one alone.
On a GPU levers are measured as well: torch.compile, CUDA graphs, bfloat16, the layout of the nets.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from machine import Told, told
from step_cases import SIZES, STEPS, Case
from step_measure import HALVES, measure, memory
from step_variants import LEVERS, Seconds

from dfkd_ray.methods import config
from dfkd_ray.train.runtime import Runtime
from dfkd_ray.tune.ray_setup import MALLOC
from dfkd_ray.util.errors import ConfigError

CLOSE = 1e-9  # of losses of about 1 and more: what float64 leaves of the same mathematics in another order
PHASES = ("source", "student")
HEAD = "| step | ours | images/s | naive / ours | ours / F1 | ours / F2 | ours / ours | GB, ours and naive |"


def in_process(case: Case) -> dict[str, Any]:
    """What a process of its own finds; nothing where it fails, which it says on stderr."""
    env = {**os.environ, "GLIBC_TUNABLES": MALLOC, "OMP_NUM_THREADS": str(case.threads)}
    command = [sys.executable, "-W", "ignore", __file__, "--case", json.dumps(asdict(case))]
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {}
    return found


def row(case: Case) -> dict[str, Any]:
    """All that is known of a case."""
    found = in_process(case)
    for name in ("ours", "naive") if found else ():
        found[f"memory_{name}"] = in_process(replace(case, alone=name)).get("memory", float("nan"))
    return {"case": asdict(case), **found}


def ratios(seconds: dict[str, list[Seconds]], above: str, below: str, phase: int) -> Told:
    return told([one[phase] / other[phase] for one, other in zip(seconds[above], seconds[below])])


def lines(found: dict[str, Any]) -> Iterator[str]:
    """A case's rows of the table."""
    case, seconds = Case(**found["case"]), found.get("seconds")
    if seconds is None:
        yield f"| {case.method} | failed{' |' * 7}"
        return
    for phase, (name, middle) in enumerate(zip(PHASES, middles(seconds))):
        naive = str(ratios(seconds, "naive", "ours", phase))
        if not found["difference"] <= CLOSE:
            naive = f"void: losses differ by {found['difference']:.1e}"
        rest = [ratios(seconds, "ours", other, phase) for other in ("F1", "F2", "again")]
        memories = f"{found['memory_ours']:.2f}, {found['memory_naive']:.2f}"
        speed = (f"{1e3 * middle:.1f} ms", f"{case.images / middle:.0f}")
        yield f"| {' | '.join(map(str, (f'{case.method}, {name}', *speed, naive, *rest, memories)))} |"


def middles(seconds: dict[str, list[Seconds]], name: str = "ours") -> list[float]:
    """Median seconds of each phase."""
    return [told([each[phase] for each in seconds[name]]).middle for phase in range(len(PHASES))]


def beside(found: dict[str, Any]) -> Iterator[str]:
    """What else a case tells: shares of a matrix product's rate, the paper's run, and levers to ours as it is."""
    case, seconds = Case(**found["case"]), found["seconds"]
    for precision, name in {"float32": "ours", **{half: half for half in HALVES if half in seconds}}.items():
        times = middles(seconds, name)
        rate = found["flops"] / sum(each * steps for each, steps in zip(times, STEPS[case.method]))
        share = rate / found["rates"]["float32" if name == "ours" else "half"]
        yield f"- {case.method}, {precision}: {share:.0%} of the rate of a matrix product{paper(case, times)}"
    for lever in [name for name in seconds if name in (*LEVERS, *HALVES)]:
        of_phases = (f"{name} {ratios(seconds, lever, 'ours', phase)}" for phase, name in enumerate(PHASES))
        yield f"- {case.method}, {lever} / ours: {', '.join(of_phases)}"
    for lever, why in found["failed"].items():
        yield f"- {case.method}, {lever}: failed, {why}"


def paper(case: Case, times: Sequence[float]) -> str:
    """What all steps of the paper would take at its batch, where this is its size."""
    if case.method not in case.of.paper:
        return ""
    plan = config.load(case.method).schedule
    steps = (plan.source_rounds * plan.source_steps, plan.student_rounds * plan.student_steps)
    hours = sum(each * count for each, count in zip(times, steps)) * plan.batch / case.images / 3600
    return f"; the paper's run would take {hours:.1f} h"


def table(cases: Sequence[Case]) -> Iterator[dict[str, Any]]:
    """Print what is found at one size, a case at a time."""
    print(f"\n{cases[0].size}: {cases[0].of.said}, batch {cases[0].images}\n\n{HEAD}\n{'|---' * 8}|")
    found = []
    for case in cases:
        found.append(row(case))
        print("\n".join(lines(found[-1])), flush=True)
    print("\n" + "\n".join(line for each in found if "seconds" in each for line in beside(each)), flush=True)
    yield from found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", metavar="SIZE", help=f"of {', '.join(SIZES)}; gliders, if none is named")
    parser.add_argument("--methods", nargs="+", choices=STEPS, default=list(STEPS))
    parser.add_argument("--device", default="cpu", help="cuda brings --levers with it")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=0.3, help="of ours in one repetition, about")
    parser.add_argument("--batch", type=int, default=0, help="images; 0: the size's own")
    parser.add_argument("--levers", action="store_true", help="and ours with one habit changed at a time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all seconds and what follows from them")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.case:
        case = Case(**json.loads(args.case))
        print(json.dumps(memory(case) if case.alone else measure(case)))
        return
    if unknown := [size for size in args.sizes if size not in SIZES]:
        parser.error(f"no size {unknown[0]!r}; there are {', '.join(SIZES)}")
    try:
        Runtime(args.device).open()
    except ConfigError as error:
        parser.error(str(error))
    rest = (args.device, args.threads, args.repeats, args.seconds, args.batch, args.levers or args.device == "cuda")
    print(f"torch {torch.__version__}, {args.device}, threads {args.threads}")
    rows = [
        found for size in args.sizes or ["gliders"] for found in table([Case(m, size, *rest) for m in args.methods])
    ]
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
