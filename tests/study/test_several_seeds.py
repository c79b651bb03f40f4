"""Several seeds in a sweep, and the race over them, as a study file has them."""

from __future__ import annotations

import pytest

from dfkd_ray import study
from dfkd_ray.study.several_seeds import Racing
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.yamls import Document, loads

SWEEP = """study: s
method: m
task: t
objective: {metric: val_accuracy}
search: {a.b: {uniform: [0, 1]}}
budget: {trials: 12}
"""


def parsed(more: str, text: str = SWEEP) -> study.Study:
    return study.parse(loads(text + more, "s.yaml"))


def mistakes(more: str, text: str = SWEEP) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        parsed(more, text)
    return str(refused.value).splitlines()


@pytest.mark.parametrize(
    ("more", "seeds", "racing"),
    [
        ("seeds: 3", (0, 1, 2), Racing(0.05)),
        ("seeds: [7, 5]", (7, 5), Racing(0.05)),
        ("seeds: 2\nracing: {risk: 0.01}", (0, 1), Racing(0.01)),
        ("seeds: 2\nracing: false", (0, 1), Racing(0.0)),
        ("seeds: 2\nracing: true", (0, 1), Racing(0.05)),
    ],
)
def test_how_many_or_which(more: str, seeds: tuple[int, ...], racing: Racing) -> None:
    made = parsed(more)
    assert (made.seeds, made.racing, made.each_seed) == (seeds, racing, seeds)
    assert (made.trials, made.in_all) == (12, 12 * len(seeds)), "the budget is of settings"
    assert study.parse(Document(study.plain(made))) == made


def test_a_sweep_with_one_seed_says_nothing_of_others() -> None:
    made = parsed("seed: 4")
    assert (made.seeds, made.racing, made.each_seed, made.in_all) == ((), None, (4,), 12)
    assert not study.plain(made).keys() & {"seeds", "racing"}


def test_what_confirms_comes_on_top() -> None:
    assert parsed("seeds: 3\nconfirm: {top: 2, seeds: 4}").in_all == 12 * 3 + 3 * 4


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ("seeds: 1", "7: seeds: one seed tells nothing of the spread: take 3 or more"),
        ("seeds: [2, 2]", "7: seeds: 2 stands twice: the same seed is the same run"),
        (
            "seeds: {start: 2, max: 4, until: told}",
            "7: seeds: expected a number of seeds, or a list of them, got {'start': 2, 'max': 4, 'until': 'told'}: "
            "seeds are added to those of an ablation; in a sweep `racing` says which settings get all",
        ),
        ("seeds: 3\nseed: 5", "8: seed: the seeds of this sweep are under `seeds`"),
        ("racing: true", "7: racing: is between settings that have several seeds each: say `seeds: 3`"),
        ("seeds: 3\nracing: {risk: 0.5}", "8: racing: risk must be at least 0 and below 0.5, got 0.5"),
        ("seeds: 3\nracing: fast", "8: racing: expected {risk: 0.05}, true or false, got 'fast'"),
        (
            "seeds: 3\nracing: {riks: 0.1}",
            "8: racing.riks: no such field; did you mean 'risk'? (known: risk)",
        ),
    ],
)
def test_what_is_refused(more: str, told: str) -> None:
    assert mistakes(more) == [f"s.yaml:{told}"]


def test_a_run_alone_and_an_ablation() -> None:
    alone = SWEEP.replace("search: {a.b: {uniform: [0, 1]}}\n", "").replace("12", "1")
    assert mistakes("seeds: 3", alone) == [
        "s.yaml:6: seeds: nothing is searched: to run a method with several seeds, make it an arm of an ablation"
    ]
    arms = SWEEP.replace("search: {a.b: {uniform: [0, 1]}}\nbudget: {trials: 12}\n", "arms: {x: {}, y: {a: 1}}\n")
    assert mistakes("seeds: 3\nracing: true", arms) == [
        "s.yaml:7: racing: is for a sweep: the arms of an ablation are compared at the same seeds"
    ]
