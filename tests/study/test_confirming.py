"""`confirm:` of a study file: read, written, refused with the reason; which seeds are fresh."""

from __future__ import annotations

from typing import Any

import pytest

from dfkd_ray import study as studies
from dfkd_ray.study.confirming import Confirm, parse
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.limits import WHOLE
from dfkd_ray.util.yamls import Document
from tests.tune import toys

BUDGET = "budget: {trials: 8}"


def confirmed(said: str, budget: str = BUDGET) -> studies.Study:
    return toys.study({BUDGET: f"{budget}\nconfirm: {said}"})


@pytest.mark.parametrize("said", ["{top: 3, seeds: 5}", "true", "3x5", "{}"])
def test_four_ways_to_say_the_same(said: str) -> None:
    assert confirmed(said).confirm == Confirm(3, 5)


def test_what_is_written_is_read_again_and_nothing_is_written_where_nothing_was_said() -> None:
    made = confirmed("{top: 2, seeds: 4}")
    assert studies.plain(made)["confirm"] == {"top": 2, "seeds": 4}
    assert studies.parse(Document(studies.plain(made))) == made
    assert "confirm" not in studies.plain(toys.study())


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (3, "expected {top: 3, seeds: 5}, or 3x5, got 3"),
        ("3 x 5", "expected {top: 3, seeds: 5}, or 3x5, got '3 x 5'"),
        ({"top": 0}, "top must be between 1 and 1,000, got 0"),
        ({"seeds": 2}, "seeds must be between 3 and 1,000 (fewer than 3 tell nothing of the spread), got 2"),
        ({"best": 3}, "best: no such field (known: seeds, top)"),
    ],
)
def test_refusals(raw: Any, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(raw)
    assert str(refused.value) == message


def test_what_has_no_winner_has_none_to_confirm() -> None:
    def why(changes: dict[str, str], text: str = toys.STUDY) -> str:
        with pytest.raises(ConfigError) as refused:
            toys.study(changes, text)
        return str(refused.value)

    told = why({"seeds: 3": "seeds: 3\nconfirm: 3x5"}, toys.ABLATION)
    assert told.endswith("is for a sweep: the arms of an ablation are not chosen by the seeds that they ran with")
    several = "[{metric: val_accuracy}, {metric: kl/noise}]"
    told = why({"{metric: val_accuracy}": several, "stopper: {name: asha, grace: 1, reduction: 2}": "confirm: 3x5"})
    assert "confirm: several objectives have a front, not one winner" in told
    once = "study: s\nmethod: m\ntask: t\nobjective: {metric: val_accuracy}\nbudget: {trials: 1}\nconfirm: true\n"
    assert "confirm: nothing is searched, so there is no winner to confirm" in why({}, once)


def test_fresh_seeds_are_none_that_the_search_has_used() -> None:
    assert Confirm(seeds=3).fresh(0) == (1, 2, 3)
    assert Confirm(seeds=3).fresh(41) == (42, 43, 44)
    assert Confirm(seeds=3).fresh(WHOLE - 1) == (0, 1, 2)


def test_how_many_trials_come_on_top() -> None:
    assert (confirmed("3x5").trials, confirmed("3x5").in_all) == (8, 28)
    assert confirmed("3x5", "budget: {trials: 2}").confirming == 15  # two settings and the defaults
    assert confirmed("3x5", "budget: {hours: 1}").in_all is None
    assert toys.study().in_all == 8
