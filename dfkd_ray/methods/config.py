"""YAML <-> Method: parse, plain, change, diff, fingerprint."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import dfkd_ray.parts.losses
import dfkd_ray.parts.memories
import dfkd_ray.parts.sources
import dfkd_ray.parts.views  # noqa: F401  these fill their registries
from dfkd_ray.methods.method import Method, Schedule, Student, Teacher
from dfkd_ray.parts.augmenting import Views
from dfkd_ray.parts.slots import memories, sources
from dfkd_ray.parts.total_loss import TotalLoss, Weighted, terms
from dfkd_ray.util import limits, yamls
from dfkd_ray.util.errors import ConfigError, Problem, UnknownName
from dfkd_ray.util.registry import did_you_mean

METHODS = Path(__file__).parent


def method_names() -> list[str]:
    """The methods that are shipped."""
    return sorted(path.stem for path in METHODS.glob("*.yaml"))


def load(name: str) -> Method:
    """A shipped method by name, or one from a YAML file by path."""
    document = yamls.load(method_file(name))
    try:
        return parse(document.data or {})
    except ConfigError as error:
        raise document.locate(error.problems) from None


def method_file(name: str) -> Path:
    """Where a method stands; UnknownName if it is neither a shipped name nor a file."""
    if name in method_names():
        return METHODS / f"{name}.yaml"
    if name.endswith((".yaml", ".yml")) or "/" in name:
        return Path(name)
    raise UnknownName(f"unknown method {name!r}{did_you_mean(name, method_names())}")


def parse(raw: Mapping[str, Any]) -> Method:
    """Plain data to a Method; ConfigError holds every mistake with its path."""
    if not isinstance(raw, Mapping):
        raise ConfigError.at("", f"a method is a mapping of slots, got {raw!r}")
    problems = yamls.Problems()
    for slot in raw:
        if slot not in _SLOTS:
            problems.add(slot, f"not a slot of a method{did_you_mean(slot, _SLOTS)}")
    read: dict[str, Any] = {slot: problems.attempt(slot, _SLOTS[slot], raw[slot]) for slot in _SLOTS if slot in raw}
    problems.stop_if_any()
    return Method(**read)


def _objective(raw: Any) -> TotalLoss:
    if raw is None:
        return TotalLoss()
    if not isinstance(raw, Mapping):
        raise ConfigError.at("", f"expected terms by name, got {raw!r}")
    problems = yamls.Problems()
    parts = {name: problems.attempt(name, _part, name, spec) for name, spec in raw.items() if spec is not None}
    problems.stop_if_any()
    return TotalLoss({name: part for name, part in parts.items() if part is not None})


def _part(name: str, raw: Any) -> Weighted:
    if not isinstance(raw, Mapping):
        raise ConfigError.at("", f"expected a mapping such as {{weight: 1.0}}, got {raw!r}")
    rest = dict(raw)
    weight = rest.pop("weight", 1.0)
    if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not abs(weight) < float("inf"):
        raise ConfigError.at("weight", f"should be a finite number, got {weight!r}")
    limits.check("weight", weight)
    epochs = {key: _epochs(key, rest.pop(key, getattr(Weighted, key))) for key in ("start", "ramp")}
    return Weighted(float(weight), yamls.component(terms, rest, name), **epochs)


def _epochs(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError.at(key, f"should be a whole number of epochs, got {value!r}")
    limits.check(key, value)
    return value


_SLOTS: dict[str, Callable[[Any], Any]] = {
    "teacher": lambda raw: yamls.typed(Teacher, raw),
    "student": lambda raw: yamls.typed(Student, raw),
    "source": lambda raw: yamls.component(sources, raw),
    "source_loss": _objective,
    "memory": lambda raw: yamls.component(memories, raw),
    "views": lambda raw: yamls.typed(Views, raw or {}),
    "student_loss": _objective,
    "schedule": lambda raw: yamls.typed(Schedule, raw),
}


def plain(method: Method) -> dict[str, Any]:
    """The resolved method, every default filled in, as YAML would hold it: `parse(plain(m)) == m`."""
    return {f.name: _plain(getattr(method, f.name)) for f in fields(method)}


def _plain(slot: Any) -> Any:
    if not isinstance(slot, TotalLoss):
        return yamls.plain(slot)
    out = {}
    for name, part in slot.parts.items():
        spec = yamls.plain(part.term)
        if spec["name"] == name:
            del spec["name"]
        out[name] = {"weight": part.weight, "start": part.start, "ramp": part.ramp, **spec}
    return out


def change(method: Method, changes: Mapping[str, Any]) -> Method:
    """The method with some paths replaced, all at once.

    `null` takes an optional part out, or a loss term if it is there; a mapping replaces a component whole; `method` is
    the whole of it, by name or as `plain` writes it, before all other changes.

    Written in order, so that one may lead into a component that an earlier one brings. ConfigError for a path that
    leads nowhere or a value that does not fit.
    """
    left = dict(changes)
    if (whole := left.pop("method", None)) is not None:
        method = _replaced(whole)
    if not left:
        return method
    try:
        return _at_once(method, left)
    except ConfigError as error:
        raise ConfigError(_culprits(method, left) or error.problems) from None


def _at_once(method: Method, changes: Mapping[str, Any]) -> Method:
    out, brought = plain(method), list[str]()
    for path, value in changes.items():
        if any(path.startswith(f"{above}.") for above in brought):  # its defaults are not filled in yet
            out, brought = plain(parse(out)), []
        _set(out, path, value)
        brought += [path] if isinstance(value, (Mapping, str)) else []
    return parse(out)


def _culprits(method: Method, changes: Mapping[str, Any]) -> list[Problem]:
    """What is wrong with changes that do not fit together: of those that do not fit even when all others were made
    that do."""
    left = dict(changes)
    while True:
        problems, waiting = yamls.Problems(), {}
        for path, value in left.items():
            changed = problems.attempt("", _changed, method, path, value)
            if changed is None:
                waiting[path] = value
            else:
                method = changed
        if len(waiting) == len(left):
            return problems.found
        left = waiting


def _replaced(named: Any) -> Method:
    """A method by name, or from plain data; ConfigError at `method`."""
    try:
        return load(named) if isinstance(named, str) else parse(named)
    except UnknownName as error:
        raise ConfigError.at("method", str(error)) from None
    except ConfigError as error:
        raise ConfigError(problem.under("method") for problem in error.problems) from None


def _changed(method: Method, path: str, value: Any) -> Method:
    out = plain(method)
    _set(out, path, value)
    try:
        return parse(out)
    except ConfigError as error:  # a range is checked by the component around the field: name the field instead
        raise ConfigError(replace(p, path=path) if path.startswith(p.path) else p for p in error.problems) from None


def _set(out: dict[str, Any], path: str, value: Any) -> None:
    """Write a value at a path of a plain method."""
    *parents, last = path.split(".")
    node: Any = out
    for depth, key in enumerate(parents):
        if not isinstance(node, dict) or key not in node:
            raise ConfigError.at(path, _nowhere(parents[:depth], key, node))
        node = node[key]
    of_loss = parents in (["source_loss"], ["student_loss"]) and isinstance(node, dict)
    if of_loss and value is None and last not in node and last in terms:
        return  # out already: a choice may be of null and of the term that it adds
    new_term = of_loss and value is not None
    if not isinstance(node, dict) or (last not in node and not new_term):
        raise ConfigError.at(path, _nowhere(parents, last, node))
    if last == "name" and value != node[last]:
        whole = f"{'.'.join(parents)}: {{name: {value}}}"
        raise ConfigError.at(path, f"a component is replaced whole, since another has other fields: {whole}")
    node[last] = copy.deepcopy(value)


def _nowhere(above: list[str], key: str, node: Any) -> str:
    place = f"in {'.'.join(above)}" if above else "in a method"
    if not isinstance(node, dict):
        return f"nothing can be changed {place}: it is {json.dumps(node)}"
    return f"there is no {key!r} {place}{did_you_mean(key, node)}"


def diff(a: Any, b: Any, at: str = "") -> dict[str, tuple[Any, Any]]:
    """Paths whose values differ, with both values; a component that only one side has is one entry.

    `change(a, {path: new for path, (_, new) in diff(a, b).items()}) == b`.
    """
    a, b = (plain(x) if isinstance(x, Method) else x for x in (a, b))
    alike = isinstance(a, Mapping) and isinstance(b, Mapping) and a.get("name") == b.get("name")
    if not alike:
        return {} if a == b else {at: (a, b)}
    out: dict[str, tuple[Any, Any]] = {}
    for key in dict.fromkeys([*a, *b]):
        out |= diff(a.get(key), b.get(key), f"{at}.{key}" if at else key)
    return out


def fingerprint(method: Method) -> str:
    """64 bits of SHA-256 over the resolved method, in hexadecimal: equal methods, equal fingerprints."""
    text = json.dumps(plain(method), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
