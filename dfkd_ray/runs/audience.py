"""Whom a study is told to while it runs: a terminal, or a program."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dfkd_ray.tune.observers import Observer


def _warn(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _live(lines: bool) -> Observer:
    from dfkd_ray.tune.observers import live

    return live.Lines() if lines else live.view()


@dataclass(frozen=True)
class Audience:
    """say, warn: take a line. watching: makes what shows how a study goes; in lines alone, where something else moves.

    A study runs within `going_on(*command)`, the command that goes on where it is interrupted, and with what is
    `beside` its folder meanwhile.
    """

    say: Callable[[str], None] = print
    warn: Callable[[str], None] = _warn
    watching: Callable[[bool], Observer] = _live
    going_on: Callable[..., AbstractContextManager[None]] = lambda *command: nullcontext()
    beside: Callable[[Path], AbstractContextManager[object]] = lambda folder: nullcontext()
