"""The space that a study searches: domains by path, some of them only where their parents have certain values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any

from dfkd_ray.study.domains import Domain, canonical
from dfkd_ray.util.errors import ConfigError, Problem
from dfkd_ray.util.limits import VALUES
from dfkd_ray.util.registry import did_you_mean

Space = Mapping[str, Domain]
GRID_LIMIT = 100_000  # points: a larger grid is a mistake, and would not be finished


def ordered(space: Space) -> tuple[str, ...]:
    """The paths with each parent before its children, else in the order of the file; ConfigError for a circle."""
    done: dict[str, None] = {}

    def visit(path: str, above: tuple[str, ...]) -> None:
        if path in above:
            circle = " -> ".join((*above[above.index(path) :], path))
            raise ConfigError.at(f"search.{path}.when", f"the conditions form a circle: {circle}")
        if path not in done and path in space:
            for parent in space[path].when:
                visit(parent, (*above, path))
            done[path] = None

    for path in space:
        visit(path, ())
    return tuple(done)


def active(domain: Domain, chosen: Mapping[str, Any]) -> bool:
    """Whether a conditional domain is drawn, given what has been chosen for its parents."""
    return all(
        parent in chosen and canonical(chosen[parent]) in {canonical(value) for value in values}
        for parent, values in domain.when.items()
    )


def draw(space: Space, choose: Callable[[str, Domain], Any]) -> dict[str, Any]:
    """One point of the space: `choose(path, domain)` is asked for each domain that is active, parents first."""
    chosen: dict[str, Any] = {}
    for path in ordered(space):
        if active(space[path], chosen):
            chosen[path] = choose(path, space[path])
    return chosen


def enumerate_grid(space: Space) -> list[dict[str, Any]]:
    """Every point of a countable space, conditional domains only where they are active.

    Raises ConfigError for a space that has no grid, or more than GRID_LIMIT points.
    """
    problems = [
        Problem(f"search.{path}", "a grid needs countable values: say how many `points`, or take another sampler")
        for path, domain in space.items()
        if domain.count is None
    ]
    if problems:
        raise ConfigError(problems)
    too_many = ConfigError.at("search", f"the grid has more than {GRID_LIMIT:,} points: take another sampler")
    always = (domain.count or 1 for domain in space.values() if not domain.when)
    if prod(always) > GRID_LIMIT or any((domain.count or 1) > GRID_LIMIT for domain in space.values()):
        raise too_many  # without building any: there are at least so many, or one path alone takes so many values
    points: list[dict[str, Any]] = []
    for point in _grid(space, ordered(space), {}):
        points.append(point)
        if len(points) > GRID_LIMIT:
            raise too_many
    return points


def points(space: Space) -> list[dict[str, Any]] | None:
    """Every setting that a sampler may propose; None where a range has too many to count, or all have together."""
    if any(domain.continuous for domain in space.values()):
        return None
    try:
        return enumerate_grid(space)
    except ConfigError:
        return None


def _grid(space: Space, paths: tuple[str, ...], chosen: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if not paths:
        yield dict(chosen)
        return
    path, rest = paths[0], paths[1:]
    domain = space[path]
    values: tuple[Any, ...] = (domain.grid() or ()) if active(domain, chosen) else ()
    if not values:
        yield from _grid(space, rest, chosen)
    for value in values:
        yield from _grid(space, rest, {**chosen, path: value})


def mistakes(space: Space) -> Iterator[Problem]:
    """What is wrong between the domains: unknown parents, impossible conditions, circles."""
    for path, domain in space.items():
        for parent, values in domain.when.items():
            at = f"search.{path}.when.{parent}"
            if parent not in space:
                yield Problem(at, f"no such path under `search`{did_you_mean(parent, space.keys() - {path})}")
            elif space[parent].continuous:
                yield Problem(at, "a condition needs a parent with countable values, this one is a range")
            elif (space[parent].count or 0) > VALUES:
                yield Problem(at, f"a condition needs a parent with at most {VALUES:,} values")
            else:
                possible = {canonical(value) for value in space[parent].grid() or ()}
                for value in values:
                    if canonical(value) not in possible:
                        yield Problem(at, f"is never {canonical(value)} (known: {', '.join(sorted(possible))})")
    try:
        ordered(space)
    except ConfigError as error:
        yield from error.problems
