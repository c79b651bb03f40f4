"""One run: a study of one trial, so all that is done with a study can be done with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfkd_ray import datasets, metrics, report
from dfkd_ray.datasets import Task
from dfkd_ray.datasets.pools import Pool
from dfkd_ray.methods import config
from dfkd_ray.methods.method import Method
from dfkd_ray.runs import measures, plugins, preparing, running
from dfkd_ray.runs.audience import Audience
from dfkd_ray.runs.beginning import introduction
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.runs.experiment import bound
from dfkd_ray.runs.study_file import absolute, absolute_pool
from dfkd_ray.runs.subject import folder_name
from dfkd_ray.stats import degenerate
from dfkd_ray.study import Budget, Objective, Study
from dfkd_ray.study.overrides import Overrides
from dfkd_ray.tune import launch
from dfkd_ray.tune.copies import publish, refresh
from dfkd_ray.tune.history import History
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.trials import Trial
from dfkd_ray.util import folders, store, yamls
from dfkd_ray.util.choices import PAPER
from dfkd_ray.util.errors import ConfigError, GivenUp, StudyError
from dfkd_ray.util.words import share, typed

GoingOn = tuple[Distillation, dict[str, Any]]  # the work, and what the ledger's record keeps of it
Found = Callable[[str | None, Path | None], str | Task]  # of the teacher's net and its weights, as far as they are said


def distill(
    method: str | Mapping[str, Any],
    find: Found,
    how: Options,
    to: Audience,
    asked: Overrides,
    *,
    pool: Path | None = None,
    seed: int = 0,
    accept: bool = False,
) -> Path:
    """Teach one student on the task that is found for its teacher, or go on where it was stopped; its folder.

    method: by name or file, or as `config.plain` has one. asked: what is said over the method. pool: images on the disk
    that take the place of the method's own source.
    accept: go on though method, teacher, task or images are others than they were.
    """
    plugins.load(how.plugin)
    changes = absolute_pool(asked.fixed)
    name, own = _named(method)
    on = find(_teacher_of(own, changes), how.weights)
    recipe = asked.preset or PAPER
    own = preparing.in_preset(own, name, recipe, datasets.load(on) if isinstance(on, str) else on)
    fixed = absolute_pool(_from_pool(pool, own, changes))
    stem = Path(name).stem + ("" if recipe == PAPER else f"-{recipe}")
    folder = store.folder_of(how.out or Path("reports") / f"{stem}-{folder_name(on)}-seed{seed}")
    held = _held(folder, how.fresh)
    how = alone(how if held is None else how.over(Options.of(held.options)))
    study, work = _study(name, own, on, fixed, seed, folder, how, recipe)
    work.open(work.method, seed, work.runtime, work.runtime.open())  # what does not fit is told before all else
    folder.mkdir(parents=True, exist_ok=True)  # where that cannot be, it is told now
    begun = None if held is None else _begun(held, study, work, folder, accept, to)
    for line in introduction(study, work, None if begun is None else folder, asked.preset is None):
        to.say(line)
    with to.going_on("dfkd-ray", "resume", store.place_of(folder)):
        trial = _run(study, work, folder, how, begun, to)
    to.say(ending(trial, preparing.task_info(work), seed))
    to.say(f"student, curves and images are in {folders.of_trial(folder, 0)}\npage: {report.build(folder)}")
    publish(folder)
    return folder


def _named(method: str | Mapping[str, Any]) -> tuple[str, Method]:
    """A method and what it is called; one that has no name by what it is, so that its run is found again."""
    if isinstance(method, str):
        return absolute(method), config.load(absolute(method))
    own = config.parse(method)
    return f"method-{config.fingerprint(own)[:8]}", own


def alone(how: Options) -> Options:
    """A run by itself needs no Ray, and may have all threads."""
    how = Options(runner="serial").over(how) if how.runner is None and how.address is None else how
    return replace(how, threads=0) if how.threads is None and how.runner == "serial" else how


def _teacher_of(method: Method, changes: Mapping[str, Any]) -> str | None:
    """The architecture of its teacher, by what is said of that alone: the rest may need the preset."""
    nets = {path: value for path, value in changes.items() if path.partition(".")[0] == "teacher"}
    return config.change(method, nets).teacher.arch


def _from_pool(pool: Path | None, method: Method, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes, after those that leave of a method its student, who learns from a pool."""
    if pool is None:
        return changes
    if "source" in changes:
        raise ConfigError.at("--set", "source is given twice: --pool says it too")
    plan = method.schedule
    return {
        "source": {"name": "stored", "folder": str(pool.resolve()), "digest": Pool.open(pool).digest},
        "source_loss": {},
        "memory": "fresh",
        "schedule.warmup": 0,
        "schedule.rehearse_every": 0,
        "schedule.source_epochs": None,
        "schedule.epochs": plan.epochs - plan.warmup,
        **changes,
    }


