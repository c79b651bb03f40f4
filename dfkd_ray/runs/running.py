"""From a study file to the end of its study: what commands and functions that run or plan a study share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfkd_ray.runs import outcome
from dfkd_ray.runs.audience import Audience
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.ray_setup import in_a_job
from dfkd_ray.util import shipped, store
from dfkd_ray.util.errors import ConfigError, StudyError

if TYPE_CHECKING:
    from dfkd_ray.methods.method import Method
    from dfkd_ray.runs.distillation import Distillation
    from dfkd_ray.runs.editing import Edits
    from dfkd_ray.study import Study
    from dfkd_ray.study.overrides import Overrides
    from dfkd_ray.tune import Summary
    from dfkd_ray.tune.duplicates import Duplicates
    from dfkd_ray.tune.history import History
    from dfkd_ray.tune.launch import StudyFacts


def checked(file: str, how: Options, overrides: Overrides | None = None) -> tuple[Study, Distillation]:
    """A study by file or name, and its work; ConfigError with all mistakes."""
    from dfkd_ray.runs.study_file import open_study
    from dfkd_ray.study.overrides import NO_OVERRIDES
    from dfkd_ray.tune.launch import check_share

    study, work = open_study(shipped.study_file(file), how, overrides or NO_OVERRIDES)
    check_share(study, how)
    return study, work


@dataclass(frozen=True)
class Plan:
    """What a study will run and cost. seconds: of a trial, of an ablation by its arms where these differ; None: nothing
    could be measured."""

    lines: Sequence[str]
    seconds: Mapping[str, float] | float | None

    def __str__(self) -> str:
        """As `dfkd-ray plan` says it."""
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def plain(self, study: Study) -> dict[str, Any]:
        """The same as plain data."""
        arms = None if study.ablation is None else [arm.name for arm in study.ablation.arms]
        told = {"study": study.study, "question": study.question, "method": study.method_name}
        told |= {"task": study.task_name, "preset": study.preset}
        counts = {"trials": study.trials, "hours": study.budget.hours, "arms": arms, "searched": [*study.search]}
        seeds = {"seeds": list(study.seeds), "trials_in_all": study.in_all} if study.seeds else {}
        return {**told, **counts, **seeds, "seconds_a_trial": self.seconds, "lines": list(self.lines)}


def planned(study: Study, work: Distillation, how: Options, earlier: Sequence[Path] = ()) -> Plan:
    """The plan, from a probe of a few steps where the trials will run; `earlier`: the studies that tell how far trials
    scatter, else those beside its own folder."""
    from dfkd_ray.runs import planning, sizing, telling
    from dfkd_ray.tune.earlier import beside

    told = beside(folder_of(study, how), earlier)
    known = duplicates(study, work)
    arms = lone_arms(study, work, known)
    works = [replace(work, method=method) for method in arms.values()] or [work]
    asked = how.resources(study.resources)
    at_once = asked.fuse if how.runner == "serial" else how.concurrency
    count = asked.threads if work.options.threads is None else work.options.threads
    place, share, costs = sizing.measure(works, asked, count, study.seed, how)
    each = {} if costs is None else {arm: cost.trial(arms[arm].schedule) for arm, cost in zip(arms, costs)}
    cost = costs[0] if costs and not arms else None
    settled, schedule = replace(study, resources=share), work.method.schedule
    about = (telling.spread(study, told), known, place, each, telling.noise(study, told))
    lines = [*planning.describe(settled, schedule, cost, at_once, *about)]
    if costs is None and (why := place.misfit(share)):
        lines.append(f"{why}; nothing was measured")
    return Plan(lines, each or (None if cost is None else cost.trial(schedule)))


def folder_of(study: Study, how: Options) -> Path:
    return store.folder_of(how.out or Path("reports") / study.study)


def lone_arms(study: Study, work: Distillation, known: Duplicates | None) -> dict[str, Method]:
    """The method of each arm that is run, where arms differ in method or schedule; else nothing."""
    if study.ablation is None or known is None:
        return {}
    left = {*known.alike, *known.refused}
    methods = {arm.name: work.resolve(arm.changes) for arm in study.ablation.arms if arm.name not in left}
    named = any("method" in arm.changes for arm in study.ablation.arms)
    if not named and len({method.schedule for method in methods.values()}) < 2:
        return {}
    return methods


def duplicates(study: Study, work: Distillation) -> Duplicates | None:
    """Which arms of an ablation are one method, and which are none; None of a sweep."""
    from dfkd_ray.tune.duplicates import find_duplicates

    return None if study.ablation is None else find_duplicates(study.ablation.arms, work.fingerprint)


def facts(study: Study, work: Distillation, how: Options) -> StudyFacts:
    """What the ledger keeps of a study beside its file."""
    from dfkd_ray.methods import config
    from dfkd_ray.runs.experiment import CODE, SAMPLER, experiment
    from dfkd_ray.runs.preparing import task_info
    from dfkd_ray.tune.launch import StudyFacts

    methods = {name: config.plain(method) for name, method in work.methods.items()}
    made = experiment(study, work)
    digests = {what: part["digest"] for what, part in made["parts"].items()}
    decides = {what: digest for what, digest in digests.items() if what.startswith(("the task", "the images"))}
    code = {  # but the sampler's, which decides what is tried and not what comes of it
        what.removeprefix(CODE): digest for what, digest in digests.items() if what.startswith(CODE) and what != SAMPLER
    }
    session_ = session(work.options, how.runner)
    if (sampler := made["parts"].get(SAMPLER)) is not None:
        session_["sampler"] = f"{sampler['said']}, {sampler['digest'][:12]}"
    own = {"digests": decides, "precision": work.runtime.precision, "code": code}
    return StudyFacts(session_, {**task_info(work), **own}, methods, made)


def session(how: Options, runner: str | None = None) -> dict[str, Any]:
    """Versions, host, command and plug-ins of what is run now."""
    from dfkd_ray.runs import plugins
    from dfkd_ray.util.provenance import provenance

    own = {"plugins": plugins.facts(how.plugin)} if how.plugin else {}
    return provenance(runner=runner or how.runner or "ray", **own)


def start(study: Study, work: Distillation, how: Options, to: Audience) -> Summary:
    """Run a study to its end and say what came of it."""
    from dfkd_ray.runs import editing
    from dfkd_ray.runs.experiment import bound
    from dfkd_ray.tune import launch

    folder, teacher = folder_of(study, how), work.task.teacher.file
    if in_a_job() and not (folder.is_absolute() or store.of(folder) is not None):
        way_on = "say --out with an absolute path on a disk that stays, or a URI"
        raise StudyError(f"{folder} would go with this Ray job: {way_on}")
    if how.go_on and how.fresh:
        raise ConfigError.at("--continue", "goes on with what --fresh moves aside")
    if not how.fresh and (held := editing.holding(folder)) is not None:
        edits = editing.by_file(folder, study, work)
        if edits(held) is None and not how.go_on:
            raise launch.held_already(folder, held.finished and study.ablation is None)
        how = replace(how, out=None, go_on=False, track=how.track or study.track)
        return resume(folder, how, accept_changes=False, to=to, edits=edits)
    how = replace(how, weights=how.weights or teacher)  # also where it was found: who resumes may stand elsewhere
    to.say(outcome.announcement(study, folder, duplicates(study, work), work.method.schedule))
    if work.options.weights is None and teacher is not None:
        to.say(f"the teacher is {teacher}")
    told = facts(study, work, how)
    borrowed = editing.borrowing(study, how.reuse, told.task, work)
    for line in borrowed.told:
        to.say(line)
    work = bound(work, told.experiment)
    with to.going_on("dfkd-ray", "resume", store.place_of(folder)), to.beside(folder):
        earlier = borrowed.records
        summary = launch.start(borrowed.study, work, folder, told, how, to.watching(False), earlier=earlier)
    for line in outcome.closing(summary, work):
        to.say(line)
    return summary


def resume(
    place: str | Path,
    how: Options,
    accept_changes: bool,
    to: Audience,
    failed: bool = False,
    budget: Overrides | None = None,
    edits: Edits | None = None,
) -> Summary:
    """Go on with the study in a folder, by path or URI, with what its ledger says; what is said now holds over it.
    failed: trials that failed are run again. budget: in place of its own. edits: what its file says now."""
    from dfkd_ray.runs import editing, plugins
    from dfkd_ray.tune import launch

    made: list[Distillation] = []

    def make(history: History, options: Options) -> tuple[Distillation, dict[str, Any]]:
        changes = edits or editing.by_budget(folder, budget)
        work, lines = editing.taken_up(folder, history, changes, options, how.reuse)
        work, record = going_on(folder, history, history.study, work, accept_changes, to)
        for line in lines:
            to.say(line)
        made.append(work)
        return work, {"provenance": session(options), **record}

    if how.out is not None or how.fresh or how.go_on:
        raise StudyError(f"resume goes on in {place}: --out, --fresh and --continue are for `sweep` and `ablate`")
    folder = store.existing(place)
    how = replace(how, plugin=plugins.recorded(folder, how.plugin))
    plugins.load(how.plugin)
    with to.going_on("dfkd-ray", "resume", store.place_of(folder)), to.beside(folder):
        summary = launch.resume(folder, make, how, to.watching(False), failed=failed)
    for line in outcome.closing(summary, made[0]):
        to.say(line)
    return summary


def going_on(
    folder: Path, history: History, study: Study, work: Distillation, accept: bool, to: Audience, *way_on: str
) -> tuple[Distillation, dict[str, Any]]:
    """See `experiment.go_on`; says what is another than it was."""
    from dfkd_ray.runs.experiment import go_on, versions
    from dfkd_ray.tune.differences import other_versions

    work, record = go_on(folder, history, study, work, accept, *way_on)
    if others := other_versions(history.begun, {"versions": versions()}):
        to.warn(f"warning: {folder} was begun with other versions ({others})")
    if changed := record.get("changed", history.changed):
        to.say(f"every trial from here on is marked, since it is run with other inputs: {changed}")
    return work, record
