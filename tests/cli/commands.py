"""The command line as a user meets it, in this process: the same entry point, exit code and streams."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import typer.main

from dfkd_ray import cli
from dfkd_ray.datasets import gliders
from dfkd_ray.runs import evaluator, measures
from dfkd_ray.runs.checkpoint import Checkpoint

ROOT = Path(__file__).resolve().parents[2]
SPLITS = {"train": (48, 1), "val": (24, 2), "test": (24, 3)}
HELD_OUT = 12
TINY = {  # paths of dfkd_fgvc, so that an epoch takes a tenth of a second
    "schedule.epochs": 2,  # so that a run can be stopped between two
    "schedule.rounds": 1,
    "schedule.source_steps": 1,
    "schedule.student_steps": 2,
    "schedule.batch": 4,
    "source.latent": 8,
    "source.width": 8,
}

OWN_TASK = """
name: squares
reader: npz
classes: [dark, bright]
image: [1, 16, 16]
mean: [0.5]
std: [0.3]
teacher: {arch: resnet8}
student: resnet8
recipe: {epochs: 1, batch: 16, lr: 0.01}
"""


BUILT = cache(typer.main.get_command)  # the tree of commands: a tenth of a second that a process needs once


class Done(NamedTuple):
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def dfkd(*words: Any, cwd: Path | None = None) -> Done:
    """`dfkd-ray WORDS` in the folder `cwd`; an error that is not deliberate comes through as it is."""
    out, err, before = io.StringIO(), io.StringIO(), (sys.argv, Path.cwd())
    code: Any = 0
    try:
        sys.argv = ["dfkd-ray", *map(str, words)]
        os.chdir(cwd or Path.cwd())
        with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
            patch.setattr(typer.main, "get_command", BUILT)
            cli.main()
    except SystemExit as stop:
        code = stop.code or 0
    finally:
        sys.argv = before[0]
        os.chdir(before[1])
    return Done(code, out.getvalue(), err.getvalue())


def refused(*words: Any, cwd: Path | None = None) -> str:
    """The message of a command that must end with exit code 2 and no output."""
    done = dfkd(*words, cwd=cwd)
    assert (done.code, done.out) == (2, ""), done
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err
    return done.err.removeprefix("error: ").rstrip("\n")


def sets(changes: dict[str, Any]) -> list[str]:
    return [word for path, value in changes.items() for word in ("--set", f"{path}={value}")]


@contextmanager
def few_images() -> Iterator[None]:
    """A few of the gliders, so that an evaluation is quick."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gliders, "SPLITS", SPLITS)
        patch.setattr(measures, "HELD_OUT", HELD_OUT)
        evaluator.real.cache_clear()
        yield
    evaluator.real.cache_clear()
    torch.set_num_threads(threads)


@contextmanager
def interrupted(saves: int, number: signal.Signals = signal.SIGINT) -> Iterator[None]:
    """Ctrl-C, or what is like it (a real signal), before checkpoint number `saves` (from 1) is written."""
    save, seen = Checkpoint.save, []

    def interrupting(checkpoint: Checkpoint, row: Any) -> None:
        seen.append(row.epoch)
        if len(seen) == saves:
            signal.raise_signal(number)
        save(checkpoint, row)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "save", interrupting)
        yield


def process(*words: Any, cwd: Path, **environment: str) -> subprocess.Popen[str]:
    """`dfkd-ray WORDS` in a process of its own, as Ray wants it: it reads once, when it is imported, whether there are
    tokens."""
    command = [sys.executable, "-m", "dfkd_ray", *map(str, words)]
    own = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environment}
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=cwd, env=own, text=True, **pipes)


def ended(started: subprocess.Popen[str], seconds: float = 400) -> Done:
    """What a process left, which has so long to end."""
    try:
        out, err = started.communicate(timeout=seconds)
    finally:
        started.kill()
    return Done(started.returncode, out, err)
