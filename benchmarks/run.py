"""A whole run, an arm of the study of methods: seconds of the processor, what the student knows.

    python -m benchmarks run                                            # float32 and bfloat16, seeds 0, 1, 2
    python -m benchmarks run --method dfkd_fgvc --precisions bfloat16 --seeds 0 1 2 3 4 --json run.json
    python -m benchmarks run --task fashion_mnist --data fashion_mnist.npz --weights fashion.safetensors

Each run has a process of its own with one thread. Seconds are those of the process from the opened study to the last
epoch, evaluations included and imports not; accuracy is that of the last epoch on the test split.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean
from typing import Any, get_args

from dfkd_ray.runs.study_file import open_study
from dfkd_ray.study.overrides import Overrides
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.ray_setup import MALLOC
from dfkd_ray.tune.work import Job
from dfkd_ray.util import shipped
from dfkd_ray.util.choices import Precision
from dfkd_ray.util.errors import DfkdError

ALONE = "--alone"


def arms(args: argparse.Namespace, precision: Precision | None = None) -> tuple[Any, Any]:
    """The arms of the study by name, and its work."""
    options = Options(precision=precision, device=args.device, data=args.data, weights=args.weights)
    study, work = open_study(shipped.find("methods"), options, Overrides(task=args.task))
    assert study.ablation is not None
    return {arm.name: dict(arm.changes) for arm in study.ablation.arms}, work


def alone(args: argparse.Namespace, precision: Precision, seed: int) -> dict[str, float]:
    found, work = arms(args, precision)
    changes = found[args.method] | ({"schedule.epochs": args.epochs} if args.epochs else {})
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        last = list(work.epochs(Job(trial=0, changes=changes, seed=seed, folder=folder, threads=1)))[-1]
    seconds = time.process_time() - began
    return {"seconds": seconds, "accuracy": last.final["test_accuracy/last"], "memory": last.peak_memory / 1e9}


def row(method: str, precision: str, found: list[dict[str, float]]) -> str:
    accuracies = ", ".join(f"{100 * each['accuracy']:.1f}" for each in found)
    seconds = ", ".join(f"{each['seconds']:.1f}" for each in found)
    means = f"{fmean(each['seconds'] for each in found):.1f} s", f"{fmean(each['accuracy'] for each in found):.1%}"
    return f"| {method} | {precision} | {' | '.join((seconds, means[0], accuracies, means[1]))} |"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--method", default="fast", help="an arm of search_spaces/methods.yaml")
    parser.add_argument("--precisions", nargs="+", choices=get_args(Precision), default=["float32", "bfloat16"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--epochs", type=int, default=0, help="where a run ends; 0: at its own end")
    parser.add_argument("--task", help="in place of gliders")
    parser.add_argument("--data", metavar="PATH", help="its real images, which judge")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="its teacher's")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument(ALONE, nargs=2, metavar=("PRECISION", "SEED"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    try:
        known = [args.method] if args.alone else arms(args)[0]
    except DfkdError as error:
        parser.error(str(error))
    if args.method not in known:
        parser.error(f"no arm {args.method!r}; there are {', '.join(known)}")
    return args


def main() -> None:
    args = parsed()
    if args.alone:
        precision, seed = args.alone
        print(json.dumps(alone(args, precision, int(seed))))
        return
    given = {name: getattr(args, name) for name in ("method", "device", "epochs", "task", "data", "weights")}
    same = [word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))]
    env = {**os.environ, "GLIBC_TUNABLES": MALLOC, "OMP_NUM_THREADS": "1"}
    print(f"| run | precision | seconds, by seed | mean | test accuracy, % | mean |\n{'|---' * 6}|", flush=True)
    rows = []
    for precision in args.precisions:
        found = []
        for seed in args.seeds:
            command = [sys.executable, __file__, *same, ALONE, precision, str(seed)]
            done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
            rows.append({"method": args.method, "precision": precision, "seed": seed, **found[-1]})
        print(row(args.method, precision, found), flush=True)
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
