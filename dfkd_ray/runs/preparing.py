"""From a study, or a method and a task, to the `Distillation` that its trials are.

What is missing or does not fit is told before anything is launched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfkd_ray import datasets, metrics, nets, teachers
from dfkd_ray.methods import config, presets
from dfkd_ray.methods.fitting import fits, present
from dfkd_ray.methods.method import Method
from dfkd_ray.methods.presets.rules import Seen
from dfkd_ray.runs import plugins
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.runs.evaluator import real
from dfkd_ray.runs.shipping import importable
from dfkd_ray.runs.winning import chance
from dfkd_ray.study.study import Study
from dfkd_ray.train.runtime import parse_runtime
from dfkd_ray.tune.history import History
from dfkd_ray.tune.options import NOTHING_SAID, Options
from dfkd_ray.util import yamls
from dfkd_ray.util.choices import Targets
from dfkd_ray.util.errors import ConfigError, MissingExtra, StudyError, UnknownName
from dfkd_ray.util.words import listed

SENT = 256 << 20  # bytes of real images that travel with the work


def methods_of(study: Study, task: datasets.Task) -> dict[str, Method]:
    """The methods that a study names, as its preset has them, by the name that they have there; ConfigError or
    UnknownName."""
    hand = {} if study.ablation is None else study.ablation.hand
    named = (study.method, *(c["method"] for c in hand.values() if "method" in c))
    return {name: in_preset(config.load(name), name, study.preset, task) for name in named}


def in_preset(method: Method, name: str, preset: str, task: datasets.Task) -> Method:
    """A method as a preset has it on a task; ConfigError or UnknownName."""
    return presets.under(method, name, preset, Seen(task.image, len(task.classes)))


def work(
    study: Study,
    options: Options = NOTHING_SAID,
    methods: Mapping[str, Method] | None = None,
    task: datasets.Task | None = None,
) -> Distillation:
    """What a study's trials do. `methods`, `task`: those that it names, where they were read before (else from their
    files).

    Raises ConfigError or DataError before anything is launched.
    """
    task = task or task_of(study)
    methods = methods_of(study, task) if methods is None else methods
    method = config.change(methods[study.method], study.fixed)
    own: dict[str, Any] = {"plugin": tuple(dict.fromkeys([*study.plugins, *options.plugin]))}
    own |= {"checkpoint": options.checkpoint or str(study.checkpoint.every), **options.runtime(study.runtime)}
    made = prepare(method, task, replace(options, **own))
    for objective in study.objective:
        _check_reported("objective", objective.metric, made, method)
    for constraint in study.constraints:
        _check_reported("constraints", constraint.metric, made, method)
    return judged(made, study, fixed=study.fixed, methods=methods)


def judged(made: Distillation, study: Study, **more: Any) -> Distillation:
    """The same as a study judges it: what the best epoch of its trials is chosen by, and which images that takes."""
    first = study.objective[0]
    named = {*(each.metric for each in study.objective), *(each.metric for each in study.constraints)}
    invert = not named.isdisjoint(metrics.FOLLOWED["inverted"])
    return replace(made, metric=first.metric, sign=first.sign, invert=invert, **more)


def _check_reported(at: str, name: str, made: Distillation, method: Method) -> None:
    """ConfigError where a trial lacks what a metric needs."""
    needs = metrics.find(name).needs
    if needs == metrics.REAL and not evaluable(made):
        hint = f"give --data, or select by a data-free metric: {metrics.DATA_FREE} is the one to begin with"
        raise ConfigError.at(at, f"{name} needs real images of {made.task.name}: {hint}")
    if made.task.targets not in metrics.find(name).of:
        raise ConfigError.at(at, _not_of(name, made.task))
    normed = any(weight.endswith("running_mean") for weight in made.weights)
    if (needs == metrics.NORM and not normed) or (needs == metrics.LABELS and not _asks(method)):
        raise ConfigError.at(at, f"{name} needs {needs}")


def _not_of(name: str, task: datasets.Task) -> str:
    taken = metrics.QUALITY[task.targets].val
    return f"{name} is not taken on {task.name}, whose targets are {task.targets}: {taken} is"


def resumed(history: History, options: Options, amended: Study | None = None) -> Distillation:
    """What the trials of a study do that is gone on with, as its inputs are now: whether they are what they were, see
    `experiment.go_on`. The ledger has its methods and its task; a file of theirs that is still there is read. amended:
    the study as its edited file has it.

    StudyError for another precision, and for a file that does not fit the study any more.
    """
    study, own = amended or history.study, [name for name in history.methods if _own_file(name)]
    task = _task_now(history)
    try:
        methods = {
            name: in_preset(config.load(name), name, study.preset, task) if name in own else config.parse(was)
            for name, was in history.methods.items()
        }
        made = work(study, options, methods, task)
    except ConfigError as error:
        if not own:
            raise
        moved = f"move {listed(own)} away: the ledger has what it was when {study.study} was begun"
        raise StudyError(f"{error}\nmend it, or {moved}") from None
    in_one_precision(history, made)
    return made


def in_one_precision(history: History, made: Distillation) -> None:
    """StudyError where a study would go on in another precision than its trials have."""
    before = parse_runtime(Options.of(history.options).runtime(history.study.runtime)).precision
    if made.runtime.precision != before:
        raise StudyError(
            f"{history.study.study} was begun in {before}: its trials cannot be compared with others in "
            f"{made.runtime.precision}, which would be a study of its own"
        )


def _own_file(method: str) -> bool:
    """Whether it is a file of one's own, and still there."""
    return method not in config.method_names() and Path(method).is_file()


