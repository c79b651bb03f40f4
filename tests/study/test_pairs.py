"""What samplers go with: see also the messages in `test_reading.py`."""

from __future__ import annotations

from dfkd_ray.study import Objective, Resources, pairs
from dfkd_ray.study.constraints import Constraint
from dfkd_ray.study.domains import Choice, Log
from dfkd_ray.study.specs import Asha, Cmaes, Grid, NoStopper, Tpe


def test_every_mistake_is_said_and_a_sampler_that_could_not_be_read_hides_no_other() -> None:
    two = (Objective("val_accuracy"), Objective("kl/noise"))
    told = [str(problem) for problem in pairs.of_results(Cmaes(), two, Asha())]
    assert len(told) == 2
    assert "cmaes takes one objective" in told[0]
    assert [str(problem) for problem in pairs.of_results(None, two, Asha())] == told[1:]
    assert not list(pairs.of_results(Tpe(), two, NoStopper()))


def test_a_space_needs_the_kinds_that_its_sampler_searches() -> None:
    one = {"a": Log(1, 2), "b": Choice((1, 2))}
    assert ["needs at least two ranges" in str(problem) for problem in pairs.with_space(Cmaes(), one)] == [True]
    assert ["say how many `points`" in str(problem) for problem in pairs.with_space(Grid(), one)] == [True]
    assert not list(pairs.with_space(Tpe(), one))


def test_nothing_is_selected_by_what_fused_trials_cost() -> None:
    selecting = (Objective("val_accuracy"), Objective("seconds"), Constraint("peak_memory", True, 2e9))
    assert [str(problem) for problem in pairs.of_costs(Resources(fuse=2), selecting)] == [
        f"resources.fuse: fused trials have no {metric} of their own to select by: take fuse: 1"
        for metric in ("peak_memory", "seconds")
    ]
    others = (Objective("val_accuracy"), Constraint("parameters", True, 1e6))
    assert not list(pairs.of_costs(Resources(fuse=2), others))
    assert not list(pairs.of_costs(Resources(), selecting))
    assert not list(pairs.of_costs(None, selecting)), "resources that could not be read"
