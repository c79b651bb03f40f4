"""The process that may crash: it calls inputs, and watches what they change on the disk. See `fuzz.py`."""

from __future__ import annotations

import os
import random
import resource
import shutil
import sys
import traceback
from pathlib import Path
from typing import Any

MEMORY = 8 * 2**30  # bytes that a child may have


AS_IT_IS = -1  # the number of the input that is not changed


WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


CHANGES = (
    "os.mkdir",
    "os.rename",
    "os.remove",
    "os.rmdir",
    "os.truncate",
    "os.symlink",
    "shutil.rmtree",
    "shutil.move",
)


def serve(folder: Path, seed: int) -> None:
    """In the child: call what is asked for on standard input, and answer each with a line."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
    os.dup2(2, 1)
    from kinds import kinds, samples

    samples(folder / "samples")
    known = kinds(folder / "samples")
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    watch = Watch(folder)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        kind, number = line.split()
        name = "" if int(number) == AS_IT_IS else f"{seed} {kind} {number}"
        outcome, reason = called(known[kind], folder / "inside", name, watch)
        print(outcome, reason.replace("\n", "\x1f"), file=answers, flush=True)


def called(kind: Any, inside: Path, name: str, watch: Watch) -> tuple[str, str]:
    """The outcome of one input, and its reason; name: what it is made from, "" for the real file."""
    from dfkd_ray.util.errors import DfkdError

    shutil.rmtree(inside, ignore_errors=True)
    inside.mkdir()
    os.chdir(inside)
    data = kind.made(random.Random(name)) if name else kind.files[0]
    outcome, reason = "accepted", ""
    with watch:
        try:
            kind.run(inside, data)
        except (DfkdError, OSError) as error:  # both are one message of the command line
            outcome, reason = (
                ("refused", str(error)) if str(error).strip() else ("traceback", "an error without a word")
            )
        except BaseException:
            outcome, reason = "traceback", traceback.format_exc()
    return ("outside", "\n".join(watch.seen)) if watch.seen else (outcome, reason[-3_000:])


class Watch:
    """Within its block, what Python changes on the disk outside a folder: `seen`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.seen, self._on = os.path.realpath(folder), list[str](), False
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._on or not (event in CHANGES or (event == "open" and (arguments[2] or 0) & WRITES)):
            return
        if isinstance(arguments[0], (str, bytes, os.PathLike)):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if not path.startswith((self.folder + os.sep, "/dev/", "/proc/")):
                self.seen.append(f"{event} {path}")

    def __enter__(self) -> None:
        self.seen, self._on = [], True

    def __exit__(self, *error: object) -> None:
        self._on = False
