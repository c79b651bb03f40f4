"""Each of the benchmarks that say how fast or how safe this is, at its short size.

    python -m benchmarks all                         # in about half an hour of a core
    python -m benchmarks --keep all                  # and what each finds is kept in RESULTS.md
    python -m benchmarks all --only step fuzz

What is short says less: it is a check that all of them run, and a first look. Exit code 1 if one of them fails.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

KEEP = "DFKD_RAY_KEEP"  # set where the benchmarks that this one starts are to be kept too
SHORT = {
    "step": ["gliders", "--repeats", "9", "--seconds", "0.1"],
    "run": ["--seeds", "0"],
    "tuner": ["--slots", "20", "--trials", "100"],
    "load": ["run", "--trials", "100", "--epochs", "20"],
    "faults": ["--repeat", "1", "--kind", "kill_9", "--kind", "ledger_bit"],
    "fuzz": ["--seconds", "60", "--seed", "1"],
    "report": ["--trials", "200"],
    "memory": ["noise_kd", "fast"],
    "diffusion": ["count", "--lever", "both", "--batch", "1"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=SHORT, default=list(SHORT))
    args = parser.parse_args()
    keep = ["--keep"] if os.environ.get(KEEP) else []
    failed = []
    for name in args.only:
        print(f"\n== {name} {' '.join(SHORT[name])}\n", flush=True)
        began = time.perf_counter()
        if subprocess.run([sys.executable, "-m", "benchmarks", *keep, name, *SHORT[name]]).returncode:
            failed.append(name)
        print(f"\n{name}: {time.perf_counter() - began:.0f} s", flush=True)
    print(f"failed: {', '.join(failed)}" if failed else "all of them ran")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
