"""The commands as functions: they run exactly what the command line runs, and return what it leaves.

What they raise are the project's errors (`dfkd_ray.util.errors`), and after Ctrl-C a KeyboardInterrupt. Messages name
options as the command line does: `--trials` is the keyword `trials`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfkd_ray.api import keywords
from dfkd_ray.api.given import Asked, document
from dfkd_ray.runs.audience import Audience
from dfkd_ray.study import Study
from dfkd_ray.study.overrides import Overrides
from dfkd_ray.tune.observers import Observer
from dfkd_ray.tune.options import Options
from dfkd_ray.util.errors import ConfigError, GivenUp, StudyError
from dfkd_ray.util.registry import did_you_mean

if TYPE_CHECKING:
    from dfkd_ray.api.results import Results
    from dfkd_ray.datasets import Task
    from dfkd_ray.runs.distillation import Distillation
    from dfkd_ray.runs.running import Plan
    from dfkd_ray.tune import Summary

QUIET = Audience(say=lambda line: None, warn=lambda line: None, watching=lambda lines: Observer())


def sweep(study: Asked, *, quiet: bool = False, **options: Any) -> Results:
    """Search a study's space.

    Args:
        study: the name of a shipped study, the path of a file, a mapping as such a file has it, or a `Study`.
        quiet: say nothing while it runs.
        options: those of `dfkd-ray sweep`, as keywords: `runner="serial"`, `trials=4`, `epochs=2`, `out="here"`;
            `changes={"schedule.batch": 32}` for `--set`, `go_on=True` for `--continue`.

    Returns:
        What the study left, also where some trials failed.

    Raises:
        ConfigError: with all mistakes of the study.
        StudyError: if the folder holds a study already (see `resume`), or it is an ablation.
        GivenUp: if no trial is complete.
    """
    how, made, work = _checked(study, options)
    if made.ablation is not None:
        raise StudyError(f"{made.study} is an ablation: dfkd_ray.ablate runs it")
    return _run(made, work, how, quiet)


def ablate(study: Asked, *, quiet: bool = False, **options: Any) -> Results:
    """Run a designed experiment: every arm with the same seeds; its effects are in `.effects`.

    Args:
        study: as `sweep` takes it, with components or arms.
        quiet: say nothing while it runs.
        options: those of `dfkd-ray ablate`, as keywords: `seeds=3`, `until="told"`, `runner="serial"`.

    Returns:
        What the study left, also where some trials failed.

    Raises:
        ConfigError: with all mistakes of the study.
        StudyError: if the folder holds a study already (see `resume`), or it is a sweep.
        GivenUp: if no trial is complete.
    """
    how, made, work = _checked(study, options)
    if made.ablation is None:
        raise StudyError(f"{made.study} is a sweep: dfkd_ray.sweep runs it")
    return _run(made, work, how, quiet)


def plan(study: Asked, *, earlier: Sequence[str | Path] = (), **options: Any) -> Plan:
    """Say what a study will run, cost and be able to tell, from a probe of a few steps; launches nothing.

    Args:
        study: as `sweep` and `ablate` take it.
        earlier: folders of studies that tell how far trials scatter; else all beside its own.
        options: those of `dfkd-ray plan`, as keywords.

    Raises:
        ConfigError: with all mistakes of the study.
    """
    from dfkd_ray.runs import running

    how, made, work = _checked(study, options)
    with _threads_as_before():
        return running.planned(made, work, how, [*map(Path, earlier)])


def resume(
    folder: str | Path,
    *,
    trials: int | None = None,
    hours: float | None = None,
    failed: bool = False,
    accept_changes: bool = False,
    quiet: bool = False,
    **options: Any,
) -> Results:
    """Go on with a study or a run that was interrupted; nothing finished is run again.

    Args:
        folder: of the study, or its URI in a store.
        trials: of a sweep, in all, in place of its budget's.
        hours: likewise.
        failed: run trials that failed again.
        accept_changes: go on though method, teacher, task or images are others, and mark each later trial.
        quiet: say nothing while it runs.
        options: those of `dfkd-ray resume`, as keywords; what is not said is as it was.

    Raises:
        StudyError: if there is none, or it cannot be gone on with.
        GivenUp: if no trial is complete.
    """
    from dfkd_ray.runs import running

    how, to = keywords.made(Options, options), _audience(quiet)
    budget = keywords.made(Overrides, {"trials": trials, "hours": hours})
    with _threads_as_before():
        return _left(running.resume(str(folder), how, accept_changes, to, failed, budget), to)


def distill(
    method: str | Path | Mapping[str, Any],
    task: str | Path | Task | None = None,
    *,
    seed: int = 0,
    epochs: int | None = None,
    preset: str | None = None,
    changes: Mapping[str, Any] | None = None,
    pool: str | Path | None = None,
    teacher_arch: str | None = None,
    student_arch: str | None = None,
    teacher: Mapping[str, Any] | None = None,
    images: Mapping[str, Any] | None = None,
    accept_changes: bool = False,
    quiet: bool = False,
    **options: Any,
) -> Results:
    """Teach one student without training data; the same call again goes on where it was stopped.

    Args:
        method: by name, the path of a YAML file, or a mapping as such a file has it.
        task: by name, a YAML file or `folder:PATH`; the one that ships where neither it nor `weights` is given.
        seed: of initial weights and of all noise.
        epochs: how many; else the method's.
        preset: a recipe at a budget, such as `laptop`.
        changes: paths of the method and their values: `{"schedule.batch": 32}`.
        pool: images on the disk to learn from in place of the method's own source.
        teacher_arch: short for the change `teacher.arch`.
        student_arch: short for the change `student.arch`.
        teacher: what is to be said of a teacher that comes without a task, in the file `weights`, as far as its card
            does not: classes, size, channels, mean, std.
        images: how real images are read for evaluation: skip_damaged, hold_out, shares.
        accept_changes: go on though method, teacher, task or images are others than when the run was begun.
        quiet: say nothing while it runs.
        options: the others of `dfkd-ray distill`, as keywords: `weights=...`, `data=...`, `device="cpu"`, `out=...`.

    Raises:
        ConfigError: with what does not fit.
        DataError: if a teacher or images are missing, damaged or of another shape.
        StudyError: if the folder holds another run.
        GivenUp: if the run failed.
    """
    from dfkd_ray.api import results
    from dfkd_ray.runs import solo, subject

    how, to = keywords.made(Options, options), _audience(quiet)
    stated = _stated("teacher", teacher, ("classes", "size", "channels", "mean", "std"))
    reading = _stated("images", images, ("skip_damaged", "hold_out", "shares"))

    def find(arch: str | None, weights: Path | None) -> str | Task:
        on = str(task) if isinstance(task, Path) else task
        return subject.of_images(subject.chosen(on, arch, weights, to.say, **stated), **reading)

    nets = {"teacher.arch": teacher_arch, "student.arch": student_arch}
    said = {"changes": subject.with_nets(changes or {}, nets), "epochs": epochs, "preset": preset}
    asked = keywords.made(Overrides, said)
    own, named = None if pool is None else Path(pool), str(method) if isinstance(method, Path) else method
    with _threads_as_before():
        folder = solo.distill(named, find, how, to, asked, pool=own, seed=seed, accept=accept_changes)
    return results.load(folder)


def _stated(name: str, said: Mapping[str, Any] | None, known: Sequence[str]) -> Mapping[str, Any]:
    """What is said of a teacher, or of images; ConfigError for what cannot be said."""
    for key in said or {}:
        if key not in known:
            raise ConfigError.at(name, f"no such key {key!r}{did_you_mean(key, known)}")
    return said or {}


def _checked(study: Asked, said: Mapping[str, Any]) -> tuple[Options, Study, Distillation]:
    from dfkd_ray.runs.study_file import absolute, open_document

    how, overrides = keywords.split(said)
    if overrides.task is not None:
        overrides = replace(overrides, task=absolute(overrides.task))
    return how, *open_document(overrides.over(document(study)), how)


def _run(study: Study, work: Distillation, how: Options, quiet: bool) -> Results:
    from dfkd_ray.runs import running

    to = _audience(quiet)
    with _threads_as_before():
        return _left(running.start(study, work, how, to), to)


def _left(summary: Summary, to: Audience) -> Results:
    """What a study left; GivenUp where that is nothing."""
    from dfkd_ray.api import results
    from dfkd_ray.runs import outcome

    lacking = outcome.lacking(summary)
    if lacking is not None and not summary.complete:
        raise GivenUp(lacking)
    if lacking is not None:
        to.say(lacking)
    return results.load(summary.folder)


def _audience(quiet: bool) -> Audience:
    return QUIET if quiet else Audience()


@contextmanager
def _threads_as_before() -> Iterator[None]:
    """A run in this process sets torch's threads; whoever called it finds them as they were."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
