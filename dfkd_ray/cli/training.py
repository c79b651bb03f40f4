"""What the commands that train on real images share: the recipe as it is changed, what is shown of epochs and steps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import typer

from dfkd_ray.cli import options
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.registry import did_you_mean

Recipe = TypeVar("Recipe")
Epoch = TypeVar("Epoch")
Report = Callable[[Epoch], None]
Tick = Callable[[int, int], None]  # (steps done, of how many)


def changed(recipe: Recipe, epochs: int | None, pairs: list[str] | None) -> Recipe:
    """The recipe with what the command changes; ConfigError with every mistake."""
    from dfkd_ray.util import yamls

    raw = yamls.plain(recipe)
    changes, known = options.assignments(pairs), [f"recipe.{name}" for name in raw]
    for path in changes:
        if path not in known:
            raise ConfigError.at("--set", f"no such path {path!r}{did_you_mean(path, known)}")
    changes |= {} if epochs is None else {"recipe.epochs": epochs}
    problems = yamls.Problems()
    raw |= {path.removeprefix("recipe."): value for path, value in changes.items()}
    made: Recipe | None = problems.attempt("recipe", yamls.typed, type(recipe), raw)
    problems.stop_if_any()
    assert made is not None
    return made


@contextmanager
def shown(told: list[Epoch], line: Callable[[Epoch], str]) -> Iterator[tuple[Report[Epoch], Tick]]:
    """What is told of each epoch and of each step: a line and, on a terminal, a bar below it.

    The epochs are gathered in `told`.
    """

    def report(epoch: Epoch) -> None:
        told.append(epoch)
        typer.echo(line(epoch))

    with _bar() as tick:
        yield report, tick


@contextmanager
def _bar() -> Iterator[Tick]:
    if not sys.stdout.isatty():
        yield lambda done, steps: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(TextColumn("steps"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), transient=True)

    def tick(done: int, steps: int) -> None:
        if not bar.tasks:  # with the first step: until then images may be decoded, which has a line of its own
            bar.add_task("", completed=done, total=steps)
            bar.start()
        bar.update(bar.task_ids[0], completed=done)

    try:
        yield tick
    finally:
        bar.stop()
