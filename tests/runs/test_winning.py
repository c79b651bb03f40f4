"""The best trial, or the front, as a terminal says it."""

from __future__ import annotations

from dataclasses import replace

from dfkd_ray.runs import winning
from dfkd_ray.study.constraints import Constraint
from dfkd_ray.study.pick import Pick
from tests.runs.test_outcome import ended, summary


def test_what_was_found_is_said_as_far_as_it_is_known() -> None:
    trial = ended(0, [0.5], {"val_accuracy": 0.5}, test_accuracy__last=0.25, test_accuracy__best=0.75)
    assert winning.scores_line(trial, {"val_accuracy": 0.5}, 0.25) == (
        "val_accuracy 50.0 % at the last epoch, test 25.0 % at the last epoch, "
        "75.0 % at the best by val_accuracy (chance 25.0 %)"
    )
    assert winning.scores_line(ended(0, [0.9], {"val_accuracy": 0.5}), {"val_accuracy": 0.9}, 0.25) == (
        "val_accuracy 90.0 % at the best epoch"
    )


def test_the_objectives_own_number_comes_first() -> None:
    last = {"agreement/source": 0.946, "kl/noise": 0.0321}
    blind = ended(0, [0.946], last)
    assert winning.scores_line(blind, {"agreement/source": 0.946}, 0.25) == (
        "agreement/source 94.6 % at the last epoch, no real images to evaluate on"
    )
    seen = ended(0, [0.0321], {**last, "val_accuracy": 0.5}, test_accuracy__last=0.25, test_accuracy__best=0.75)
    assert winning.scores_line(seen, {"kl/noise": 0.0321}, 0.25) == (
        "kl/noise 0.0321 nats at the last epoch, val_accuracy 50.0 % at the last epoch, test 25.0 % at the last epoch, "
        "75.0 % at the best by kl/noise (chance 25.0 %)"
    )


def test_with_several_objectives_every_trial_of_the_front_is_named() -> None:
    values = [{"agreement/source": 0.9, "kl/noise": 0.2}, {"agreement/source": 0.8, "kl/noise": 0.1}]
    trials = [ended(number, list(own.values()), own) for number, own in enumerate(values)]
    front = list(zip(trials, values))
    assert list(winning.winners(summary(front, trials[0]), 0.25)) == [
        "where one trial is asked for (best: first): trial 0, seed 0, agreement/source 90.0 % at the last epoch, "
        "kl/noise 0.2 nats at the last epoch, no real images to evaluate on",
        "  a.b = 0.5",
        "the front, 2 trials that no other dominates:",
        "  trial 0: agreement/source 90.0 %, kl/noise 0.2 nats",
        "  trial 1: agreement/source 80.0 %, kl/noise 0.1 nats",
    ]
    none = replace(summary(front, trials[1]), pick=Pick("knee"))
    assert next(winning.winners(none, 0.25)).startswith(
        "where one trial is asked for (best: knee but the front has none, so first): trial 1, seed 0, "
    )
    bound = Pick("constraint", (Constraint("kl/noise", True, 0.01),))
    *_, last = winning.winners(replace(summary(front, None), pick=bound, knee=1), 0.25)
    assert last == "none of them is taken where one trial is asked for: `best` wants constraint kl/noise <= 0.01"
    many = list(winning.front_lines([(ended(n, [0.5], {}), {"kl/noise": 0.5}) for n in range(30)], 3))
    assert many[4] == "  trial 3 (the knee): kl/noise 0.5 nats"
    assert (len(many), many[-1]) == (22, "  and 10 more, all on the page")
    alone = ended(0, [0.9], {"agreement/source": 0.9})
    one = list(winning.winners(summary([(alone, {"agreement/source": 0.9})], alone), 0.25))
    assert not any("front" in line for line in one)
    assert list(winning.winners(summary([], None), 0.25)) == []


def test_a_better_trial_of_an_earlier_study_is_named() -> None:
    trial = ended(1, [0.5], {"val_accuracy": 0.5})
    done = summary([(trial, {"val_accuracy": 0.5})], trial)
    note = {"study": {"objective": {"metric": "val_accuracy", "mode": "max"}}}
    assert list(winning.better_before(done, note)) == []
    earlier = [{"folder": "reports/old", "best": 0.75}, {"folder": "reports/worse", "best": 0.5}, {"best": None}]
    assert list(winning.better_before(done, {**note, "earlier": earlier})) == [
        "reports/old, which the sampler knew, has a better one (val_accuracy 75.0 %): run it here with `start:`"
    ]


def test_a_setting_with_several_seeds_is_a_mean_with_its_standard_error() -> None:
    one = ended(4, [0.5], {"val_accuracy": 0.75}, test_accuracy__last=0.25)
    whole = replace(one, errors=[0.0125], over=3)
    first, *_ = winning.winners(summary([(whole, {"val_accuracy": 0.5})], whole), 0.25)
    assert first == (
        "best: trial 4, mean of 3 seeds ± standard error, val_accuracy 50.0 % ± 1.2 points, "
        "test 25.0 % on average at the last epochs (chance 25.0 %)"
    )
    several = replace(whole, values=[0.5, 0.125], errors=[0.0125, 0.0625])
    *_, last = winning.front_lines([(several, {"val_accuracy": 0.5, "kl/noise": 0.125})], None)
    assert last == "  trial 4: val_accuracy 50.0 % ± 1.2 points, kl/noise 0.125 nats ± 0.0625 nats"
