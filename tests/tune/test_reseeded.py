"""What fresh seeds have come to: who is first, once all have ended."""

from __future__ import annotations

from typing import Any

from dfkd_ray.tune.reseeded import Reseeded

ARMS: dict[str, int | None] = {"trial 3": 3, "trial 1": 1, "defaults": None}


def begun(**more: Any) -> Reseeded:
    made = Reseeded()
    made.begun({"arms": ARMS, "seeds": [5, 6], "alike": {}, "refused": {}, **more}, "max")
    return made


def test_nothing_comes_first_before_all_have_ended() -> None:
    made = begun()
    for arm, seed, value in [("trial 3", 5, 0.7), ("trial 1", 5, 0.8), ("defaults", 5, 0.99), ("trial 3", 6, 0.7)]:
        made.ended(arm, seed, value, "max")
    made.ended("defaults", 6, 0.99, "max")
    assert (made.first, made.complete) == (None, False)
    made.ended("trial 1", 6, 0.9, "max")
    assert (made.first, made.complete) == ("trial 1", True)  # the control is no setting that was searched


def test_lower_may_be_better_and_equals_keep_the_order_of_the_search() -> None:
    for mode, first in (("min", "trial 3"), ("max", "trial 1")):
        made = begun(alike={"defaults": "trial 1"})
        for seed in (5, 6):
            made.ended("trial 3", seed, 0.1, mode)  # type: ignore[arg-type]
            made.ended("trial 1", seed, 0.2, mode)  # type: ignore[arg-type]
        assert made.first == first
        assert made.outcomes["defaults"] == made.outcomes["trial 1"]
    made = begun(refused={"defaults": "no such slot"})
    for arm in ("trial 1", "trial 3"):
        for seed in (5, 6):
            made.ended(arm, seed, 0.5, "max")
    assert made.first == "trial 3"
    assert "defaults" not in made.outcomes


def test_where_no_trial_has_a_value_nobody_is_first() -> None:
    made = begun(refused={"defaults": "no such slot"})
    for arm in ("trial 1", "trial 3"):
        for seed in (5, 6):
            made.ended(arm, seed, None, "max")
    assert (made.first, made.complete) == (None, True)


def test_a_trial_that_is_run_again_opens_the_question() -> None:
    made = begun(refused={"defaults": "no such slot"})
    for arm in ("trial 1", "trial 3"):
        for seed in (5, 6):
            made.ended(arm, seed, None if arm == "trial 3" else 0.4, "max")
    assert made.first == "trial 1"
    made.reopened("trial 3", 5)
    assert (made.first, made.complete) == (None, False)
    made.ended("trial 3", 5, 0.9, "max")
    assert made.first == "trial 3"  # by the seed that both have


def test_what_was_run_before_counts_when_others_lead() -> None:
    made = begun()
    for seed in (5, 6):
        made.ended("trial 3", seed, 0.5, "max")
        made.ended("defaults", seed, 0.4, "max")
    arms = {"trial 9": 9, "trial 3": 3, "defaults": None}
    made.begun({"arms": arms, "seeds": [5, 6], "alike": {}, "refused": {}}, "max")
    assert made.run == ["trial 9", "trial 3", "defaults"]
    assert len(made.outcomes["trial 3"]) == 2
    assert not made.outcomes["trial 9"]


def test_where_all_was_run_before_the_question_is_answered_at_once() -> None:
    made = begun()
    for seed, values in ((5, (0.7, 0.8, 0.1)), (6, (0.9, 0.1, 0.2))):
        for arm, value in zip(ARMS, values):
            made.ended(arm, seed, value, "max")
    assert made.first == "trial 3"
    fewer_seeds = {"arms": ARMS, "seeds": [5], "alike": {}, "refused": {}}
    made.begun(fewer_seeds, "max")
    assert (made.first, made.complete) == ("trial 1", True)
    made.begun({**fewer_seeds, "arms": {"trial 3": 3, "defaults": None}}, "max")
    assert (made.first, made.complete) == ("trial 3", True)
    made.begun({**fewer_seeds, "seeds": [5, 6, 7]}, "max")
    assert (made.first, made.complete) == (None, False)


def test_where_no_setting_is_a_method_nobody_is_first() -> None:
    made = begun(refused=dict.fromkeys(ARMS, "no such slot"))
    assert made.first is None
