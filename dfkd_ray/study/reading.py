"""The study file: `parse` reports all its mistakes at once, with lines; `plain` writes a study with every default."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from dfkd_ray import yamls
from dfkd_ray.errors import ConfigError, Problem
from dfkd_ray.registry import did_you_mean
from dfkd_ray.study import domains
from dfkd_ray.study.space import Space
from dfkd_ray.study.specs import samplers, stoppers
from dfkd_ray.study.study import Budget, Objective, Resources, Study, conflicts
from dfkd_ray.yamls import Document, Problems, component, typed


def load(path: Path) -> Study:
    """Read a study file."""
    return parse(yamls.load(path))


def parse(document: Document) -> Study:
    """A study from its file; ConfigError with all mistakes, each with its line."""
    problems = Problems()
    raw = document.data
    if not isinstance(raw, Mapping):
        raise document.locate([Problem("", f"expected a study: a mapping with {', '.join(_required())}, got {raw!r}")])
    known = [f.name for f in fields(Study)]
    for key in raw.keys() - set(known):
        problems.add(key, f"no such part of a study{did_you_mean(key, known)}")
    for name in _required():
        if name not in raw:
            problems.add(name, "is missing")
    given = {key: raw[key] for key in known if key in raw}
    parts: dict[str, Any] = {
        key: problems.attempt(key, read, given[key]) for key, read in _READERS.items() if key in given
    }
    simple = {key: value for key, value in given.items() if key not in _READERS}
    problems.attempt("", typed, _Simple, simple)
    parts |= {"budget": Budget()} | simple | parts
    failed = {problem.path.partition(".")[0] for problem in problems.found}
    problems.found.extend(conflicts({key: value for key, value in parts.items() if key not in failed}))
    if problems.found:
        raise document.locate(problems.found)
    return Study(**parts)


def plain(study: Study) -> dict[str, Any]:
    """The study as its file would have it, every default filled in; `parse(Document(plain(s))) == s`."""
    out = {f.name: getattr(study, f.name) for f in fields(study)}
    objectives = [asdict(objective) for objective in study.objective]
    out["objective"] = objectives[0] if len(objectives) == 1 else objectives
    out["search"] = {path: domains.plain(domain) for path, domain in study.search.items()}
    for key in ("sampler", "stopper"):
        spec = out[key]
        out[key] = {"name": spec.registered_as, **asdict(spec)}
    for key in ("budget", "resources"):
        out[key] = asdict(out[key])
    for key in ("fixed", "runtime"):
        out[key] = dict(out[key])
    return out


def check(study: Study, accepts: Callable[[Mapping[str, Any]], None], document: Document | None = None) -> None:
    """Try every choice, and both ends of every range, on the method before anything starts.

    `accepts(changes)` raises ConfigError where the method, as the study names it, does not take them; the study's
    `fixed` changes are among them. All complaints are raised together.
    """
    found: dict[Problem, None] = {}
    for at, changes in _attempts(study):
        try:
            accepts(changes)
        except ConfigError as error:
            path = at.partition(".")[2]
            for problem in error.problems:
                elsewhere = f"{problem.path}: " if problem.path != path else ""
                found[Problem(at, elsewhere + problem.message)] = None
    if found:
        raise (document or Document(None)).locate(found)


def _attempts(study: Study) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where it stands in the file, changes) for each thing that a trial might be given."""
    for path, value in study.fixed.items():
        yield f"fixed.{path}", {path: value}
    for path, domain in study.search.items():
        for value in domain.ends():
            yield f"search.{path}", {**study.fixed, **_parents(study.search, path), path: value}


def _parents(search: Space, path: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for parent, values in search[path].when.items():
        out |= {**_parents(search, parent), parent: values[0]}
    return out


def _objectives(raw: Any) -> tuple[Objective, ...]:
    if not isinstance(raw, list):
        return (typed(Objective, raw),)
    if not raw:
        raise ConfigError.at("", "at least one objective")
    problems = Problems()
    read = [problems.attempt(str(i), typed, Objective, item) for i, item in enumerate(raw)]
    problems.stop_if_any()
    return tuple(objective for objective in read if objective is not None)


def _search(raw: Any) -> Space:
    if not isinstance(raw, Mapping) or not raw:
        raise ConfigError.at("", f"expected {{path: domain}} with at least one path, got {raw!r}")
    problems = Problems()
    read = {str(path): problems.attempt(str(path), domains.read, domain) for path, domain in raw.items()}
    problems.stop_if_any()
    return {path: domain for path, domain in read.items() if domain is not None}


def _required() -> list[str]:
    return [f.name for f in fields(Study) if f.default is MISSING and f.default_factory is MISSING]


@dataclass(frozen=True)
class _Simple:
    """The parts of a study that need no reader of their own, for `typed`."""

    study: str = ""
    question: str = ""
    method: str = ""
    task: str = ""
    fixed: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    runtime: dict[str, Any] = field(default_factory=dict)


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "objective": _objectives,
    "search": _search,
    "sampler": lambda raw: component(samplers, raw),
    "stopper": lambda raw: component(stoppers, raw),
    "budget": lambda raw: typed(Budget, raw),
    "resources": lambda raw: typed(Resources, raw),
}
