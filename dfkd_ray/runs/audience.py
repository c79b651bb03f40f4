"""Whom a study is told to while it runs: a terminal, or a program."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dfkd_ray.tune.observers import Observer


def _live() -> Observer:
    from dfkd_ray.tune.observers import live

    return live.view()


@dataclass(frozen=True)
class Audience:
    """say: takes a line. watching: makes what shows how a study goes. going_on: a study runs within
    `going_on(*command)`, which is the command that goes on where it is interrupted."""

    say: Callable[[str], None] = print
    watching: Callable[[], Observer] = _live
    going_on: Callable[..., AbstractContextManager[None]] = lambda *command: nullcontext()
