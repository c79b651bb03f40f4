"""What the commands that train on real images share: the recipe as it is changed, and a bar of steps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from dfkd_ray.cli import options
from dfkd_ray.errors import ConfigError
from dfkd_ray.registry import did_you_mean

Recipe = TypeVar("Recipe")


def changed(recipe: Recipe, epochs: int | None, pairs: list[str] | None) -> Recipe:
    """The recipe with what the command changes; ConfigError with every mistake."""
    from dfkd_ray import yamls

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
def bar() -> Iterator[Callable[[int, int], None]]:
    """What is told of each step, done and of how many: on a terminal, a bar below the lines."""
    if not sys.stdout.isatty():
        yield lambda done, steps: None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    shown = Progress(TextColumn("steps"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), transient=True)

    def tick(done: int, steps: int) -> None:
        if not shown.tasks:  # with the first step: until then images may be decoded, which has a line of its own
            shown.add_task("", completed=done, total=steps)
            shown.start()
        shown.update(shown.task_ids[0], completed=done)

    try:
        yield tick
    finally:
        shown.stop()
