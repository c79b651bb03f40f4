"""Ablations that are refused: every mistake at once, each with its line, before anything starts."""

from __future__ import annotations

import pytest

from dfkd_ray.study import arms
from dfkd_ray.util.errors import ConfigError
from tests.study.parts import EXAMPLE, SEARCH, changed, parsed


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        parsed(text)
    return str(refused.value).splitlines()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1", "13: seeds: one seed tells nothing of the spread: take 3 or more"),
        ("0", "13: seeds: one seed tells nothing of the spread: take 3 or more"),
        ("[5]", "13: seeds: one seed tells nothing of the spread: take 3 or more"),
        ("[5, 6, 5]", "13: seeds: 5 stands twice: the same seed is the same run"),
        ("[5, -1]", "13: seeds: a seed is a whole number from 0, got -1"),
        ("[5, true]", "13: seeds: a seed is a whole number from 0, got True"),
        ("many", "13: seeds: expected a number of seeds, a list, or {start: 5, max: 20, until: told}, got 'many'"),
        ("true", "13: seeds: expected a number of seeds, a list, or {start: 5, max: 20, until: told}, got True"),
        ("{start: 3, max: 2, until: 1}", "13: seeds: start must be between 2 and max, got 3 and 2"),
        ("{start: 1, max: 4, until: 1}", "13: seeds: start must be between 2 and max, got 1 and 4"),
        ("{max: 4, until: 0}", "13: seeds: until must be > 0 points, got 0"),
        ("{max: 4}", "13: seeds.until: is missing"),
        (
            "{max: 4, until: 1, strat: 3}",
            "13: seeds.strat: no such field; did you mean 'start'? (known: max, start, until)",
        ),
    ],
)
def test_seeds_that_are_none(text: str, message: str) -> None:
    assert mistakes(changed(("seeds: 3", f"seeds: {text}"))) == [f"parts.yaml:{message}"]


@pytest.mark.parametrize(
    ("more", "messages"),
    [
        ("draws: 0\n", ["14: draws: expected a whole number from 1, got 0"]),
        ("draws: two\n", ["14: draws: expected a whole number from 1, got 'two'"]),
        ("draws: 3\n", ["14: draws: there is nothing under `search` to draw from"]),
        ("tune: {trials: 3}\n", ["14: tune: there is nothing under `search` to draw from"]),
        ("spread: 0\n", ["14: spread: expected a number of points above 0, got 0"]),
        ("spread: wide\n", ["14: spread: expected a number of points above 0, got 'wide'"]),
        (f"{SEARCH}tune: {{trials: 1}}\n", ["15: tune: trials must be >= 2, got 1"]),
        (f"{SEARCH}tune: 3\n", ["15: tune: expected a mapping with trials, seed, got 3"]),
        (
            f"{SEARCH}tune: {{trails: 3}}\n",
            [
                "15: tune.trails: no such field; did you mean 'trials'? (known: seed, trials)",
                "15: tune.trials: is missing",
            ],
        ),
        (
            SEARCH,
            ["14: search: in an ablation: say how many `draws` of it all arms share, or `tune: {trials: ...}`"],
        ),
        (
            f"{SEARCH}draws: 2\ntune: {{trials: 3}}\n",
            ["16: tune: each arm is tuned, or all have the same `draws`: not both"],
        ),
        (
            f"{SEARCH}tune: {{trials: 3, seed: 2}}\n",
            ["15: tune.seed: 2 is also among the seeds: a setting chosen with a seed looks better with it"],
        ),
        (
            "stopper: median\n",
            ["14: stopper: arms are compared at the same budget, which no stopper may cut: `stopper: none`"],
        ),
        ("seed: 7\n", ["14: seed: an ablation's seeds are under `seeds`"]),
        ("budget: {trials: 9}\n", ["14: budget.trials: an ablation runs arms x seeds x draws: leave `trials` out"]),
        (f"{SEARCH}tune: {{trials: 3}}\nsampler: cmaes\n", ["16: sampler: `tune` takes tpe or random"]),
        (
            f"{SEARCH}draws: 3\nsampler: grid\n",
            ["16: sampler: the draws that arms share are at random: take random, or leave it out"],
        ),
    ],
)
def test_parts_that_do_not_go_together(more: str, messages: list[str]) -> None:
    assert mistakes(changed(more=more)) == [f"parts.yaml:{message}" for message in messages]


def test_a_tuning_seed_may_be_listed_by_chance() -> None:
    text = changed(("seeds: 3", "seeds: [999, 1000, 1001]"), more=f"{SEARCH}tune: {{trials: 3}}\n")
    assert mistakes(text) == [
        "parts.yaml:15: tune.seed: 1000 is also among the seeds: a setting chosen with a seed looks better with it"
    ]
    adaptive = changed(("seeds: 3", "seeds: {max: 12, until: 1}"), more=f"{SEARCH}tune: {{trials: 3, seed: 11}}\n")
    assert "tune.seed: 11 is also among the seeds" in mistakes(adaptive)[0], "of those that may be added, too"


