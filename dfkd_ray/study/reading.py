"""The study file: `parse` reports all its mistakes at once, with lines; `plain` writes a study with every default."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any

from dfkd_ray.study import ablation as ablations
from dfkd_ray.study import components, confirming, constraints, domains, pick, several_seeds, starting, trackers
from dfkd_ray.study.ablation import Ablation
from dfkd_ray.study.components import Changes, merged
from dfkd_ray.study.space import Space
from dfkd_ray.study.specs import read_sampler, stoppers
from dfkd_ray.study.study import Budget, Objective, Resources, Saving, Study, conflicts
from dfkd_ray.util import limits, yamls
from dfkd_ray.util.errors import ConfigError, Problem
from dfkd_ray.util.registry import did_you_mean
from dfkd_ray.util.yamls import Document, Problems, component, typed

_UNSAID = ("search", "start", "constraints", "best", "confirm", "seeds", "racing", "published", "plugins", "track")


def load(path: Path) -> Study:
    """Read a study file."""
    return parse(yamls.load(path))


def parse(document: Document) -> Study:
    """A study from its file; ConfigError with all mistakes, each with its line."""
    problems = Problems()
    raw = document.data
    if not isinstance(raw, Mapping):
        raise document.locate([Problem("", f"expected a study: a mapping with {', '.join(_required())}, got {raw!r}")])
    others = {"ablation", "seeds"} if raw.keys() & {*ablations.MAKING} else {"ablation"}  # not read as a sweep's
    known = [f.name for f in fields(Study) if f.name not in others]
    for key in raw.keys() - (every := {*known, *ablations.KEYS}):
        problems.add(key, f"no such part of a study{did_you_mean(key, every)}")
    for name in _required():
        if name not in raw and (name != "search" or not (raw.keys() & {*ablations.KEYS} - {"seeds"} or _once(raw))):
            problems.add(name, "is missing")
    given = {key: raw[key] for key in known if key in raw}
    parts: dict[str, Any] = {k: problems.attempt(k, read, given[k]) for k, read in _READERS.items() if k in given}
    parts["ablation"] = problems.attempt("", ablations.parse, raw)
    simple = {key: value for key, value in given.items() if key not in _READERS}
    problems.attempt("", typed, _Simple, simple)
    parts = {"budget": Budget()} | simple | {"seeds": ()} | parts
    if parts["ablation"] is not None or _once(raw):
        parts.setdefault("search", {})
    failed = {problem.path.partition(".")[0] for problem in problems.found}
    if parts["ablation"] is None and failed & {*ablations.KEYS} - given.keys():
        failed |= {"ablation", "search"}  # the place of `search` depends on what could not be read
    problems.found.extend(conflicts({key: value for key, value in parts.items() if key not in failed}))
    if problems.found:
        raise document.locate(problems.found)
    return Study(**parts)


def plain(study: Study) -> dict[str, Any]:
    """The study as its file would have it, every default filled in; `parse(Document(plain(s))) == s`."""
    out = {f.name: getattr(study, f.name) for f in fields(study)} | {"seeds": list(study.seeds)}
    if (ablation := out.pop("ablation")) is not None:
        out |= ablations.plain(ablation)
    objectives = [asdict(objective) for objective in study.objective]
    out["objective"] = objectives[0] if len(objectives) == 1 else objectives
    out["search"] = {path: domains.plain(domain) for path, domain in study.search.items()}
    out |= {key: {"name": out[key].registered_as, **asdict(out[key])} for key in ("sampler", "stopper")}
    for key in ("budget", "resources", "checkpoint", "confirm", "racing"):
        out[key] = asdict(out[key]) if out[key] is not None else None
    for key, kind in {"plugins": list, "track": list, "fixed": dict, "runtime": dict}.items():
        out[key] = kind(out[key])
    out["start"] = [dict(setting) for setting in study.start]
    if study.preset == Study.preset:
        del out["preset"]
    out["best"] = "" if len(study.objective) == 1 else pick.plain(study.best)
    out["constraints"] = constraints.plain(study.constraints)
    return {key: value for key, value in out.items() if value or key not in _UNSAID}


def check(study: Study, accepts: Callable[[Mapping[str, Any]], object], document: Document | None = None) -> None:
    """Try every choice, and both ends of every range, on the method before anything starts.

    `accepts(changes)` raises ConfigError where the method, as the study names it, does not take them; the study's
    `fixed` changes are among them. All complaints are raised together.
    """
    found: dict[Problem, None] = {}
    for at, changes, places in attempts(study):
        try:
            accepts(changes)
        except ConfigError as error:
            for problem in error.problems:
                place = _place(problem.path, places) or at
                elsewhere = "" if f".{place}".endswith(f".{problem.path}") else f"{problem.path}: "
                found[Problem(place, elsewhere + problem.message)] = None
    if found:
        raise (document or Document(None)).locate(found)


Places = Mapping[str, str]  # path in the method -> where the study file sets it


def _place(path: str, places: Places) -> str | None:
    """Where the file sets what a complaint is about: the path itself, or the nearest one that holds it."""
    while path and path not in places:
        path = path.rpartition(".")[0]
    return places.get(path)


def attempts(study: Study) -> Iterator[tuple[str, dict[str, Any], Places]]:
    """(what is tried, changes, where the file sets them) for each thing that a trial might be given."""
    if study.fixed:
        yield "fixed", dict(study.fixed), {path: f"fixed.{path}" for path in study.fixed}
    alone: list[tuple[Changes, Places]] = [({}, {})]
    if study.ablation is not None:
        for at, changes, places in _arms(study.ablation):
            yield at, {**study.fixed, **changes}, places
        alone = [(arm.changes, _levels(study.ablation, arm.levels)) for arm in study.ablation.needed]
    for path, domain in study.search.items():
        at, parents = f"search.{path}", _parents(study.search, path)
        for changes, places in alone:
            places = {**places, **{parent: f"search.{parent}" for parent in parents}, path: at}
            for value in domain.ends():
                yield at, {**study.fixed, **changes, **parents, path: value}, places


def _arms(ablation: Ablation) -> Iterator[tuple[str, Changes, Places]]:
    """Every level of a component while the rest is on, and every arm; of a path `to` a method its end alone."""
    if ablation.to_a_method:
        yield "design.to", ablation.needed[-1].changes, {}
        return
    on = {each.name: each.on for each in ablation.components}
    for each in ablation.components:
        for level in each.levels:
            levels = on | {each.name: level}
            yield f"components.{each.name}", merged(ablation.components, levels), _levels(ablation, levels)
    for arm in ablation.arms:
        by_hand = {path: f"arms.{arm.name}.{path}" for path in arm.changes}
        at = f"arms.{arm.name}" if arm.name in ablation.hand else "components"
        yield at, arm.changes, _levels(ablation, arm.levels) if arm.levels else by_hand


def _levels(ablation: Ablation, levels: Mapping[str, str]) -> Places:
    """Where the changes of these levels stand; values of one path in a list are not told apart."""
    out: dict[str, str] = {}
    for each in ablation.components:
        level = levels.get(each.name, each.on)
        under = components.plain([each])[each.name].get("levels")
        at = f"components.{each.name}{'' if under is None else '.levels'}"
        out |= {path: at if isinstance(under, list) else f"{at}.{level}.{path}" for path in each.levels[level]}
    return out


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
    limits.count("searched paths", raw, limits.PATHS)
    problems = Problems()
    read = {str(path): problems.attempt(str(path), domains.parse, domain) for path, domain in raw.items()}
    problems.stop_if_any()
    return {path: domain for path, domain in read.items() if domain is not None}


def _track(raw: Any) -> tuple[str, ...]:
    listed = [raw] if isinstance(raw, str) else raw
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise ConfigError.at("", f"expected a tracker or a list of them, such as [tensorboard], got {raw!r}")
    limits.count("trackers", listed)
    for each in listed:
        if trackers.secret(each):
            raise ConfigError.at("", "a study file is no place for a password: say --track, or set the environment")
        trackers.parse(each)
    return tuple(listed)


def _once(raw: Mapping[str, Any]) -> bool:
    """Whether a study asks for one trial: then there may be nothing to search."""
    budget = raw.get("budget")
    return isinstance(budget, Mapping) and budget.get("trials") == 1


def _required() -> list[str]:
    always = [f.name for f in fields(Study) if f.default is MISSING and f.default_factory is MISSING]
    return [*always, "search"]


@dataclass(frozen=True)
class _Simple:
    """The parts of a study that need no reader of their own, for `typed`."""

    study: str = ""
    question: str = ""
    method: str = ""
    preset: str = Study.preset
    fixed: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    runtime: dict[str, Any] = field(default_factory=dict)
    published: str = ""


def _task(raw: Any) -> str | Mapping[str, Any]:
    if isinstance(raw, (str, Mapping)):
        return raw
    raise ConfigError.at("", f"expected the name of a task, or the task itself as a mapping, got {raw!r}")


def named_plugins(raw: Any) -> tuple[str, ...]:
    """The plug-ins of a study: a list of them, or one."""
    named = [raw] if isinstance(raw, str) else raw
    if not isinstance(named, (list, tuple)) or not all(isinstance(each, str) and each for each in named):
        raise ConfigError.at("", f"expected a list of files, folders or modules, got {raw!r}")
    limits.count("plug-ins", named, limits.PATHS)
    return tuple(named)


_TYPED: Mapping[str, Any] = {"budget": Budget, "resources": Resources, "checkpoint": Saving}
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "task": _task,
    "plugins": named_plugins,
    "objective": _objectives,
    "search": _search,
    "start": starting.parse,
    "constraints": constraints.parse,
    "best": pick.parse,
    "sampler": read_sampler,
    "stopper": lambda raw: component(stoppers, raw),
    **{name: partial(typed, kind) for name, kind in _TYPED.items()},
    "track": _track,
    "confirm": confirming.parse,
    **several_seeds.READERS,
}
