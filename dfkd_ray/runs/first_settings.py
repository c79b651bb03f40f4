"""`start:` of a study: what it looks up in other studies, and what its settings leave to the method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfkd_ray.methods import config
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.study import Study, domains
from dfkd_ray.study.space import Space
from dfkd_ray.study.starting import completed as whole
from dfkd_ray.study.starting import setting_of
from dfkd_ray.tune import past_studies
from dfkd_ray.tune.standing import nearest
from dfkd_ray.util import limits
from dfkd_ray.util.errors import ConfigError, DfkdError
from dfkd_ray.util.registry import did_you_mean
from dfkd_ray.util.yamls import Document, Problems

KEYS = ("from", "best")


def resolved(document: Document) -> Document:
    """The study with the settings that its `start` names as the best of other studies; ConfigError."""
    raw = document.data
    start = raw.get("start") if isinstance(raw, Mapping) else None
    single = isinstance(start, Mapping)
    listed = [start] if single else start
    if not isinstance(listed, list):
        return document
    problems, lines = Problems(), dict(document.lines)
    made: list[Any] = []
    for number, each in enumerate(listed):
        at = "start" if single else f"start.{number}"
        named = isinstance(each, Mapping) and "from" in each
        found = problems.attempt(at, _best_of, each, document) if named else [each]
        for setting in found or []:
            for path in setting if isinstance(setting, Mapping) else ():
                lines[f"start.{len(made)}.{path}"] = document.line(f"{at}.{path}") or 0
            made.append(setting)
    problems.stop_if_any()
    return replace(document, data={**raw, "start": made}, lines=lines)


def completed(study: Study, work: Distillation, document: Document) -> Study:
    """The study with every setting of its `start` as a point of its space: what one leaves out is as the method has it.

    ConfigError, path by path, where that is no value of its domain.
    """
    problems, points = Problems(), []
    for number, setting in enumerate(study.start):
        point = problems.attempt(f"start.{number}", lambda own: whole(study.search, own, _method(work, own)), setting)
        points.append(point or {})
    if problems.found:
        raise document.locate(problems.found)
    return replace(study, start=tuple(points))


def _method(work: Distillation, setting: Mapping[str, Any]) -> dict[str, Any]:
    return config.plain(work.resolve(setting))


def _best_of(named: Mapping[str, Any], document: Document) -> list[dict[str, Any]]:
    """`{from: reports/mhad, best: 3}`: the settings of its three best trials, as far as this space has them."""
    for key in named:
        if key not in KEYS:
            raise ConfigError.at(str(key), f"no such key{did_you_mean(str(key), KEYS)}")
    count = named.get("best", 1)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= limits.VALUES:
        raise ConfigError.at("best", f"a number of trials, at least 1, got {count!r}")
    earlier = past_studies.read(_folder(named["from"], document))
    if not earlier.best:
        raise ConfigError.at("from", f"no trial of {named['from']} is complete")
    space = _space(document)
    found = [setting_of(space, trial.changes, trial.method) for trial in earlier.best]
    if not any(found):
        raise ConfigError.at("from", f"no trial of {named['from']} has a value for a path of this search")
    distinct = {domains.canonical(setting): setting for setting in found}
    return [*distinct.values()][:count]


def _folder(named: Any, document: Document) -> Path:
    """A study's folder: beside the file, from where one stands, or by its name under reports/."""
    roots = [*([Path(document.file).parent] if document.file else []), Path(), Path("reports")]
    if not isinstance(named, str):
        raise ConfigError.at("from", f"the folder of a study, got {named!r}")
    for root in roots:
        if (folder := root / Path(named).expanduser()).is_dir():
            return folder
    raise ConfigError.at("from", f"{named}: there is no such folder{nearest(named)}")


def _space(document: Document) -> Space:
    """What the file searches, as far as it can be read: its mistakes are told elsewhere."""
    space: dict[str, Any] = {}
    searched = document.data.get("search")
    for path, raw in searched.items() if isinstance(searched, Mapping) else ():
        try:
            space[str(path)] = domains.parse(raw)
        except DfkdError:
            continue
    return space
