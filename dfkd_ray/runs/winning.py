"""Which trials have won, as a terminal says it: the best one, or the front, and what each has reached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dfkd_ray import metrics
from dfkd_ray.util import words
from dfkd_ray.util.words import for_terminal

if TYPE_CHECKING:
    from dfkd_ray.datasets import Task
    from dfkd_ray.tune import Summary
    from dfkd_ray.tune.trials import Trial

_ON_THE_FRONT = 20  # trials that are listed


def chance(task: Task) -> float | None:
    """How often a network is right that knows nothing, where that is known: of classes."""
    return 1 / len(task.classes) if task.targets == "classes" else None


def winners(summary: Summary, chance: float | None) -> Iterator[str]:
    """The best trial with its settings, after what confirmed it; of several objectives the front, after the trial that
    is taken of it where one is asked for."""
    from dfkd_ray.report import confirmed

    best = summary.best
    yield from map(for_terminal, confirmed.sentences(summary.confirmed))
    if best is not None:
        reached = next(values for trial, values in summary.front if trial.number == best.number)
        how = "best" if len(reached) == 1 else f"where one trial is asked for ({taken(summary)})"
        how = "in the search" if summary.confirmed.get("complete") else how
        yield f"{how}: trial {best.number}, {whose(best.seed, best.over)}, {scores_line(best, reached, chance)}"
        for path, value in best.changes.items():
            yield f"  {path} = {value:.4g}" if isinstance(value, float) else f"  {path} = {value}"
    if any(len(values) > 1 for _, values in summary.front):
        yield from front_lines(summary.front, summary.knee)
    if best is None and summary.front:
        yield f"none of them is taken where one trial is asked for: `best` wants {summary.pick}"


def taken(summary: Summary) -> str:
    """The rule by which one trial of a front is taken."""
    gone = " but the front has none, so first" if summary.pick.rule == "knee" and summary.knee is None else ""
    return f"best: {summary.pick}{gone}"


def front_lines(front: Sequence[tuple[Trial, Mapping[str, float]]], knee: int | None) -> Iterator[str]:
    """The front: the numbers of its trials and their objectives, as many as a terminal shows."""
    yield f"the front, {words.counted(len(front), 'trial')} that no other dominates:"
    for trial, values in front[:_ON_THE_FRONT]:
        mark = " (the knee)" if trial.number == knee else ""
        errors: Sequence[float | None] = trial.errors or [None] * len(values)
        yield f"  trial {trial.number}{mark}: {', '.join(told(*each) for each in zip(values, values.values(), errors))}"
    if len(front) > _ON_THE_FRONT:
        yield f"  and {len(front) - _ON_THE_FRONT} more, all on the page"


def better_before(summary: Summary, note: Mapping[str, Any]) -> Iterator[str]:
    """That an earlier study which the sampler knew has a better trial: it is none of this one's, and has not won."""
    best, objectives = summary.best, note["study"]["objective"]
    first = objectives[0] if isinstance(objectives, list) else objectives
    sign = 1.0 if first["mode"] == "max" else -1.0
    for each in note.get("earlier", ()):
        if each["best"] is None or (best is not None and best.values and sign * (each["best"] - best.values[0]) <= 0):
            continue
        reached = told(first["metric"], each["best"])
        yield f"{each['folder']}, which the sampler knew, has a better one ({reached}): run it here with `start:`"


def whose(seed: int, over: int) -> str:
    """A trial's seed, or how many it is the mean of."""
    return f"seed {seed}" if over == 1 else f"mean of {over} seeds ± standard error"


def told(metric: str, value: float | None, error: float | None = None) -> str:
    """A metric by its name, and its value as the page prints it."""
    return f"{metric} {value_of(metric, value, error)}"


def value_of(metric: str, value: float | None, error: float | None = None) -> str:
    """A metric's value as the page prints it, with its standard error where it has one."""
    return for_terminal(metrics.give_or_take(metric, value, error))


def scores_line(trial: Trial, reached: Mapping[str, float], chance: float | None) -> str:
    """What a trial reached in every objective, then its accuracies, as far as they are known."""
    if trial.over > 1:
        return ", ".join(_means(trial, reached, chance))
    last, final = (trial.last or {}).get("metrics", {}), trial.final
    when = {name: "last" if last.get(name) == value else "best" for name, value in reached.items()}
    at = {name: "" if name in metrics.COSTS else f" at the {when[name]} epoch" for name in reached}
    parts = [f"{told(name, value)}{at[name]}" for name, value in reached.items()]
    quality = metrics.quality({**last, **final})
    if quality.val in last and quality.val not in reached:
        parts.append(f"{told(quality.val, last[quality.val])} at the last epoch")
    if (tested := final.get(quality.test_last)) is not None:
        beside = "" if chance is None else f" (chance {words.share(chance)})"
        parts.append(f"test {value_of(quality.test_last, tested)} at the last epoch")
        parts.append(
            f"{value_of(quality.test_best, final.get(quality.test_best))} at the best by {next(iter(reached))}{beside}"
        )
    elif quality.val not in last:
        parts.append("no real images to evaluate on")
    return ", ".join(parts)


def _means(trial: Trial, reached: Mapping[str, float], chance: float | None) -> Iterator[str]:
    """The same of a setting with several seeds: means over them."""
    for place, (name, value) in enumerate(reached.items()):
        yield told(name, value, trial.errors[place] if trial.errors else None)
    name = metrics.quality(trial.final).test_last
    if (tested := trial.final.get(name)) is not None:
        beside = "" if chance is None else f" (chance {words.share(chance)})"
        yield f"test {value_of(name, tested)} on average at the last epochs{beside}"
