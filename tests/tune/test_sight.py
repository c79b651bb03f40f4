"""A sampler that goes by ranks is shown stopped trials last, and never in front of what came further."""

from __future__ import annotations

from typing import Any

import optuna
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState, create_trial

from dfkd_ray.tune.sight import Sight, ranked_last

X = {"x": FloatDistribution(0, 1)}


def trial(value: float | None, rung: int | None = None, failed: bool = False) -> Any:
    """Complete, stopped at a rung, failed, or running."""
    kinds = {(False, True): TrialState.COMPLETE, (True, True): TrialState.PRUNED}
    state = TrialState.FAIL if failed else kinds.get((rung is not None, value is not None), TrialState.RUNNING)
    curve = {} if rung is None or value is None else {rung: value}
    kept = value if state in kinds.values() else None
    return create_trial(state=state, value=kept, params={"x": 0.5}, distributions=X, intermediate_values=curve)


def shown(trials: list[Any], direction: str = "maximize", stopped_count: bool = True) -> tuple[Sight, list[Any]]:
    storage = Sight(stopped_count)
    study = optuna.create_study(storage=storage, study_name="s", direction=direction)
    for each in trials:
        study.add_trial(each)
    return storage, study.get_trials(deepcopy=False)


def test_a_stopped_trial_is_complete_with_the_value_at_its_rung_and_the_others_are_as_they_were() -> None:
    given_ = [trial(0.9), trial(0.5, rung=3), trial(None), trial(0.7, failed=True)]
    storage, found = shown(given_)
    assert [(each.state, each.value) for each in found] == [
        *((TrialState.COMPLETE, 0.9), (TrialState.COMPLETE, 0.5)),
        *((TrialState.RUNNING, None), (TrialState.FAIL, None)),
    ]
    assert [each.number for each in found] == [0, 1, 2, 3]
    assert [each.number for each in storage.get_all_trials(0, states=(TrialState.COMPLETE,))] == [0, 1]
    assert not storage.get_all_trials(0, states=(TrialState.PRUNED,))
    assert storage.get_trial(1).state == TrialState.PRUNED, "what is kept is the truth"


def test_to_a_sampler_that_knows_stopped_trials_they_are_shown_as_they_are_and_the_unseen_not_at_all() -> None:
    storage, found = shown([trial(0.9), trial(0.5, rung=3), trial(0.1)], stopped_count=False)
    assert [each.state for each in found] == [TrialState.COMPLETE, TrialState.PRUNED, TrialState.COMPLETE]
    storage.unseen = {0}
    assert [each.number for each in storage.get_all_trials(0)] == [1, 2]


def test_by_hand_what_looks_better_than_what_came_further_is_shown_as_the_worst_of_it() -> None:
    _, up = shown([trial(0.8), trial(0.6), trial(0.7, rung=9), trial(0.5, rung=9), trial(0.55, rung=3)])
    assert [each.value for each in up] == [0.8, 0.6, 0.6, 0.5, 0.5]
    _, down = shown([trial(2.0), trial(1.0, rung=3), trial(3.0, rung=3)], "minimize")
    assert [each.value for each in down] == [2.0, 2.0, 3.0]


trials = st.tuples(st.one_of(st.none(), st.integers(1, 4)), st.integers(-3, 3).map(float))


@given(st.lists(trials, max_size=12), st.booleans())
def test_no_stopped_trial_ranks_before_one_that_came_further_nor_is_shown_better_than_it_was(
    drawn: list[tuple[int | None, float]], maximize: bool
) -> None:
    sign = 1 if maximize else -1
    _, told = shown([trial(value, rung) for rung, value in drawn], "maximize" if maximize else "minimize")
    scores = [each.value * sign for each in told]
    assert all(each.state == TrialState.COMPLETE for each in told)
    further = [5 if rung is None else rung for rung, _ in drawn]
    for i, (_, value) in enumerate(drawn):
        assert scores[i] <= value * sign
        for j, (_, other) in enumerate(drawn):
            assert further[i] >= further[j] or scores[i] <= scores[j]
            if further[i] == further[j] and value * sign <= other * sign:
                assert scores[i] <= scores[j]


def test_nothing_is_ranked_where_nothing_was_stopped() -> None:
    given_ = [trial(0.9), trial(None)]
    assert ranked_last(given_, True) == given_
