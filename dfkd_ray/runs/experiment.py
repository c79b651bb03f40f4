"""The experiment that a study is: everything that decides its results, by digests, with names to show.

Made when a study begins, and again when it is gone on with: `tune/differences.py` compares the two.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfkd_ray import metrics
from dfkd_ray import study as studies
from dfkd_ray.datasets.identity import definition, of_files, of_folder, of_split, of_task
from dfkd_ray.datasets.named import tasks
from dfkd_ray.datasets.pools import Pool, selection
from dfkd_ray.datasets.readers import readers
from dfkd_ray.datasets.remote import local
from dfkd_ray.methods import config
from dfkd_ray.nets.builders import classifiers
from dfkd_ray.parts.optimizers import lr_schedules, optimizers
from dfkd_ray.parts.slots import memories, sources, views
from dfkd_ray.parts.sources.conditions import conditioners
from dfkd_ray.parts.sources.latents import augmentations
from dfkd_ray.parts.sources.lifecycles import lifecycles
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.runs import own_code
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.runs.evaluator import real
from dfkd_ray.runs.shipping import importable
from dfkd_ray.study import Study
from dfkd_ray.study.specs import Optunahub, samplers, stoppers
from dfkd_ray.tune.differences import SELECTION, WAY_ON, differences, marked, refused
from dfkd_ray.tune.history import History
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.provenance import provenance
from dfkd_ray.util.registry import Registry

Part = dict[str, Any]
_VERSIONS = ("dfkd_ray", "python", "torch", "torchvision", "numpy", "diffusers", "transformers")
_PARTS = (sources, memories, views, terms, optimizers, lr_schedules, conditioners, augmentations, lifecycles)
_REGISTRIES: tuple[Registry[Any], ...] = (*_PARTS, classifiers, tasks, readers, samplers, stoppers, metrics.own)
_OWN = __name__.partition(".")[0]
CODE = "the code "  # of such a module
SAMPLER = "the code of the sampler"
IMAGES = {"val": "the images to validate on", "test": "the images to test on"}


def experiment(study: Study, work: Distillation) -> dict[str, Any]:
    """As a ledger holds it; `task`: the whole of it, for whoever finds its file gone.

    Reads the real images that are evaluated on, or of many a sample of them.
    """
    methods = {name: _method(work, name) for name in work.methods or (study.method,)}
    task = work.task
    arch, place = work.method.teacher.arch or task.teacher.arch, task.teacher.file or task.teacher.weights
    said = [studies.plain(study), *(part["plain"] for part in methods.values())]
    words = {word for plain in said for word in _words(plain)} | {arch, work.method.student.arch or task.student}
    parts = {f"the method {name}": part for name, part in methods.items()}
    parts["the teacher"] = {"digest": work.teacher_digest, "said": f"{arch}, {place}"}
    parts["the task"] = {"digest": of_task(task), "said": task.name, "plain": definition(task)}
    parts |= {what: _images(work, which) for which, what in IMAGES.items()}
    if isinstance(study.sampler, Optunahub):
        parts[SAMPLER] = sampler_code(study.sampler)
    parts["the seed"] = {"digest": ", ".join(map(str, study.each_seed))}
    words |= {task.name, task.reader}
    parts |= _code(words, work.code.names)
    named = {text for plain in said for text in _under("images", plain)}
    kept = {text for plain in said for text in _under("keep", plain)}
    parts |= _folders(words, kept) | _pictures(named)
    return {"parts": parts, "versions": versions(), "task": yamls.plain(task)}


def sampler_code(spec: Optunahub) -> Part:
    """The code of a sampler that is not Optuna's own; ConfigError where it cannot be loaded."""
    from dfkd_ray.tune import hub  # imports Optuna

    return hub.identity(spec)


def versions() -> dict[str, str]:
    """Of all that may change the last bits of a result."""
    return {name: value for name, value in provenance().items() if name in _VERSIONS}


def go_on(
    folder: Path, history: History, study: Study, work: Distillation, accept: bool, way_on: str = WAY_ON
) -> tuple[Distillation, dict[str, Any]]:
    """The work of a study that is gone on with, and what its ledger's record keeps of changes that are accepted.

    StudyError with all that differs from the experiment in the ledger, unless `accept`.
    """
    now = experiment(study, work)
    found = differences(history.experiment, now)
    if found and not accept:
        raise refused(folder, found, way_on)
    if not found:
        return bound(work, now, accepted=history.accepted), {}
    methods = {name: config.plain(method) for name, method in work.methods.items()}
    said = {"experiment": now, "methods": methods, "changed": marked(differences(history.begun, now))}
    return bound(work, now, accepted=True), said


