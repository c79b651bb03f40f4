"""One run: `distill` a student. A study of one trial, so all that is done with a study can be done with it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfkd_ray import metrics
from dfkd_ray.cli import app, completion, options, printing, running
from dfkd_ray.cli.beginning import introduction
from dfkd_ray.cli.real_images import ImageOptions
from dfkd_ray.cli.subject import Subject, folder_name
from dfkd_ray.tune.options import Options
from dfkd_ray.util import folders, store
from dfkd_ray.util.choices import PAPER
from dfkd_ray.util.errors import ConfigError, GivenUp, StudyError
from dfkd_ray.util.words import share

if TYPE_CHECKING:
    from dfkd_ray.methods.method import Method
    from dfkd_ray.runs.distillation import Distillation
    from dfkd_ray.study import Study
    from dfkd_ray.tune.trials import Trial

Epochs = Annotated[
    int | None, typer.Option(min=1, callback=options.bounded, help="How many.", show_default="the method's")
]
Named = Annotated[
    str,
    typer.Argument(
        metavar="METHOD",
        help="A method by name (see `ls methods`), or a YAML file.",
        autocompletion=completion.methods,
    ),
]
GoingOn = tuple["Distillation", dict[str, Any]]  # the work, and what the ledger's record keeps of it
FromPool = Annotated[
    Path | None,
    typer.Option("--pool", help="Learn from this pool of images (see `pool ls`) in place of the method's own source."),
]


@app.command()
@options.unfolded
def distill(
    method: Named,
    subject: Subject,
    images: ImageOptions,
    how: Options,
    changes: options.Set = None,
    epochs: Epochs = None,
    pool: FromPool = None,
    preset: options.Preset = None,
    seed: options.Seed = 0,
    accept_changes: options.AcceptChanges = False,
) -> None:
    """Teach one student without training data. The same command again goes on where it was stopped.

    --pool is short for --set source='{name: stored, folder: POOL}', which a study may have too, under `fixed`, and for
    no memory, warm-up and source loss beside it.
    """
    from dfkd_ray import datasets
    from dfkd_ray.methods import config
    from dfkd_ray.runs import preparing
    from dfkd_ray.runs.study_file import absolute, absolute_pool
    from dfkd_ray.study.overrides import Overrides

    how = _alone(how)
    name = absolute(method)
    own, asked = config.load(name), absolute_pool(Overrides(subject.assigned(changes), epochs=epochs).fixed)
    on = images.of(subject.chosen(_teacher_of(own, asked), how.weights))
    recipe = preset or PAPER
    own = preparing.in_preset(own, name, recipe, datasets.load(on) if isinstance(on, str) else on)
    fixed = absolute_pool(_from_pool(pool, own, asked))
    stem = Path(method).stem + ("" if recipe == PAPER else f"-{recipe}")
    folder = store.folder_of(how.out or Path("reports") / f"{stem}-{folder_name(on)}-seed{seed}")
    study, work = _study(name, own, on, fixed, seed, folder, how, recipe)
    work.open(work.method, seed, work.runtime, work.runtime.open())  # what does not fit is told before all else
    begun = _begun(study, work, folder, how, accept_changes)
    printing.say("\n".join(introduction(study, work, None if begun is None else folder, preset is None)))
    with options.going_on_with("dfkd-ray", *sys.argv[1:]):
        trial = _run(study, work, folder, how, begun)
    printing.say(ending(trial, running.task_info(work), seed))
    printing.say(f"student, curves and images are in {folders.of_trial(folder, 0)}\npage: {running.page(folder)}")


def _alone(how: Options) -> Options:
    """A run by itself needs no Ray, and may have all threads."""
    how = Options(runner="serial").over(how) if how.runner is None and how.address is None else how
    return replace(how, threads=0) if how.threads is None and how.runner == "serial" else how


def _teacher_of(method: Method, changes: Mapping[str, Any]) -> str | None:
    """The architecture of its teacher, by what is said of that alone: the rest may need the preset."""
    from dfkd_ray.methods import config

    nets = {path: value for path, value in changes.items() if path.partition(".")[0] == "teacher"}
    return config.change(method, nets).teacher.arch


def _from_pool(pool: Path | None, method: Method, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes, after those that leave of a method its student, who learns from a pool."""
    from dfkd_ray.datasets.pools import Pool

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
    """The run as a study of one trial. Its best epoch is chosen by validation accuracy, or where there are no images
    for that by the default data-free metric."""
    from dfkd_ray.methods import config
    from dfkd_ray.runs import preparing
    from dfkd_ray.study import Budget, Objective, Study
    from dfkd_ray.util import yamls

    made = preparing.prepare(config.change(own, fixed), task, how)
    metric = metrics.VAL_ACCURACY if preparing.evaluable(made) else metrics.DATA_FREE
    objective = Objective(metric)
    study = Study(
        study=re.sub(r"[^A-Za-z0-9_-]+", "-", folder.name).strip("-_") or "run",
        method=name,
        preset=preset,
        task=task if isinstance(task, str) else yamls.plain(task),
        objective=(objective,),
        fixed=fixed,
        seed=seed,
        budget=Budget(trials=1),
    )
    return study, replace(made, metric=metric, sign=objective.sign, fixed=fixed, methods={name: own})


