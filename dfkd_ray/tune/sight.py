"""What a sampler is shown of a study's trials: Optuna's storage in memory, rebuilt by `search.py` from the ledger."""

from __future__ import annotations

import copy
from collections.abc import Container, Iterable, Set
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState


class Sight(optuna.storages.InMemoryStorage):  # type: ignore[misc]
    """Shows samplers all trials but those that are `unseen`, and before them those of `earlier` studies.

    stopped_count: trials that were stopped are shown as complete ones, for samplers that go by ranks and know no
    stopped trials, see `ranked_last`.
    """

    def __init__(self, stopped_count: bool = False) -> None:
        super().__init__()
        self.stopped_count = stopped_count
        self.unseen: Set[int] = frozenset()
        self.earlier: list[Any] = []

    def get_all_trials(self, study_id: int, deepcopy: bool = True, states: Container[Any] | None = None) -> list[Any]:
        found: list[Any] = [*self.earlier, *super().get_all_trials(study_id, deepcopy)]
        if self.unseen:
            found = [trial for trial in found if trial.number not in self.unseen]
        if self.stopped_count:
            found = ranked_last(found, self.get_study_directions(study_id)[0] == StudyDirection.MAXIMIZE)
        return found if states is None else [trial for trial in found if trial.state in states]

    def forget(self, trial_id: int) -> None:
        """That the latest trial was ever asked for: what it proposed is not run."""
        study_id, number = self._trial_id_to_study_id_and_number.pop(trial_id)
        assert number == len(self._studies[study_id].trials) - 1
        self._studies[study_id].trials.pop()
        self._max_trial_id -= 1


def ranked_last(trials: Iterable[Any], maximize: bool) -> list[Any]:
    """The trials, those that were stopped as complete ones with the value at their rung.

    What was stopped never ranks before what came further: TPE's order (complete, then by rung, then by value), in which
    a metric that falls while training goes on does no harm. A value that would is shown as the worst of those.
    """
    listed = list(trials)
    worse = min if maximize else max
    floor = worse((trial.value for trial in listed if trial.state == TrialState.COMPLETE), default=None)
    stopped = [trial for trial in listed if trial.state == TrialState.PRUNED and trial.intermediate_values]
    shown: dict[int, float] = {}
    for rung in sorted({trial.last_step for trial in stopped}, reverse=True):
        here = {trial.number: trial.value for trial in stopped if trial.last_step == rung}
        shown |= here if floor is None else {number: worse(value, floor) for number, value in here.items()}
        floor = worse(shown.values())
    return [_complete(trial, shown[trial.number]) if trial.number in shown else trial for trial in listed]


def _complete(trial: Any, value: float) -> Any:
    told = copy.copy(trial)
    told.state, told.value = TrialState.COMPLETE, value
    return told
