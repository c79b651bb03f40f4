"""One source step and one student step of dfkd_fgvc at 224 pixels for pairs of networks: seconds, and memory at most.

    OMP_NUM_THREADS=1 python benchmarks/pairs.py                            # every pair, each in a process of its own
    OMP_NUM_THREADS=1 python benchmarks/pairs.py resnet34 wrn_40_2 --batch 8

Seconds are of the process's own CPU time (on a GPU of the clock), the second of two rounds; memory is what it held
resident (or allocated on a GPU) beyond what it held before.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from typing import get_args

import torch

from dfkd_ray import nets
from dfkd_ray.methods import config
from dfkd_ray.train.loop import distill
from dfkd_ray.train.run import Run
from dfkd_ray.train.runtime import Meter, Runtime
from dfkd_ray.util.choices import Precision

PAIRS = [  # DFKD-FGVC, tables 1 and 2, and others
    ("resnet34", "resnet18"),
    ("resnet34", "wrn_40_2"),
    ("resnet34", "imagenet_wrn_40_2"),
    ("resnet34", "mobilenet_v2"),
    ("resnet34", "resnet34"),
    ("resnet34", "vgg11_bn"),
    ("resnet50", "resnet18"),
]


def measure(teacher: str, student: str, batch: int, doublings: int, device: str, precision: Precision) -> None:
    plan = {"epochs": 2, "rounds": 1, "source_steps": 1, "student_steps": 1, "batch": batch}
    changes = {f"schedule.{name}": value for name, value in plan.items()} | {"source.doublings": doublings}
    method, runtime = config.change(config.load("dfkd_fgvc"), changes), Runtime(device, precision)
    where = runtime.open()
    torch.manual_seed(0)
    pair = nets.build(teacher, 100), nets.build(student, 100)
    before = Meter(where).peak()
    run = Run(method, *pair, (3, 224, 224), (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 0, runtime, where)
    meter, clock = Meter(where), time.process_time if where.type == "cpu" else time.perf_counter
    marks = [clock() for _ in distill(run)]
    place = run.student_loss.calls["high_order"].pairs.where  # type: ignore[attr-defined]
    memory = (meter.peak() - before) / 2**30
    seconds = marks[1] - marks[0]
    print(f"{teacher:9} {student:18} {batch:5} {seconds:8.1f} s {memory:7.2f} GiB  MHAD at the {place}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pair", nargs="*", metavar="NET", help="teacher and student; all pairs without")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--doublings", type=int, default=4, help="5: the generator starts from 7x7")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=get_args(Precision), default="float32")
    args = parser.parse_args()
    if args.pair:
        measure(*args.pair, args.batch, args.doublings, args.device, args.precision)
        return
    print("teacher   student            batch  a round    memory")
    rest = [f"--{name}={value}" for name, value in vars(args).items() if name != "pair"]
    for pair in PAIRS:
        subprocess.run([sys.executable, __file__, *pair, *rest], check=True)


if __name__ == "__main__":
    main()