def _study(
    name: str, own: Method, task: Any, fixed: Mapping[str, Any], seed: int, folder: Path, how: Options, preset: str
) -> tuple[Study, Distillation]:
    """The run as a study of one trial. Its best epoch is chosen by validation accuracy, or what the task has in its
    place, and where there are no images for that by the default data-free metric."""
    made = preparing.prepare(config.change(own, fixed), task, how)
    metric = metrics.QUALITY[made.task.targets].val if preparing.evaluable(made) else metrics.DATA_FREE
    study = Study(
        study=re.sub(r"[^A-Za-z0-9_-]+", "-", folder.name).strip("-_") or "run",
        method=name,
        preset=preset,
        task=task if isinstance(task, str) else yamls.plain(task),
        objective=(Objective(metric),),
        fixed=fixed,
        seed=seed,
        budget=Budget(trials=1),
    )
    return study, preparing.judged(made, study, fixed=fixed, methods={name: own})


def _held(folder: Path, fresh: bool) -> History | None:
    """The run that a folder holds, to go on with; StudyError where it holds anything else."""
    refresh(folder)
    if not (path := folder / NAME).exists():
        if store.of(folder) is None and folder.exists() and any(folder.iterdir()):
            raise StudyError(f"{folder} exists and holds no run: name another folder with --out")
        return None
    records = [] if fresh else read_records(path)[0]
    if not records:
        return None
    if not (held := History(records)).study.one_run:
        raise StudyError(f"{folder} holds a study: name another folder with --out")
    return held


def _begun(held: History, study: Study, work: Distillation, folder: Path, accept: bool, to: Audience) -> GoingOn:
    """What there is to go on with, where the run that was begun is this one; StudyError where it is another.

    What the command itself says otherwise is another run: of seed, task, `--set` and precision no change is accepted.
    """
    preparing.in_one_precision(held, work)
    same = all(getattr(held.study, what) == getattr(study, what) for what in ("seed", "task_name", "preset", "fixed"))
    work = preparing.judged(work, held.study)  # of a run of before: another data-free metric
    way_on = "name another folder with --out" + (", or go on all the same with --accept-changes" if same else "")
    return running.going_on(folder, held, study, work, accept and same, to, way_on)


def _run(study: Study, work: Distillation, folder: Path, how: Options, begun: GoingOn | None, to: Audience) -> Trial:
    """Run to the end, from where it stands; the trial as it ended."""
    seen = to.watching(True)  # a bar moves within its epochs: lines above it, and no view that rewrites the screen
    if begun is not None:
        work, record = begun
        told = {"provenance": running.session(how), **record}
        summary = launch.resume(folder, lambda history, options: (work, told), how, seen)
    else:
        facts = running.facts(study, work, how)
        summary = launch.start(study, bound(work, facts.experiment), folder, facts, how, seen)
    trial = History(read_records(folder / NAME)[0]).trials[0]
    if summary.best is None:
        raise GivenUp(
            f"the run failed: {trial.reason}\n(once that is mended: dfkd-ray resume {typed(folder)} --failed)"
        )
    return trial


def ending(trial: Trial, info: Mapping[str, Any], seed: int) -> str:
    """What became of a run, and where its synthetic images are far from what the teacher knows."""
    assert trial.last is not None
    told, final = trial.last["metrics"], trial.last["final"]
    return "\n".join([*_far(told[metrics.OUTSIDE]), *_degenerate(told), _tested(told, final, info, seed)])


def _far(outside: float) -> list[str]:
    """A warning where the synthetic images are not what the teacher was trained on."""
    if outside <= measures.FAR:
        return []
    return [
        f"warning: {share(outside)} of the values of the synthetic images are darker than black or lighter than white,",
        "  and on such images no teacher was trained; source.output: normalised or sigmoid keeps a generator there",
    ]


def _degenerate(told: Mapping[str, float]) -> Iterator[str]:
    """A warning where it is easy to agree on the synthetic images, whatever the student knows."""
    if why := degenerate.reasons(told):
        yield f"warning: the synthetic images are degenerate ({', '.join(why)}): an agreement on them says nothing"


def _tested(told: Mapping[str, float], final: Mapping[str, float], info: Mapping[str, Any], seed: int) -> str:
    quality = metrics.quality(final)
    last, best = final.get(quality.test_last), final.get(quality.test_best)
    if last is None:
        agreement = told.get(metrics.AGREEMENT)
        agree = f"correlation with the teacher {told[metrics.CORRELATION]:.3f}"
        agree = agree if agreement is None else f"agreement with the teacher {share(agreement)}"
        return f"{agree} on held-out synthetic images (seed {seed}); no real images to evaluate on: give --data"
    known = {"chance": info["chance"], "teacher": info["teacher"]["test_accuracy"]}
    beside = [f"{name} {share(value)}" for name, value in known.items() if value is not None]
    context = "; ".join(filter(None, [f"seed {seed}", ", ".join(beside)]))
    at_best = f", {share(best or 0)} at epoch {int(final[metrics.BEST_EPOCH])}, the best by validation"
    chosen = at_best if quality.val in told else ""
    return f"test {quality.said} {share(last)} at the last epoch{chosen} ({context})"