def renamed(there: Mapping[str, Any], here: Mapping[str, Any]) -> dict[str, Part | None]:
    """Of two experiments the parts that only the second names, and (None) only the first: what an edited search names
    decides no earlier trial."""
    old, new = there.get("parts", {}), here.get("parts", {})
    return {what: new.get(what) for what in {**old, **new} if (what in old) != (what in new)}


def bound(work: Distillation, made: Mapping[str, Any], accepted: bool = False) -> Distillation:
    """The work as that of an experiment: its checkpoints are of these images, or of any where changes are accepted; own
    code that it names travels along."""
    images = {which: made["parts"][what]["digest"] for which, what in IMAGES.items()}
    code = importable(what.removeprefix(CODE) for what in made["parts"] if what.startswith(CODE))
    return replace(work, images=images, accepted=accepted, code=code)


def _method(work: Distillation, name: str) -> Part:
    """A method as all trials have it: with what the study fixes, where that fits."""
    try:
        method = work.resolve({"method": name}) if name in work.methods else work.method
    except ConfigError:  # an arm that is none is told elsewhere
        method = work.methods[name]
    return {"digest": config.fingerprint(method), "plain": config.plain(method)}


def _images(work: Distillation, which: Any) -> Part:
    """The real images of a split, as far as there are any."""
    if real(work.task, which, work.options.data, work.runtime.cache) is None:
        return {"digest": None}
    identity = of_split(work.task, which, local(work.options.data))
    if identity is None:
        return {"digest": "drawn", "said": "or bundled, the same everywhere"}
    return {"digest": identity.digest, "said": str(identity)}


def _words(plain: Any) -> Iterator[str]:
    """All texts in plain data, keys and the parts of dotted paths too."""
    if isinstance(plain, Mapping):
        for key, value in plain.items():
            yield from (*_words(key), *_words(value))
    elif isinstance(plain, (list, tuple)):
        for value in plain:
            yield from _words(value)
    elif isinstance(plain, str):
        yield from (plain, *plain.split("."))


def _under(key: str, plain: Any) -> Iterator[str]:
    """All texts in plain data that stand under a key of this name, or of a path that ends in it."""
    if isinstance(plain, Mapping):
        for at, value in plain.items():
            yield from _words(value) if str(at).rpartition(".")[2] == key else _under(key, value)
    elif isinstance(plain, (list, tuple)):
        for value in plain:
            yield from _under(key, value)


def _code(words: set[str], given: Iterable[str]) -> dict[str, Part]:
    """Modules from outside of the package, those that are `given` and those of components that are named: their files,
    with what these import of one's own; of what is installed the version."""
    named = (registry[name] for registry in _REGISTRIES for name in registry if name in words)
    modules = {each.__module__ for each in named if each.__module__.partition(".")[0] != _OWN}
    return {f"{CODE}{name}": own_code.identity(name) for name in sorted({*modules, *given})}


def _folders(words: set[str], kept: set[str]) -> dict[str, Part]:
    """The pools and the diffusion models on this disk that are named, and of a pool the selections that are `kept`."""
    parts: dict[str, Part] = {}
    for word in sorted(word for word in words if "/" in word):
        folder = os.path.expanduser(word)  # and os.path below, because a question may hold a / too
        if os.path.isfile(os.path.join(folder, "pool.json")):
            parts[f"the pool {word}"] = {"digest": Pool.open(Path(folder)).digest}
            for name in sorted(kept.intersection(selection.names(Path(folder)))):
                found = of_files({"": selection.path_of(Path(folder), name)})
                parts[f"{SELECTION}{name} of the pool {word}"] = {"digest": found.digest}
        elif os.path.isfile(os.path.join(folder, "model_index.json")):
            found = of_folder(Path(folder))
            parts[f"the model {word}"] = {"digest": found.digest, "said": str(found)}
    return parts


def _pictures(named: set[str]) -> dict[str, Part]:
    """The images of another domain on this disk that a source is given."""
    parts: dict[str, Part] = {}
    for place in sorted(named):
        path = Path(os.path.expanduser(place))
        if os.path.exists(path):
            found = of_folder(path) if path.is_dir() else of_files({"": path})
            parts[f"the images {place}"] = {"digest": found.digest, "said": str(found)}
    return parts
