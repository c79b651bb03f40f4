"""Whether a method is for a task's targets, and whether what it needs is there: each of its parts says both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dfkd_ray.methods.method import Method
from dfkd_ray.parts.slots import Needs
from dfkd_ray.util.choices import Targets
from dfkd_ray.util.errors import ConfigError, DataError, Problem
from dfkd_ray.util.words import listed

ALONE: tuple[Targets, ...] = ("classes",)  # of a part that says nothing: what reads a class, or an embedding, an image


def made_for(part: Any) -> tuple[Targets, ...]:
    """The targets that a source, a memory or a loss term is for: its `targets`, a class variable or a property."""
    found: tuple[Targets, ...] = getattr(part, "targets", ALONE)
    return found


def fits(method: Method, targets: Targets) -> None:
    """ConfigError that names each part which is not for these targets."""
    found = [
        Problem(path, f"{_name(part)} is for {listed(made_for(part))}, and the task's targets are {targets}{way}")
        for path, part, way in _parts(method)
        if targets not in made_for(part)
    ]
    if found:
        raise ConfigError(found)


def present(method: Method) -> None:
    """ConfigError at each part that needs what is not there, MissingExtra for a library; opens nothing."""
    found: list[Problem] = []
    for path, part, _ in _parts(method):
        try:
            if isinstance(part, Needs):
                part.check()
        except ConfigError as error:
            found += [problem.under(path) for problem in error.problems]
        except DataError as error:
            found.append(Problem(path, str(error)))
    if found:
        raise ConfigError(found)


def _parts(method: Method) -> Iterator[tuple[str, Any, str]]:
    """By path, and what else there is to do than to take another."""
    yield "source", method.source, ""
    yield "memory", method.memory, ""
    for slot in ("source_loss", "student_loss"):
        for name, part in getattr(method, slot).parts.items():
            if part.weight:
                yield f"{slot}.{name}", part.term, ": null removes it"


def _name(part: Any) -> str:
    name = str(getattr(part, "registered_as", type(part).__name__))
    return f"{name}, as it is set," if isinstance(getattr(type(part), "targets", None), property) else name
