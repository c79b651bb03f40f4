"""Nothing is searched: one run, proposed once, also where it was proposed before the process died."""

from __future__ import annotations

from dataclasses import replace

from dfkd_ray.tune.designed import proposer
from dfkd_ray.tune.history import History
from dfkd_ray.tune.proposal import OneRun, Proposal
from tests.tune import toys
from tests.tune.test_history import asked, records


def test_the_method_as_it_is_once() -> None:
    search = OneRun()
    assert search.total == 1
    assert search.propose() == Proposal(0, {}, {}, {})
    search.tell(0, "complete", [0.5], {1: 0.5}, None)
    assert search.propose() is None


def test_a_run_that_was_asked_for_is_not_asked_for_again() -> None:
    for history, proposed in ((History(records()), True), (History([*records(), asked(0)]), False)):
        search = OneRun()
        search.rebuild(history)
        assert (search.propose() is not None) is proposed


def test_a_study_without_a_search_is_one_run() -> None:
    alone = replace(toys.study({"budget: {trials: 8}": "budget: {trials: 1}"}), search={})
    assert isinstance(proposer(alone, History([toys.opening(alone)])), OneRun)
    assert not isinstance(proposer(toys.study(), History([toys.opening(toys.study())])), OneRun)
