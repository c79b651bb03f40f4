"""From a study file to its work: every mistake of the file at once, each with its line, before anything is launched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfkd_ray import datasets, metrics, study
from dfkd_ray.methods import config, presets
from dfkd_ray.methods.method import Method
from dfkd_ray.runs import first_settings, path_to, plugins, preparing, selecting
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.study import Budget, Study
from dfkd_ray.study.ablation import KEYS, MAKING
from dfkd_ray.study.overrides import NO_OVERRIDES, Overrides
from dfkd_ray.study.reading import named_plugins
from dfkd_ray.study.specs import Optunahub, Tpe
from dfkd_ray.train.runtime import parse_runtime
from dfkd_ray.tune.options import NOTHING_SAID, Options
from dfkd_ray.tune.ray_setup import in_a_job
from dfkd_ray.util import yamls
from dfkd_ray.util.choices import Targets
from dfkd_ray.util.errors import ConfigError, DfkdError, Problem, UnknownName
from dfkd_ray.util.files import anchored as beside
from dfkd_ray.util.yamls import Document, Problems


def open_study(
    path: Path, options: Options = NOTHING_SAID, overrides: Overrides = NO_OVERRIDES
) -> tuple[Study, Distillation]:
    """The study in a file and what its trials do; ConfigError with all mistakes, DataError for a missing teacher."""
    return open_document(overrides.over(yamls.load(path)), options)


def open_document(document: Document, options: Options = NOTHING_SAID) -> tuple[Study, Distillation]:
    """The same for a study that stands in no file of its own."""
    problems = Problems()
    document = anchored(document)
    _load(document, options)
    document = problems.attempt("", path_to.resolved, document) or document
    document = problems.attempt("", first_settings.resolved, document) or _without(document, "start")
    parsed = problems.attempt("", study.parse, document)
    made = parsed or _salvage(document, problems.found)
    if path_to.target(document) is not None and "components" not in document.data:  # why, is told elsewhere
        problems.found = [problem for problem in problems.found if problem.path != "components"]
    if made is not None:
        _check_method(made, document, problems, here=options.address is None and not in_a_job())
        _check_sampler(made, problems)
    if problems.found:
        raise document.locate(dict.fromkeys(problems.found))
    assert parsed is not None
    work = problems.attempt("", preparing.work, parsed, options)
    if work is None:
        raise document.locate(problems.found)
    return first_settings.completed(parsed, work, document), work


def _without(document: Document, key: str) -> Document:
    return replace(document, data={name: value for name, value in document.data.items() if name != key})


def anchored(document: Document) -> Document:
    """The same with absolute paths of method files, task files, folders of images and pools, so that it can be run
    from anywhere, and resumed: they are looked for beside the study's file, then from where one stands."""
    raw = document.data
    if not isinstance(raw, Mapping):
        return document
    roots = ([Path(document.file).parent] if document.file else []) + [Path()]
    made = dict(raw)
    for key in ("method", "task"):
        if isinstance(raw.get(key), str):
            made[key] = absolute(raw[key], *roots)
    if "sampler" in raw:
        made["sampler"] = _there(raw["sampler"], "registry", tuple(roots))
    if isinstance(own := raw.get("plugins"), (str, list)):
        made["plugins"] = [
            beside(each, *roots) if isinstance(each, str) else each for each in ([own] if isinstance(own, str) else own)
        ]
    if "fixed" in raw:
        made["fixed"] = absolute_pool(raw["fixed"], *roots)
    if isinstance(raw.get("arms"), Mapping):
        arms = {name: absolute_pool(arm, *roots) for name, arm in raw["arms"].items()}
        made["arms"] = {name: _anchored(arm, "method", roots) for name, arm in arms.items()}
    if isinstance(design := raw.get("design"), Mapping):
        made["design"] = {**_anchored(design, "to", roots)}
        if isinstance(design.get("to"), Mapping):
            made["design"]["to"] = _anchored(design["to"], "method", roots)
    return replace(document, data=made)


def _load(document: Document, options: Options) -> None:
    """The plug-ins of a study and of its command, before what they register is looked for; ConfigError."""
    said = document.data.get("plugins", ()) if isinstance(document.data, Mapping) else ()
    problems = Problems()
    own = problems.attempt("plugins", named_plugins, said) or ()  # what is no list is told with all else
    problems = Problems()
    for number, plugin in enumerate(own):
        problems.attempt(f"plugins.{number}", plugins.load, [plugin])
    if problems.found:
        raise document.locate(problems.found)
    plugins.load(options.plugin)


def _anchored(part: Any, key: str, roots: list[Path]) -> Any:
    named = isinstance(part, Mapping) and isinstance(part.get(key), str)
    return {**part, key: absolute(part[key], *roots)} if named else part


def absolute(name: str, *roots: Path) -> str:
    """A method or task by file, or `folder:PATH@SIDE`, with its absolute path; a name of another kind as it is."""
    prefix = datasets.FOLDER if name.startswith(datasets.FOLDER) else ""
    rest = name.removeprefix(prefix)
    if not prefix and Path(rest).suffix not in (".yaml", ".yml"):
        return name
    before, at, side = rest.rpartition("@")
    for root in roots or (Path(),):
        for path, tail in ((rest, ""), (before, f"@{side}")) if prefix and at and before else ((rest, ""),):
            if (found := root / Path(path).expanduser()).exists():
                return f"{prefix}{found.resolve()}{tail}"
    return name


