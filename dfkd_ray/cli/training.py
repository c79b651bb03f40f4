"""What the commands that train on real images share: the recipe as it is changed, what is shown of epochs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import typer

from dfkd_ray.cli import options
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.registry import did_you_mean

Recipe = TypeVar("Recipe")
Epoch = TypeVar("Epoch")


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


def reporter(
    told: list[Epoch], line: Callable[[Epoch], str], then: Callable[[Epoch], None] = lambda epoch: None
) -> Callable[[Epoch], None]:
    """What is told of each epoch: a line, `then` whatever else. The epochs are gathered in `told`."""

    def report(epoch: Epoch) -> None:
        told.append(epoch)
        typer.echo(line(epoch))
        then(epoch)

    return report
