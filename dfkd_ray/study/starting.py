"""Settings that are given and not drawn: what runs first, where a value stands in its domain, what a method has."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from dfkd_ray.study.domains import Bool, Choice, Domain, Int, Log, Uniform, canonical, plain
from dfkd_ray.study.space import Space, active, ordered
from dfkd_ray.util import limits
from dfkd_ray.util.errors import ConfigError, Problem
from dfkd_ray.util.registry import did_you_mean
from dfkd_ray.util.words import count, for_terminal, listed, shorten

Setting = Mapping[str, Any]  # path -> value
_ABSENT = object()


def parse(raw: Any) -> tuple[Setting, ...]:
    """`start:` of a study: one setting, or a list of them. `{from: FOLDER, best: 3}` is looked up before, see
    runs/first_settings.py."""
    listed = [raw] if isinstance(raw, Mapping) else raw
    if not isinstance(listed, list) or not all(isinstance(each, Mapping) for each in listed):
        raise ConfigError.at("", f"expected {{path: value}} or a list of such settings, got {shorten(repr(raw))}")
    limits.count("settings", listed)
    return tuple({str(path): value for path, value in each.items()} for each in listed)


def conflicts(space: Space, parts: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with priors, and with settings that run first, as far as the file tells."""
    for path, domain in space.items():
        if domain.prior is not None and parts.get("ablation") is not None:
            yield Problem(f"search.{path}.prior", "is for a sweep: an ablation draws what its arms share without")
        elif domain.prior is not None:
            yield from _misfit(f"search.{path}.prior.value", domain, domain.prior.value)
    start: tuple[Setting, ...] = parts.get("start", ())
    if start and parts.get("ablation") is not None:
        yield Problem("start", "is for a sweep: an ablation runs its arms")
    elif start and getattr(parts.get("sampler"), "registered_as", None) == "grid":
        yield Problem("start", "a grid runs each of its points once: take another sampler, or leave `start` out")
    most = getattr(parts.get("budget"), "trials", None)
    if most is not None and len(start) > most:
        yield Problem("start", f"has {len(start)} settings, and the budget is {most} trials")
    for number, setting in enumerate(start):
        for path, value in setting.items():
            if path in space:
                yield from _misfit(f"start.{number}.{path}", space[path], value)
            else:
                yield Problem(f"start.{number}.{path}", f"no such path under `search`{did_you_mean(path, space)}")


def describe(start: tuple[Setting, ...], space: Space) -> Iterator[str]:
    """What a search begins with that no sampler chooses, a line each."""
    if start:
        yield f"first the study's own start: {for_terminal(count(len(start), 'setting'))}"
    if believed := [path for path, domain in space.items() if domain.prior is not None]:
        yield f"priors run first, and half of what is drawn at random lies around them: {listed(believed)}"


def _misfit(at: str, domain: Domain, value: Any) -> Iterator[Problem]:
    try:
        fitted(domain, value)
    except ValueError as error:
        yield Problem(at, str(error))


def fitted(domain: Domain, value: Any) -> Any:
    """A value as its domain has it (a whole number of a range becomes a float); ValueError where it is not in it."""
    if isinstance(domain, (Choice, Bool)):
        found = [own for own in domain.grid() if _same(own, value)]
    else:
        found = [own for own in (_on_range(domain, value),) if own is not None]
    if found:
        return found[0]
    raise ValueError(f"{_told(value)} is not in {_domain(domain)}")


def contains(domain: Domain | None, value: Any) -> bool:
    """Whether there is such a domain, with this value in it."""
    return domain is not None and not [*_misfit("", domain, value)]


def completed(space: Space, setting: Setting, method: Mapping[str, Any]) -> dict[str, Any]:
    """The point of the space that a setting is: what it leaves out is as the method has it, which is given resolved
    with this setting, as plain data.

    ConfigError, path by path, where it is no point of the space.
    """
    point: dict[str, Any] = {}
    problems: list[Problem] = []
    inactive = [path for path in ordered(space) if path in setting]
    for path in ordered(space):
        domain = space[path]
        if not active(domain, point):
            continue
        inactive = [each for each in inactive if each != path]
        try:
            point[path] = fitted(domain, setting[path]) if path in setting else held(domain, method, path)
        except ValueError as error:
            problems.append(Problem(path, str(error)))
    if not problems:
        problems += [Problem(path, f"is drawn only where {_condition(space[path])}") for path in inactive]
    problems += [Problem(path, "is not searched") for path in setting if path not in space]
    if problems:
        raise ConfigError(problems)
    return point


def setting_of(space: Space, changes: Setting, method: Mapping[str, Any]) -> dict[str, Any]:
    """A trial of another study as a setting of this space: its values at these paths, searched there or not; without
    those that its method, given resolved as plain data, does not have, or this space does not draw."""
    setting: dict[str, Any] = {}
    for path in ordered(space):
        if active(space[path], setting):
            try:
                setting[path] = changes[path] if path in changes else held(space[path], method, path)
            except ValueError:
                continue
    return setting


def held(domain: Domain, method: Mapping[str, Any], path: str) -> Any:
    """What a resolved method has at a path, as a value of a domain; ValueError where that is none of its values.

    Of choices that are mappings it is the one that says most of what is there, and nothing else.
    """
    there = _at(method, path)
    known = None if there is _ABSENT else there
    if isinstance(domain, Choice):
        near = [own for own in domain.grid() if _same(own, known) or _says(own, known)]
        if near:
            return max(near, key=lambda own: len(canonical(own)))
    elif there is not _ABSENT:
        try:
            return fitted(domain, there)
        except ValueError:
            pass
    raise ValueError(f"the method has {_told(known)} there, which is not in {_domain(domain)}")


def _at(node: Any, path: str) -> Any:
    for key in path.split("."):
        if not isinstance(node, Mapping) or key not in node:
            return _ABSENT
        node = node[key]
    return node


def _same(a: Any, b: Any) -> bool:
    """Whether two values are one: 1 is 1.0, and is not true."""
    numbers = all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in (a, b))
    return bool(a == b) if numbers else canonical(a) == canonical(b)


def _says(said: Any, there: Any) -> bool:
    """Whether what is there, with every default, is what is said; a component may be said by its name alone."""
    if isinstance(there, Mapping) and isinstance(said, str):
        return there.get("name") == said
    if isinstance(there, Mapping) and isinstance(said, Mapping):
        return all(key in there and _says(value, there[key]) for key, value in said.items())
    return _same(said, there)


def _on_range(domain: Domain, value: Any) -> float | None:
    """A number as a range has it; None where it is none, outside or between two steps."""
    assert isinstance(domain, (Int, Uniform, Log))
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not domain.low <= value <= domain.high:
        return None
    if isinstance(domain, Int):
        return int(value) if value == int(value) and not (int(value) - domain.low) % domain.step else None
    if isinstance(domain, Uniform):
        nearest = float(domain.nearest(value))
        return nearest if math.isclose(nearest, value, rel_tol=1e-9, abs_tol=1e-12) else None
    return float(value)


def _domain(domain: Domain) -> str:
    """`log [0.1, 100]`, `choice [1, 2, 3]`, `uniform [0, 1] step 0.1`."""
    written = plain(domain)
    options = {key: value for key, value in written.items() if key not in ("when", "prior", "points")}
    return shorten(" ".join(f"{key} {_told(value)}" for key, value in options.items()))


def _condition(domain: Domain) -> str:
    return " and ".join(f"{path} is {' or '.join(map(_told, values))}" for path, values in domain.when.items())


def _told(value: Any) -> str:
    return shorten(canonical(value))