def _task_now(history: History) -> datasets.Task:
    """A study's task as it is now, or where its file or its folder is gone as it was."""
    study, kept = history.study, history.experiment.get("task")
    if kept is None or not isinstance(study.task, str) or not _gone(study.task):
        return task_of(study)
    return datasets.named.parse(yamls.Document(kept, file=f"the task of {study.study}"))


def _gone(task: str) -> bool:
    """Whether a task is named by a file or a folder that is not there any more."""
    path = task.removeprefix(datasets.FOLDER)
    before, at, _ = path.rpartition("@")
    named = path != task or Path(path).suffix in (".yaml", ".yml")
    return named and not any(Path(place).exists() for place in ([path, before] if at else [path]))


def task_of(study: Study) -> datasets.Task:
    """A study's task: by name, or written into it."""
    if isinstance(study.task, str):
        return datasets.load(study.task)
    return datasets.named.parse(yamls.Document(study.task, file=f"the task of {study.study}"))


def prepare(method: Method, task: str | datasets.Task, options: Options = NOTHING_SAID) -> Distillation:
    """A method on a task, by name or made, with its teacher: `options.weights`, what the task ships, or one found."""
    task = datasets.load(task) if isinstance(task, str) else task
    fits(method, task.targets)
    task = teachers.taught(task, options.weights, method.teacher.arch)
    state = teachers.teacher(task, method.teacher.arch).state_dict()
    code = importable(plugins.modules(options.plugin))
    made = Distillation(method, task, state, options.absolute(), code=code)
    if (
        made.options.data is not None or task.data is not None
    ):  # what is damaged is an error now, not after the last epoch
        for which in ("val", "test"):
            real(task, which, made.options.data, made.runtime.cache)
    return made if options.address is None else replace(made, sent=_sent(made))


def _sent(made: Distillation) -> dict[str, datasets.Split]:
    """The real images that a cluster's nodes get from here, once each, by split; nothing of what is large."""
    found: dict[datasets.SplitName, datasets.Split | None] = {which: made.real(which) for which in ("val", "test")}
    there = {which: split for which, split in found.items() if split is not None}
    small = sum(split.images.nbytes for split in there.values()) <= SENT
    return {str(which): split for which, split in there.items()} if small else {}


def evaluable(made: Distillation, which: datasets.SplitName = "val") -> bool:
    """Whether there are real images to evaluate on; DataError where `data` is named and cannot be read."""
    return real(made.task, which, made.options.data, made.runtime.cache) is not None


def task_info(made: Distillation) -> dict[str, Any]:
    """What a report says of the task."""
    task = made.task
    return {
        "name": task.name,
        "mean": list(task.mean),
        "std": list(task.std),
        "classes": len(task.classes),
        "chance": chance(task),
        "targets": task.targets,
        "teacher": {
            "arch": task.teacher.arch,
            "test_accuracy": task.teacher.test_accuracy,
            "digest": made.teacher_digest,
        },
        "student": {"arch": made.method.student.arch or task.student},
        "normalised_by": task.normalised_by,
    }


def accepts(method: Method, changes: Mapping[str, Any], targets: Targets = "classes", here: bool = False) -> Method:
    """The method with these changes; ConfigError if it does not take them, or is for other targets, or (`here`) needs
    what this machine lacks. Opens no net and runs nothing."""
    changed = config.change(method, changes)
    for slot, arch in {"teacher": changed.teacher.arch, "student": changed.student.arch}.items():
        try:
            if arch is not None:
                nets.check(arch, targets)
        except (UnknownName, MissingExtra) as error:
            raise ConfigError.at(f"{slot}.arch", str(error)) from None
        except ConfigError as error:
            raise ConfigError(problem.under(f"{slot}.arch") for problem in error.problems) from None
    fits(changed, targets)
    if here:
        present(changed)
    return changed


def reported(method: Method, targets: Targets = "classes") -> list[str]:
    """The metrics that a trial of the method reports after each epoch, where task and teacher have what they need."""
    slots = {"source": method.source_loss, "student": method.student_loss}
    losses = [metrics.loss(slot, name) for slot, loss in slots.items() for name in (*loss.parts, "total")]
    rows = (row for row in metrics.known_rows() if targets in row.of)
    told = [row for row in rows if row.when == "epoch" and row.better is not None and row.fair]
    return [*(row.name for row in told if row.needs != metrics.LABELS or _asks(method)), *losses]


def _asks(method: Method) -> bool:
    """Whether the source asks for classes."""
    return getattr(method.source, "labels", "none") != "none"