def test_what_a_path_cannot_have() -> None:
    text = changed(("leave_one_out", "path"), ("seeds: 3", "seeds: {max: 5, until: 1}"))
    assert mistakes(f"{text}{SEARCH}tune: {{trials: 3}}\n") == [
        "parts.yaml:13: seeds: each round of a path needs all its seeds to choose by: say how many, or which",
        "parts.yaml:15: tune: the arms of a path are not known before it is walked: take `draws`",
    ]


@pytest.mark.parametrize("key", ["draws: 3", "tune: {trials: 3}", "spread: 2"])
def test_parts_of_an_ablation_in_a_sweep(key: str) -> None:
    text = f"{EXAMPLE[: EXAMPLE.index('design')]}{SEARCH}budget: {{trials: 3}}\n{key}\n"
    told = f"{key.partition(':')[0]}: belongs to an ablation: say `components` and `design`, or `arms`"
    assert mistakes(text) == [f"parts.yaml:7: {told}"]


def test_what_is_missing() -> None:
    assert mistakes(changed(("seeds: 3\n", ""))) == ["parts.yaml:1: seeds: is missing: how many seeds, or which"]
    assert mistakes(changed(("design: leave_one_out\n", ""))) == [
        f"parts.yaml:1: design: is missing (known: {', '.join(arms.designs)})"
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("design: leave_one_out", "design: leave_one_in"),
            "5: design.name: unknown design 'leave_one_in'; did you mean 'leave_one_out'? (known: "
            "add_one_in, arms, factorial, fractional_factorial, ladder, leave_one_out, leave_one_out+add_one_in, path)",
        ),
        (
            ("design: leave_one_out", "design: {name: ladder, oder: [mhad]}"),
            "5: design.oder: no such field; did you mean 'order'? (known: order)",
        ),
        (
            ("    on: {loss.sfcl.weight: 2}", "    onn: {loss.sfcl.weight: 2}"),
            "10: components.sfcl.onn: no such part of a component; did you mean 'on'? (known: levels, off, on, path)",
        ),
        (("  sfcl:\n", "  MHAD:\n"), "8: components.MHAD: there is 'mhad' as well: two of one name"),
        (("  sfcl:\n", "  mhad:\n"), "8: components.mhad: stands twice"),
        (
            ("design: leave_one_out", "design: {name: ladder, order: [mhd, sfcl, order, view]}"),
            "5: design.order.0: there is no component 'mhd'; did you mean 'mhad'? (known: mhad, order, sfcl, view)",
        ),
    ],
)
def test_names_that_nobody_knows_and_names_that_stand_twice(change: tuple[str, str], message: str) -> None:
    assert mistakes(changed(change))[0] == f"parts.yaml:{message}"


def test_an_alias_that_hides_what_was_asked_for() -> None:
    parts = "".join(f"  {name}: {{off: {{{name}: 0}}}}\n" for name in "abcd")
    head = EXAMPLE[: EXAMPLE.index("design")]
    design = "design: {name: fractional_factorial, wanted: [a x b, c x d]}\n"
    assert mistakes(f"{head}{design}components:\n{parts}seeds: 3\n") == [
        "parts.yaml:5: design.wanted.1: c x d cannot be told from a x b in 8 arms: take a higher resolution, "
        "or `factorial`"
    ]


def test_search_in_what_some_arm_takes_out() -> None:
    text = changed(more="search:\n  loss.mhad.weight: {log: [1, 2]}\n  kd.temperature: {log: [1, 20]}\ndraws: 3\n")
    assert mistakes(text) == [
        "parts.yaml:15: search.loss.mhad.weight: the arm 'without mhad' takes out loss.mhad, so there is nothing to "
        "search in it: search what all arms have, or fix it"
    ]
    assert mistakes(text.replace("leave_one_out", "factorial").replace("draws: 3", "tune: {trials: 3}")) == [
        "parts.yaml:15: search.loss.mhad.weight: the arm 'none' takes out loss.mhad, so there is nothing to "
        "search in it: search what all arms have, or fix it"
    ], "once, however many arms do"
    assert parsed(text.replace("loss.mhad.weight", "loss.mhadd.weight")).ablation is not None, "a name that begins so"


def test_search_of_what_some_arm_sets() -> None:
    text = changed(more="search:\n  crop: {int: [1, 5]}\n  loss.mhad: {choice: [a, b]}\ndraws: 3\n")
    assert mistakes(text) == [
        "parts.yaml:15: search.crop: is set by the arm 'full' as well",
        "parts.yaml:16: search.loss.mhad: "
        "is replaced as a whole, and with it what the arm 'full' sets: loss.mhad.order",
        "parts.yaml:16: search.loss.mhad: is set by the arm 'without mhad' as well",
    ]


def test_all_mistakes_at_once_and_none_that_only_follow() -> None:
    """A search that cannot be read is no empty search, and a design that cannot be built has no arms to look at."""
    text = changed(
        ("  sfcl:\n", "  MHAD:\n"),
        more="search:\n  loss.mhad.weight: {log: [0, 2]}\ndraws: 3\nbudget: {trials: 3}\nstoper: none\n",
    )
    assert [line.partition(": ")[2].partition(": ")[0] for line in mistakes(text)] == [
        *("components.MHAD", "search.loss.mhad.weight", "budget.trials", "stoper"),
    ]