def _begun(study: Study, work: Distillation, folder: Path, how: Options, accept: bool) -> GoingOn | None:
    """What there is to go on with, where the folder holds this run; StudyError where it holds anything else.

    What the command itself says otherwise is another run: of seed, task and `--set` no change is accepted.
    """
    from dfkd_ray.tune.copies import refresh
    from dfkd_ray.tune.history import History
    from dfkd_ray.tune.ledger import NAME, read_records

    path = folder / NAME
    refresh(folder)
    if not path.exists():
        if store.of(folder) is None and folder.exists() and any(folder.iterdir()):
            raise StudyError(f"{folder} exists and holds no run: name another folder with --out")
        folder.mkdir(parents=True, exist_ok=True)  # where that cannot be, it is told now
        return None
    records = [] if how.fresh else read_records(path)[0]
    if not records:
        return None
    begun = History(records)
    if not begun.study.one_run:
        raise StudyError(f"{folder} holds a study: name another folder with --out")
    same = all(getattr(begun.study, what) == getattr(study, what) for what in ("seed", "task_name", "preset", "fixed"))
    goal = begun.study.objective[0]  # of a run of before: another data-free metric
    work = replace(work, metric=goal.metric, sign=goal.sign)
    way_on = "name another folder with --out" + (", or go on all the same with --accept-changes" if same else "")
    return running.going_on(folder, begun, study, work, accept and same, way_on)


def _run(study: Study, work: Distillation, folder: Path, how: Options, begun: GoingOn | None) -> Trial:
    """Run to the end, from where it stands; the trial as it ended."""
    from dfkd_ray.runs.experiment import bound
    from dfkd_ray.tune import launch
    from dfkd_ray.tune.history import History
    from dfkd_ray.tune.ledger import NAME, read_records
    from dfkd_ray.tune.observers import live

    # a run in this process has a bar that moves within its epochs: lines above it, and no view that rewrites the screen
    seen = live.Lines() if how.runner == "serial" else live.view()
    if begun is not None:
        work, record = begun
        told = {"provenance": running.session(how), **record}
        summary = launch.resume(folder, lambda history, options: (work, told), how, seen)
    else:
        facts = running.facts(study, work, how)
        summary = launch.start(study, bound(work, facts.experiment), folder, facts, how, seen)
    trial = History(read_records(folder / NAME)[0]).trials[0]
    if summary.best is None:
        raise GivenUp(f"the run failed: {trial.reason}\n(once that is mended: dfkd-ray resume {folder} --failed)")
    return trial


def ending(trial: Trial, info: Mapping[str, Any], seed: int) -> str:
    """What became of a run, and where its synthetic images are far from what the teacher knows."""
    assert trial.last is not None
    told, final = trial.last["metrics"], trial.last["final"]
    return "\n".join([*_far(told[metrics.OUTSIDE]), *_degenerate(told), _tested(told, final, info, seed)])


def _far(outside: float) -> list[str]:
    """A warning where the synthetic images are not what the teacher was trained on."""
    from dfkd_ray.runs import measures

    if outside <= measures.FAR:
        return []
    return [
        f"warning: {share(outside)} of the values of the synthetic images are darker than black or lighter than white,",
        "  and on such images no teacher was trained; source.output: normalised or sigmoid keeps a generator there",
    ]


def _degenerate(told: Mapping[str, float]) -> Iterator[str]:
    """A warning where it is easy to agree on the synthetic images, whatever the student knows."""
    from dfkd_ray.stats import degenerate

    if why := degenerate.reasons(told):
        yield f"warning: the synthetic images are degenerate ({', '.join(why)}): an agreement on them says nothing"


def _tested(told: Mapping[str, float], final: Mapping[str, float], info: Mapping[str, Any], seed: int) -> str:
    tested = {"last": final.get(metrics.TEST_LAST), "best": final.get(metrics.TEST_BEST)}
    if tested["last"] is None:
        agree = f"agreement with the teacher {share(told[metrics.AGREEMENT])} on held-out synthetic images"
        return f"{agree} (seed {seed}); no real images to evaluate on: give --data"
    teacher = info["teacher"]["test_accuracy"]
    beside = f", teacher {share(teacher)}" if teacher is not None else ""
    best = f", {share(tested['best'])} at epoch {int(final[metrics.BEST_EPOCH])}, the best by validation"
    context = f"seed {seed}; chance {share(info['chance'])}{beside}"
    chosen = best if metrics.VAL_ACCURACY in told else ""
    return f"test accuracy {share(tested['last'])} at the last epoch{chosen} ({context})"