def absolute_pool(changes: Any, *roots: Path) -> Any:
    """Changes of a method with the absolute path of the pool or the images of its source, where they are there."""
    if not isinstance(changes, Mapping):
        return changes
    made = dict(changes)
    for key in ("folder", "images"):
        made = _there(made, f"source.{key}", roots)
        made |= {"source": _there(made["source"], key, roots)} if "source" in made else {}
    return made


def _there(part: Any, key: str, roots: tuple[Path, ...]) -> Any:
    if not isinstance(part, Mapping) or not isinstance(part.get(key), str):
        return part
    found = (root / Path(part[key]).expanduser() for root in roots or (Path(),))
    place = next((str(place.resolve()) for place in found if place.exists()), part[key])
    return {**part, key: place}


# What stands in for a part with a mistake. The last three do not matter to the method, and may clash with what is left.
_STAND_INS: dict[str, Any] = {
    "study": "unnamed",
    "objective": {"metric": metrics.VAL_ACCURACY},
    "sampler": "tpe",
    "stopper": "none",
    "budget": {"hours": 1},
}


def _salvage(document: Document, found: Iterable[Problem]) -> Study | None:
    """The study without the parts that have mistakes, so that the other parts can be checked too."""
    if not isinstance(document.data, dict):
        return None
    rest = {key: value for key, value in document.data.items() if key not in ("confirm", "racing")}  # not of the method
    rest = rest if rest.keys() & {*MAKING} else {key: value for key, value in rest.items() if key != "seeds"}
    raw = {**_STAND_INS, **rest} | {key: _STAND_INS[key] for key in ("sampler", "stopper", "budget")}
    while True:  # what is taken out may have been the condition of something else
        rest = dict(raw)
        for problem in found:
            _take_out(rest, problem.path)
        empty = not rest.get("search") and not rest.keys() & set(KEYS)
        try:
            made = study.parse(Document({**rest, "search": {"none": {"bool": True}}} if empty else rest))
            return replace(made, search={}) if empty else made
        except ConfigError as error:
            if rest == raw:
                return None
            raw, found = rest, error.problems


def _take_out(raw: dict[str, Any], path: str) -> None:
    top, _, rest = path.partition(".")
    if rest and top in ("search", "fixed") and isinstance(raw.get(top), dict):
        raw[top] = {key: value for key, value in raw[top].items() if not f"{rest}.".startswith(f"{key}.")}
    elif top in _STAND_INS:
        raw[top] = _STAND_INS[top]
    else:
        for key in KEYS if top in KEYS else (top,):
            raw.pop(key, None)


def _check_method(made: Study, document: Document, problems: Problems, here: bool) -> None:
    """Names, changes, searched paths, goals and runtime, against what exists; `here`: on this machine, which runs."""
    problems.attempt("runtime", parse_runtime, made.runtime)
    named = _named(made, problems)
    try:
        method = named(made.method)
    except UnknownName as error:
        problems.add("method", str(error))
        return

    targets = _targets(made)

    def accepts(changes: Mapping[str, Any]) -> Method:
        other = changes.get("method")
        if other is None:
            return preparing.accepts(method, changes, targets, here)
        whole = config.change(method, {"method": other})  # told where it stands, if there is none
        rest = {path: value for path, value in changes.items() if path != "method"}
        return preparing.accepts(named(other) if isinstance(other, str) else whole, rest, targets, here)

    before = len(problems.found)
    without: dict[str, Any] = {"search": {}, "start": (), "confirm": None, "ablation": None, "published": ""}
    without |= {"sampler": Tpe(), "seeds": (), "racing": None}
    problems.attempt("", study.check, replace(made, budget=Budget(hours=1), **without), accepts, document)
    wrong = [problem.path for problem in problems.found[before:]]
    fixed = {path: value for path, value in made.fixed.items() if f"fixed.{path}" not in wrong}
    sound = replace(made, fixed=fixed)
    problems.attempt("", study.check, sound, accepts, document)
    problems.found.extend(selecting.mistakes(sound, accepts, targets))


def _check_sampler(made: Study, problems: Problems) -> None:
    """Whether one that is not Optuna's own is to be had: it is loaded, and made once."""
    if isinstance(made.sampler, Optunahub):
        from dfkd_ray.tune import hub  # imports Optuna

        problems.attempt("sampler", hub.build, made.sampler, made.sampler.seed)


def _targets(made: Study) -> Targets:
    """What the task is to be told; where there is no such task, which is said elsewhere, classes."""
    try:
        return preparing.task_of(made).targets
    except DfkdError:
        return "classes"


def _named(made: Study, problems: Problems) -> Callable[[str], Method]:
    """Whoever gives a method by name, as the study's preset has it where there are such a preset and a task."""
    task = None
    try:
        task = problems.attempt("task", preparing.task_of, made)
    except UnknownName as error:
        problems.add("task", str(error))
    try:
        presets.check(made.preset)
    except UnknownName as error:
        problems.add("preset", str(error))
        task = None

    def named(name: str) -> Method:
        own = config.load(name)
        return own if task is None else preparing.in_preset(own, name, made.preset, task)

    return named
