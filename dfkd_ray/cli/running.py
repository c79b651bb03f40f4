"""From a study file to the end of its study: what the commands that run or plan a study share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dfkd_ray.cli import options, outcome
from dfkd_ray.util import shipped

if TYPE_CHECKING:
    from dfkd_ray.runs.distillation import Distillation
    from dfkd_ray.study import Study
    from dfkd_ray.tune.duplicates import Duplicates


def checked(file: str, data: Path | None, weights: Path | None) -> tuple[Study, Distillation]:
    """A study by file or name, and its work; ConfigError with all mistakes."""
    from dfkd_ray.runs.study_file import open_study

    return open_study(shipped.study_file(file), options.absolute(data), weights)


def planned(study: Study, work: Distillation, concurrency: int | None) -> Iterator[str]:
    """The plan, from a probe of a few steps, in lines."""
    import torch

    from dfkd_ray.methods import config
    from dfkd_ray.runs import planning
    from dfkd_ray.runs.probe import probe

    schedule, gpus = config.parse(work.method).schedule, torch.cuda.device_count()
    known = duplicates(study, work)
    each = arms_cost(study, work, known)
    cost = None if each else probe(work, study.resources.threads, study.seed)
    yield from planning.describe(study, schedule, cost, concurrency, spread(study), known, gpus, each)


def arms_cost(study: Study, work: Distillation, known: Duplicates | None) -> dict[str, float]:
    """Seconds of a trial of each arm that is run, where arms differ in method or schedule; else nothing."""
    from dfkd_ray.methods import config
    from dfkd_ray.runs.probe import probe

    if study.ablation is None or known is None:
        return {}
    left = {*known.alike, *known.refused}
    methods = {arm.name: work.resolve(arm.changes) for arm in study.ablation.arms if arm.name not in left}
    named = any("method" in arm.changes for arm in study.ablation.arms)
    if not named and len({method.schedule for method in methods.values()}) < 2:
        return {}
    own = {name: replace(work, method=config.plain(method)) for name, method in methods.items()}
    threads = study.resources.threads
    return {name: probe(own[name], threads, study.seed).trial(method.schedule) for name, method in methods.items()}


def duplicates(study: Study, work: Distillation) -> Duplicates | None:
    """Which arms of an ablation are one method, and which are none; None of a sweep."""
    from dfkd_ray.tune.duplicates import find_duplicates

    return None if study.ablation is None else find_duplicates(study.ablation.arms, work.fingerprint)


def spread(study: Study) -> tuple[float, str] | None:
    """How far earlier ablations under reports/ scattered, the study's own first; None of a sweep."""
    from dfkd_ray.tune import earlier

    if study.ablation is None:
        return None
    own = Path("reports") / study.study
    others = sorted(path.parent for path in Path("reports").glob("*/trials.arrow") if path.parent != own)
    found = earlier.measured(study, [own, *others])
    return None if found is None else (found[0], f"measured in {found[1]}")


def start(study: Study, work: Distillation, how: options.Running, **more: Any) -> None:
    """Run a study to its end and say what came of it; `more` is for `sweep.launch.start`."""
    from dfkd_ray.runs import distillation
    from dfkd_ray.tune import launch, live
    from dfkd_ray.util.provenance import provenance

    folder = how.out or Path("reports") / study.study
    teacher = work.task.teacher.file  # also where it was found: who resumes may stand elsewhere
    facts = provenance(data=options.absolute(how.data), weights=options.absolute(teacher))
    facts["reuse"] = [options.absolute(path) for path in more.get("reuse", ())]
    chosen = {**how.chosen, **more}
    typer.echo(outcome.opening(study, folder, duplicates(study, work)))
    if how.weights is None and teacher is not None:
        typer.echo(f"the teacher is {teacher}")
    with options.going_on_with("dfkd-ray", "resume", str(folder)), live.view() as view:
        summary = launch.start(study, work, folder, facts, distillation.task_info(work), view=view, **chosen)
    outcome.close(summary, work)
