"""Components: what an ablation switches on and off, each with the changes that every one of its levels makes.

Three ways to write one, all of them read to the same `Component`:

    mhad:  {off: {student_loss.high_order: null}}                      # on: {} unless said
    order: {path: student_loss.high_order.order, levels: [1, 2, 3]}    # one path; a level is called as its value
    view:  {levels: {plain: {a.b: 1}, rich: {a.b: 2, c: 3}}, on: rich}  # any changes; off: the first, on: the last
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

from dfkd_ray.stats.contrasts import Levels
from dfkd_ray.study.domains import canonical
from dfkd_ray.util import limits
from dfkd_ray.util.errors import ConfigError, Problem
from dfkd_ray.util.registry import did_you_mean
from dfkd_ray.util.yamls import Problems

Changes = Mapping[str, Any]  # path in the resolved method -> value; null takes a term out
RESERVED = ("full", "none")  # arms are called so
JOIN = " + "  # in the names of arms, between components that are not off


@dataclass(frozen=True)
class Component:
    """A part of a method, with two or more levels; `on` and `off` are the two that an ablation compares first."""

    name: str
    levels: Mapping[str, Changes]
    on: str
    off: str

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", self.name):
            raise ValueError(f"a component's name has letters, digits, - and _, got {self.name!r}")
        if self.name in RESERVED:
            raise ValueError(f"{self.name!r} is what an arm is called: choose another name")
        if plus := [level for level in self.levels if JOIN in level]:
            raise ValueError(f"a level's name has no {JOIN!r} in it, got {plus[0]!r}")
        if len(self.levels) < 2:
            raise ValueError(f"a component needs at least two levels, got {', '.join(self.levels) or 'none'}")
        for level in (self.on, self.off):
            if level not in self.levels:
                raise ValueError(f"there is no level {level!r}{did_you_mean(level, self.levels)}")
        if self.on == self.off:
            raise ValueError(f"on and off are the same level, {self.on!r}")
        for a, b in combinations(self.levels, 2):
            if same_changes(self.levels[a], self.levels[b]):
                raise ValueError(f"the levels {a} and {b} make the same changes: there is nothing to compare")

    @property
    def binary(self) -> bool:
        return len(self.levels) == 2

    def others(self, level: str) -> tuple[str, ...]:
        """All levels but one, in their order."""
        return tuple(each for each in self.levels if each != level)

    @property
    def paths(self) -> tuple[str, ...]:
        """What any of the levels changes."""
        return tuple(dict.fromkeys(path for changes in self.levels.values() for path in changes))


def same_changes(a: Changes, b: Changes) -> bool:
    """Whether two sets of changes are one, whatever their order; 1 is not true."""
    return canonical(dict(a)) == canonical(dict(b))


def merged(components: Sequence[Component], levels: Levels) -> dict[str, Any]:
    """The changes of an arm: those of each component's level, in the order of the components.

    A change inside what another component takes out in this arm is left out: where the term is null, its order means
    nothing, and could not be set. Two arms may then make the same changes, although their levels differ.
    """
    lost = {(inner.name, path) for inner, path, *_ in _taken_out(components, levels)}
    return {
        path: value
        for component in components
        for path, value in component.levels[levels[component.name]].items()
        if (component.name, path) not in lost
    }


def taken_out(components: Sequence[Component], levels: Levels) -> list[str]:
    """What `merged` leaves out, in words: one sentence for each change."""
    return [
        f"{outer.name} {levels[outer.name]} takes out {gone}, and {path} of {inner.name} with it"
        for inner, path, outer, gone in _taken_out(components, levels)
    ]


def _taken_out(components: Sequence[Component], levels: Levels) -> Iterator[tuple[Component, str, Component, str]]:
    """(component, its path, the component that takes out what holds it, the path of that)."""
    for outer in components:
        for gone, value in outer.levels[levels[outer.name]].items():
            if value is None:
                for inner in components:
                    if inner is not outer:
                        within = (path for path in inner.levels[levels[inner.name]] if path.startswith(f"{gone}."))
                        yield from ((inner, path, outer, gone) for path in within)


def conflicts(components: Sequence[Component]) -> Iterator[Problem]:
    """What is wrong between components: two with one name, two that change the same path."""
    yield from twins("components", [component.name for component in components])
    for a, b in combinations(components, 2):
        for mine, theirs in product(b.paths, a.paths):
            if mine == theirs:
                yield Problem(f"components.{b.name}", f"changes {mine}, and so does {a.name}")
            for outer, gone, inner, path in ((a, theirs, b, mine), (b, mine, a, theirs)):
                if path.startswith(f"{gone}.") and _replaces(outer, gone):
                    what = f"{outer.name} replaces {gone} whole, and {inner.name} changes {path} in it"
                    yield Problem(f"components.{b.name}", f"{what}: make them levels of one component")


def twins(under: str, names: Iterable[str]) -> Iterator[Problem]:
    """Names that are the same but for capital letters and spaces."""
    seen: dict[str, str] = {}
    for name in names:
        key = "".join(name.split()).casefold()
        if key in seen:
            yield Problem(f"{under}.{name}", f"there is {seen[key]!r} as well: two of one name")
        seen.setdefault(key, name)


def _replaces(component: Component, path: str) -> bool:
    """Whether a level sets `path` to more than null; null alone is no conflict, see `merged`."""
    return any(changes.get(path) is not None for changes in component.levels.values())


def parse(raw: Any) -> tuple[Component, ...]:
    """The components of a study file; ConfigError with all mistakes."""
    if not isinstance(raw, Mapping) or not raw:
        example = "{mhad: {off: {student_loss.high_order: null}}}"
        raise ConfigError.at("", f"expected components by name, such as {example}, got {raw!r}")
    limits.count("components", raw, limits.PATHS)
    problems = Problems()
    made = [problems.attempt(str(name), _component, str(name), spec) for name, spec in raw.items()]
    problems.stop_if_any()
    return tuple(component for component in made if component is not None)


def plain(components: Iterable[Component]) -> dict[str, Any]:
    """The components as a study file would have them, on and off said; `parse(plain(c)) == c`."""
    return {component.name: _plain(component) for component in components}


def _plain(component: Component) -> dict[str, Any]:
    levels = {level: dict(changes) for level, changes in component.levels.items()}
    if (tuple(levels), component.on, component.off) == (("off", "on"), "on", "off"):
        return dict(levels)
    path, *more = component.paths
    if not more and all(path in changes and _text(changes[path]) == level for level, changes in levels.items()):
        values = {level: changes[path] for level, changes in levels.items()}
        ends = {"on": values[component.on], "off": values[component.off]}
        return {"path": path, "levels": list(values.values()), **ends}
    return {"levels": levels, "on": component.on, "off": component.off}


def _component(name: str, raw: Any) -> Component:
    if not isinstance(raw, Mapping):
        raise ConfigError.at("", f"expected {{off: {{path: value}}}} or {{path: ..., levels: [...]}}, got {raw!r}")
    problems = Problems()
    for key in raw.keys() - _KEYS:
        problems.add(str(key), f"no such part of a component{did_you_mean(key, _KEYS)}")
    if "levels" not in raw and "path" not in raw:
        if "off" not in raw:
            problems.add("off", "is missing: the changes that switch it off, {} where there are none")
        switched = {key: problems.attempt(key, _changes, raw.get(key, {})) for key in ("off", "on")}
        problems.stop_if_any()
        return Component(name, {key: changes or {} for key, changes in switched.items()}, "on", "off")
    levels = problems.attempt("levels", _levels, raw.get("levels"), raw.get("path"))
    problems.stop_if_any()
    names = list(levels or ())
    return Component(name, levels or {}, _text(raw.get("on", names[-1])), _text(raw.get("off", names[0])))


_KEYS = {"on", "off", "levels", "path"}


def _levels(raw: Any, path: Any) -> dict[str, Changes]:
    """Levels by name, from values of one path or from named changes."""
    if isinstance(raw, (list, Mapping)):
        limits.count("levels", raw, limits.PATHS)
    if isinstance(raw, list) and raw:
        if not isinstance(path, str) or not path:
            raise ConfigError.at("", f"which `path` has the values {canonical(raw)}?")
        twice = sorted({_text(value) for value in raw if [_text(each) for each in raw].count(_text(value)) > 1})
        if twice:
            raise ConfigError.at("", f"has {', '.join(twice)} more than once")
        return {_text(value): {path: value} for value in raw}
    if isinstance(raw, Mapping) and raw:
        if path is not None:
            raise ConfigError.at("", "each level that has a name says its own paths: leave `path` out")
        problems = Problems()
        read = {str(level): problems.attempt(str(level), _changes, changes) for level, changes in raw.items()}
        problems.stop_if_any()
        return {level: changes or {} for level, changes in read.items()}
    raise ConfigError.at("", f"expected a list of values of `path`, or {{name: {{path: value}}}}, got {raw!r}")


def _changes(raw: Any) -> Changes:
    if not isinstance(raw, Mapping):
        raise ConfigError.at("", f"expected {{path: value}}, got {raw!r}")
    return {str(path): value for path, value in raw.items()}


def _text(value: Any) -> str:
    """What a level is called: text as it is, all else as YAML would hold it."""
    return value if isinstance(value, str) else canonical(value)
