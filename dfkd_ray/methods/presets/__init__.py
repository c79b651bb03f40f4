"""Recipes at a budget: what is changed in a method so that it fits a time, by rules that read the method and the task.

`paper` is the method as published. The others stand in files beside this one, with what each kind of method may take:
how many steps, how wide a generator, which rates. What follows from the task (its side and its classes) and from the
method's own parts is a rule, see `rules`. So a method of one's own has its presets too.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from dfkd_ray.methods import config
from dfkd_ray.methods.method import Method
from dfkd_ray.methods.presets.rules import Amounts, Change, Seen, changes_of
from dfkd_ray.util import shipped, yamls
from dfkd_ray.util.choices import PAPER
from dfkd_ray.util.errors import UnknownName
from dfkd_ray.util.registry import did_you_mean

_FILES = Path(__file__).parent
_OF_METHODS = _FILES / "of_methods.yaml"  # what a method needs in all of them, by name


def names() -> list[str]:
    """All presets, from the longest to the shortest."""
    shorter = [path.stem for path in _FILES.glob("*.yaml") if path != _OF_METHODS]
    return [PAPER, *sorted(shorter, key=_images, reverse=True)]


def _images(name: str) -> int:
    """How many images a method of the kind `fresh` goes through."""
    found = read(name)["fresh"]
    return found.batch * found.epochs * found.rounds * (found.source_steps + found.student_steps)


def headline(name: str) -> str:
    """The first sentence of a preset's file."""
    if check(name) == PAPER:
        return "As published: every value of the method's own file."
    return shipped.headline(_FILES / f"{name}.yaml")


def check(name: str) -> str:
    """The name; UnknownName where there is no such preset."""
    if name not in names():
        raise UnknownName(f"unknown preset {name!r}{did_you_mean(name, names())}")
    return name


@cache
def read(name: str) -> Mapping[str, Amounts]:
    """The amounts of each kind of method (see `rules.kind_of`) from a preset's file."""
    return {kind: yamls.typed(Amounts, own) for kind, own in yamls.load(_FILES / f"{name}.yaml").data.items()}


@cache
def _of_methods() -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = yamls.load(_OF_METHODS).data
    return found


def changes(method: Method, name: str, preset: str, seen: Seen) -> list[Change]:
    """What a preset changes in a method, known by `name` where it ships, on a task; nothing where it is `paper`."""
    if check(preset) == PAPER:
        return []
    own = _of_methods().get(name, {}).items()
    told = [Change(path, _value(value, seen), f"{preset}, for {name}") for path, value in own]
    return [*changes_of(method, read(preset), seen, preset), *told]


def _value(value: Any, seen: Seen) -> Any:
    """As the file has it; `1/classes` is a number of the task."""
    return 1 / seen.classes if value == "1/classes" else value


def under(method: Method, name: str, preset: str, seen: Seen) -> Method:
    """The method as a preset has it on a task."""
    return config.change(method, {each.path: each.value for each in changes(method, name, preset, seen)})
