"""Fuzzing: hostile variants of real files, through the functions that the command line calls.

    python -m benchmarks fuzz --seconds 600 --seed 0 [--kind study --kind shard] [--inputs 1000]

Inputs are made from (seed, kind, number) and called in a child process, so that a crash is counted and not the end.
Each is accepted, refused (a deliberate error with a message), or a failure: a traceback, a hang over 5 s, a crash, or
a file that was written outside its folder. Failing inputs are kept, each with its reason, and then the exit code is 1:
`--replay KIND NUMBER` calls one of them again and shows where it fails.
"""

from __future__ import annotations

import argparse
import os
import random
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fuzz_child import AS_IT_IS, serve

HANG = 5.0  # seconds
START = 300.0  # seconds for what is imported, and for the samples
PATIENCE = 20  # failures after which a kind is left
OUTCOMES = ("accepted", "refused", "traceback", "hang", "crash", "outside")


class Child:
    """The process that calls the inputs: `ask(kind, number)` has the outcome and the reason."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        words = [sys.executable, __file__, "--child", str(folder), "--seed", str(seed)]
        env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), "PYTHONDONTWRITEBYTECODE": "1"}
        env["TMPDIR"] = str(folder / "temporary")  # what libraries put there is not outside
        (folder / "temporary").mkdir(exist_ok=True)
        self._said = (folder / "stderr.txt").open("w+b")
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._said}
        self._process = subprocess.Popen(words, env=env, start_new_session=True, **pipes)
        self._answer, self._warm = b"", set[str]()
        if self._line(START) != "ready":
            raise SystemExit(f"the child does not start:\n{self.last_words()}")

    def ask(self, kind: str, number: int) -> tuple[str, str]:
        """The first input of a kind is the file as it is: what it takes to be imported is not counted as a hang."""
        if kind not in self._warm:
            self._warm.add(kind)
            if (said := self._ask(kind, AS_IT_IS, START))[0] != "accepted":
                raise SystemExit(f"the real file of {kind} is not accepted: {said}")
        return self._ask(kind, number, HANG)

    def _ask(self, kind: str, number: int, seconds: float) -> tuple[str, str]:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{kind} {number}\n".encode())
        self._process.stdin.flush()
        line = self._line(seconds)
        if line is None:
            ended = self._process.poll() is not None
            return ("crash", f"exit code {self._process.poll()}\n{self.last_words()}") if ended else ("hang", "")
        outcome, _, reason = line.partition(" ")
        return outcome, reason.replace("\x1f", "\n")

    def _line(self, seconds: float) -> str | None:
        """The next line that the child says; None where it says none in time, or is no more."""
        assert self._process.stdout is not None
        until = time.monotonic() + seconds
        while b"\n" not in self._answer:
            if not select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
                return None
            if not (more := os.read(self._process.stdout.fileno(), 65_536)):
                self._process.wait()
                return None
            self._answer += more
        line, _, self._answer = self._answer.partition(b"\n")
        return line.decode("utf-8", "replace")

    def last_words(self) -> str:
        self._said.seek(0)
        return self._said.read()[-3_000:].decode("utf-8", "replace")

    def end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._said):
            if pipe is not None:
                pipe.close()


def fuzz(names: list[str], folder: Path, seed: int, seconds: float, inputs: int) -> dict[str, Counter[str]]:
    """So many inputs of each kind, or as many as its share of the time has room for."""
    found = {name: Counter[str]() for name in names}
    child = Child(folder, seed)
    try:
        for name in names:
            until = time.monotonic() + seconds / len(names)
            for number in range(inputs):
                outcome, reason = child.ask(name, number)
                if outcome in ("hang", "crash"):  # a hang is one if it is one again: the machine may have been busy
                    child.end()
                    child = Child(folder, seed)
                    if outcome == "hang" and (outcome := child.ask(name, number)[0]) == "hang":
                        child.end()
                        child = Child(folder, seed)
                found[name][outcome] += 1
                if outcome not in ("accepted", "refused"):
                    keep(folder, name, number, outcome, reason)
                if time.monotonic() > until or failures(found[name]) >= PATIENCE:
                    break
    finally:
        child.end()
    return found


def failures(outcomes: Counter[str]) -> int:
    return sum(outcomes[each] for each in OUTCOMES[2:])


def keep(folder: Path, kind: str, number: int, outcome: str, reason: str) -> None:
    """The input and what went wrong, for whoever mends it."""
    kept = folder / "failures" / f"{kind}-{number}-{outcome}"
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(folder / "inside", kept, symlinks=True)
    (kept / "reason.txt").write_text(reason, encoding="utf-8")


def table(found: dict[str, Counter[str]], seconds: float) -> Iterator[str]:
    yield f"{'kind':<12}{'inputs':>9}" + "".join(f"{each:>11}" for each in OUTCOMES)
    for name, outcomes in {**found, "all": sum(found.values(), Counter[str]())}.items():
        yield f"{name:<12}{outcomes.total():>9,}" + "".join(f"{outcomes[each]:>11,}" for each in OUTCOMES)
    yield f"{sum(each.total() for each in found.values()) / seconds:.0f} inputs a second"


def replay(kind: str, number: int, folder: Path, seed: int) -> None:
    """One input again, in this process, with its traceback."""
    from kinds import kinds, samples

    samples(folder / "samples")
    inside = folder / "inside"
    shutil.rmtree(inside, ignore_errors=True)
    inside.mkdir(parents=True)
    one = kinds(folder / "samples")[kind]
    os.chdir(inside)
    one.run(inside, one.made(random.Random(f"{seed} {kind} {number}")))


KINDS = (
    *("study", "method", "set", "task", "labels", "card", "run", "pool", "shard", "ledger", "checkpoint"),
    *("safetensors", "state_dict", "trials", "steps", "effects", "images", "page"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for all kinds together")
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of each kind at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=KINDS, help="these alone")
    parser.add_argument("--out", type=Path, help="folder for what fails; a temporary one otherwise")
    parser.add_argument("--replay", nargs=2, metavar=("KIND", "NUMBER"), help="call one input again")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        serve(asked.child, asked.seed)
        return 0
    folder = (asked.out or Path(tempfile.mkdtemp(prefix="fuzz-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if asked.replay:
        replay(asked.replay[0], int(asked.replay[1]), folder, asked.seed)
        return 0
    began = time.monotonic()
    found = fuzz(asked.kind or list(KINDS), folder, asked.seed, asked.seconds, asked.inputs)
    print("\n".join(table(found, time.monotonic() - began)))
    if any(map(failures, found.values())):
        print(f"seed {asked.seed}; what failed is in {folder / 'failures'}")
        return 1
    if asked.out is None:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
