"""A path from a study's method to another one: its components are what differs, found when the study's file is read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from dfkd_ray import datasets
from dfkd_ray.methods import config
from dfkd_ray.methods.method import Method
from dfkd_ray.runs import preparing
from dfkd_ray.study import Study, components
from dfkd_ray.study.components import JOIN, RESERVED
from dfkd_ray.study.domains import canonical
from dfkd_ray.study.paths import target_name
from dfkd_ray.util.errors import ConfigError, DfkdError, Problem, UnknownName
from dfkd_ray.util.words import tails
from dfkd_ray.util.yamls import Document

Differences = dict[str, tuple[Any, Any]]  # path -> its value at the start, and in the target; see config.diff
AT = "design.to"
LONGEST = 32  # characters of a value that names its level


def target(document: Document) -> Any:
    """What a study's design is a path to; None where it is none."""
    design = document.data.get("design") if isinstance(document.data, Mapping) else None
    return design.get("to") if isinstance(design, Mapping) and design.get("name") == "path" else None


def resolved(document: Document) -> Document:
    """The study with the components of its path; as it is where it has none, or where its own method is wrong.

    A study that was written back has the components already: they have to be these. ConfigError.
    """
    to = target(document)
    own = _own(document.data) if isinstance(to, (str, Mapping)) else None
    if own is None:
        return document
    raw = document.data
    name, other = str(raw["method"]), _target(own, raw, to)
    found = _singly(own, other, config.diff(own, other))
    if len(found) < 2:
        what = f"differ in {next(iter(found))} alone: compare them as `arms`" if found else "are one method"
        raise ConfigError.at(AT, f"{name} and {target_name(to, name)} {what}")
    made = dict(_components(found))
    if "components" not in raw:
        lines = {**document.lines, "components": document.line(AT) or 0}
        return replace(document, data={**raw, "components": made}, lines=lines)
    if components.parse(raw["components"]) != components.parse(made):
        why = f"are not what differs between {name} and {target_name(to, name)}: leave them out, they are found"
        raise ConfigError.at("components", why)
    return document


def _own(raw: Mapping[str, Any]) -> Method | None:
    """The study's method with what it fixes; None where that is wrong, which is told where it stands."""
    try:
        return config.change(_in_preset(config.load(raw["method"]), raw["method"], raw), raw.get("fixed", {}))
    except (DfkdError, KeyError, TypeError, AttributeError):
        return None


def _target(own: Method, raw: Mapping[str, Any], to: str | Mapping[str, Any]) -> Method:
    """The other end of the path: a method of its own, with what the study fixes, and with changes."""
    fixed = raw.get("fixed", {})
    changes = {"method": to} if isinstance(to, str) else to
    if not changes:
        raise ConfigError.at(AT, "expected a method, or {path: value} of changes to the study's own, got {}")
    twice = [Problem(f"{AT}.{path}", "is under `fixed` as well") for path in changes if path in fixed]
    if twice:
        raise ConfigError(twice)
    rest = {path: value for path, value in changes.items() if path != "method"}
    try:
        if "method" in changes:
            own = _in_preset(_load(str(changes["method"])), str(changes["method"]), raw)
            own = config.change(own, {path: value for path, value in fixed.items() if _has(own, path, value)})
        return config.change(own, rest)
    except ConfigError as error:
        raise ConfigError(problem.under(AT) for problem in error.problems) from None


def _in_preset(method: Method, name: str, raw: Mapping[str, Any]) -> Method:
    """A method as the preset of a study has it; as it is where there is none, or no task to have it for."""
    preset = raw.get("preset", Study.preset)
    if preset == Study.preset:
        return method
    task = raw["task"]
    made = datasets.load(task) if isinstance(task, str) else datasets.named.parse(Document(task))
    return preparing.in_preset(method, name, preset, made)


def _load(name: str) -> Method:
    """A method by name or file; its own file and line are part of what is said of it."""
    try:
        return config.load(name)
    except UnknownName as error:
        raise ConfigError.at("", str(error)) from None
    except ConfigError as error:
        raise ConfigError(Problem("", str(problem)) for problem in error.problems) from None


def _has(method: Method, path: str, value: Any) -> bool:
    """Whether a path leads somewhere in a method, or adds a loss term to it."""
    *parents, last = path.split(".")
    node: Any = config.plain(method)
    for key in parents:
        node = node.get(key) if isinstance(node, Mapping) else None
    new_term = parents in (["source_loss"], ["student_loss"]) and value is not None
    return isinstance(node, Mapping) and (last in node or new_term)


def _singly(own: Method, other: Method, found: Differences) -> Differences:
    """Differences that can be made one by one, in some order.

    Those of one slot that can only be made together are one, that of the part which holds them all.
    """
    stuck = _stuck(own, found)
    if not stuck:
        return found
    out = dict(found)
    for slot in dict.fromkeys(path.partition(".")[0] for path in stuck):
        whole = _common([path for path in stuck if path.partition(".")[0] == slot])
        out = {path: both for path, both in out.items() if path != whole and not path.startswith(f"{whole}.")}
        out[whole] = (_at(own, whole), _at(other, whole))
    if stuck := _stuck(own, out):
        raise ConfigError.at(AT, f"no order of changes leads there: {', '.join(stuck)} cannot be made at last")
    return out


def _stuck(method: Method, found: Differences) -> list[str]:
    """The changes that no order of the others makes possible."""
    left = {path: new for path, (_, new) in found.items()}
    while (path := next((path for path in left if _takes(method, path, left[path])), None)) is not None:
        method = config.change(method, {path: left.pop(path)})
    return list(left)


def _takes(method: Method, path: str, value: Any) -> bool:
    try:
        config.change(method, {path: value})
    except ConfigError:
        return False
    return True


def _common(paths: Iterable[str]) -> str:
    """The innermost part of a method that holds all of these paths."""
    columns = zip(*(path.split(".") for path in paths))
    shared = [keys[0] for keys in columns if len(set(keys)) == 1]
    return ".".join(shared)


def _at(method: Method, path: str) -> Any:
    node: Any = config.plain(method)
    for key in path.split("."):
        node = node[key]
    return node


def _components(found: Differences) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each difference as a component, as a study file would have it; `on` is as the target has it."""
    names = _names(found)
    for path, (old, new) in found.items():
        off, on = _levels(path.rpartition(".")[2], old, new)
        yield names[path], {"levels": {off: {}, on: {path: new}}, "on": on, "off": off}


def _levels(key: str, old: Any, new: Any) -> tuple[str, str]:
    """What the two values are called: a part that only one side has is in or out, another kind has its name."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        named = str(old.get("name", key)), str(new.get("name", key))
    elif isinstance(old, Mapping) or isinstance(new, Mapping):
        named = ("in", "out") if isinstance(old, Mapping) else ("out", "in")
    else:
        named = _text(old), _text(new)
    usable = named[0] != named[1] and all(0 < len(text) <= LONGEST and JOIN not in text for text in named)
    return named if usable else ("start", "target")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else canonical(value)


def _names(paths: Iterable[str]) -> dict[str, str]:
    """A component's name for each path: its shortest tail that no other path ends with, `kd-weight`."""
    out: dict[str, str] = {}
    for path, tail in tails(paths).items():
        short, long = (re.sub(r"[^A-Za-z0-9_]", "-", text) for text in (tail, path))
        taken = [*RESERVED, *(name.casefold() for name in out.values())]
        out[path] = long if short.casefold() in taken else short
    return out
