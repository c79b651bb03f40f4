"""What became of a study, as its history has it, for whoever tells of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dfkd_ray.stats import degenerate
from dfkd_ray.study.pick import FIRST, Pick
from dfkd_ray.tune import by_setting
from dfkd_ray.tune.confirm import confirmed
from dfkd_ray.tune.history import History
from dfkd_ray.tune.trials import Trial, outside


@dataclass(frozen=True)
class Summary:
    """What became of a study. `best`: the best complete trial, None if there is none; of several objectives the one
    that is taken by the rule `pick`.

    front: all that no complete trial dominates (of one objective: `best`), each with its objectives by metric. knee:
    which of them is its knee, None where it has none.
    degenerate: of complete trials that are, why; they are kept from winning where `guarded`.
    proposed_by: how many trials the sampler's model proposed, and how many were drawn at random before; see Proposal.
    outside: of complete trials that do not keep to their constraints, which.
    repeats: proposals that were run already, and were not run again. exhausted: there are no other settings to try.
    searched: how many settings the sampler has proposed. settings: where each has several seeds, how many of them stand
    how, see `Seeded.state`; spared: how many trials were left out of these.
    confirmed: what fresh seeds say of the winner, see tune/confirm.py; `best` is then the trial of the setting that
    came out first.
    """

    study: str
    folder: Path
    complete: int
    pruned: int
    failed: int
    running: int
    finished: bool
    best: Trial | None
    seconds: float
    ablation: bool = False
    front: Sequence[tuple[Trial, Mapping[str, float]]] = ()
    degenerate: Mapping[int, Sequence[str]] = field(default_factory=dict)
    guarded: bool = False
    proposed_by: Mapping[str, int] = field(default_factory=dict)
    outside: Mapping[int, Sequence[str]] = field(default_factory=dict)
    repeats: int = 0
    exhausted: bool = False
    confirmed: Mapping[str, Any] = field(default_factory=dict)
    pick: Pick = FIRST
    knee: int | None = None
    searched: int = 0
    settings: Mapping[str, int] = field(default_factory=dict)
    spared: int = 0


def summary_of(history: History, folder: Path) -> Summary:
    """What the study in this folder has come to."""
    goals = [objective.metric for objective in history.study.objective]
    complete = [trial for trial in history.trials.values() if trial.state == "complete"]
    states = {state: history.in_state(state) for state in ("complete", "pruned", "failed", "running")}
    return Summary(
        study=history.study.study,
        folder=folder,
        finished=history.finished,
        best=history.best(),
        ablation=history.study.ablation is not None,
        front=[(trial, dict(zip(goals, trial.values or ()))) for trial in history.front()],
        seconds=history.active_seconds,
        degenerate={trial.number: why for trial in complete if (why := trial.degenerate(history.study.objective[0]))},
        guarded=degenerate.guarded(goals),
        proposed_by=Counter(trial.proposed_by for trial in history.trials.values() if trial.proposed_by),
        outside={trial.number: why for trial in complete if (why := outside(history.study, trial))},
        repeats=sum(trial.repeats for trial in history.trials.values()),
        pick=history.study.best,
        knee=history.knee,
        exhausted=history.study.ablation is None and history.searched == history.study.settings,
        confirmed=confirmed(history) or {},
        searched=history.searched,
        settings=by_setting.states(history),
        spared=by_setting.spared(history),
        **states,
    )
