"""A greedy path: its rounds, its steps, and what cannot be run alone."""

from __future__ import annotations

import random
from itertools import permutations

import pytest

from dfkd_ray.study.components import Component
from dfkd_ray.study.designs import along
from dfkd_ray.study.paths import Walk, most, next_arms, step, target_name
from tests.study.parts import ALL, MHAD, SFCL, VIEW, differences

THREE = (MHAD, SFCL, VIEW)


def test_a_path_in_rounds() -> None:
    assert Walk().arms(THREE, {}) == next_arms(THREE, ())
    assert [arm.name for arm in next_arms(THREE, ())] == ["none", "mhad", "sfcl", "view=rich"]
    assert [arm.name for arm in next_arms(THREE, ["sfcl"])] == ["mhad + sfcl", "sfcl + view=rich"]
    assert [arm.name for arm in next_arms(THREE, ["view", "sfcl"])] == ["full"]
    assert next_arms(THREE, ["view", "sfcl", "mhad"]) == ()
    chosen = along(THREE, ["sfcl", "view", "mhad"])
    assert differences(Walk().contrasts(THREE, chosen)) == [
        ("sfcl on against off, the rest off", "sfcl", "none"),
        ("view rich against plain, sfcl on", "sfcl + view=rich", "sfcl"),
        ("mhad on against off, sfcl, view on", "full", "sfcl + view=rich"),
    ]
    assert along(THREE, []) == next_arms(THREE, ())[:1]


def test_a_paths_arms_are_recognised_in_whatever_order_they_were_chosen() -> None:
    every = [along(ALL, order) for order in permutations(component.name for component in ALL)]
    by_levels: dict[str, set[str]] = {}
    for arms in every:
        for arm in arms:
            by_levels.setdefault(str(arm.levels), set()).add(arm.name)
            assert list(arm.levels) == [component.name for component in ALL]
    assert len(by_levels) == 2 ** len(ALL)
    assert all(len(names) == 1 for names in by_levels.values())


def test_a_path_wants_the_chosen_arms_alone() -> None:
    with pytest.raises(ValueError, match="'sfcl' is not one step after 'mhad': give the chosen arms in order"):
        Walk().contrasts(THREE, next_arms(THREE, ()))


def test_a_path_says_how_many_arms_it_may_take() -> None:
    components = [Component(name, {"off": {name: 0}, "on": {}}, "on", "off") for name in "abcd"]
    seen: set[str] = set()
    chosen: list[str] = []
    while arms := next_arms(components, chosen):
        seen |= {arm.name for arm in arms}
        remaining = [c.name for c in components if c.name not in chosen]
        chosen.append(random.Random(len(chosen)).choice(remaining))
    assert len(seen) == 11
    assert next(Walk().notes(components, ())).startswith("4 rounds, at most 11 arms")
    assert most(components) == 11


def test_arms_that_are_no_method_are_no_candidates() -> None:
    assert [arm.name for arm in next_arms(THREE, (), {"sfcl", "full"})] == ["none", "mhad", "view=rich"]
    assert [arm.name for arm in next_arms(THREE, ["mhad"], {"mhad + sfcl"})] == ["mhad + view=rich"]


def test_where_none_is_left_all_that_remain_are_one_step() -> None:
    first = next_arms(THREE, (), {"mhad", "sfcl", "view=rich"})
    assert [arm.name for arm in first] == ["none", "full"]
    assert step(THREE, (), first[1]) == "mhad + sfcl + view"
    second = next_arms(THREE, ["sfcl"], {"mhad + sfcl", "sfcl + view=rich"})
    assert [(arm.name, arm.levels) for arm in second] == [("full", {"mhad": "on", "sfcl": "on", "view": "rich"})]
    chosen = ("sfcl", step(THREE, ["sfcl"], second[0]))
    assert chosen == ("sfcl", "mhad + view")
    assert next_arms(THREE, chosen) == ()
    walk = along(THREE, chosen)
    assert [arm.name for arm in walk] == ["none", "sfcl", "full"]
    assert differences(Walk().contrasts(THREE, walk))[1] == (
        "mhad on against off and view rich against plain, sfcl on",
        "full",
        "sfcl",
    )
    assert Walk().contrasts(THREE, walk)[1].component == "mhad + view"


def test_where_not_even_these_are_a_method_there_is_no_next_round() -> None:
    assert next_arms(THREE, ["mhad", "sfcl"], {"full"}) == ()
    assert [arm.name for arm in next_arms(THREE, (), {"mhad", "sfcl", "view=rich", "full"})] == ["none"]


def test_a_path_to_a_method_tells_its_way_in_its_order() -> None:
    chosen = ["view", "sfcl", "mhad"]
    found = Walk(to="other").contrasts(THREE, along(THREE, chosen))
    assert [each.name for each in found] == [
        "view rich against plain, at the start",
        "sfcl on against off, after view",
        "mhad on against off, after view, sfcl",
    ]
    assert [each.weights for each in found] == [each.weights for each in Walk().contrasts(THREE, along(THREE, chosen))]
    lines = list(Walk(to="other").way("mine", (SFCL, VIEW)))
    assert lines[:3] == [
        "from mine (the arm none) to other (the arm full)",
        "  sfcl: loss.sfcl from off to on",
        "  view: view from plain to rich",
    ]
    assert list(Walk().way("mine", THREE)) == []


def test_what_a_target_is_called() -> None:
    assert target_name("other", "mine") == "other"
    assert target_name({"a.b": 1, "c": None}, "mine") == "mine with a.b 1, c null"
    assert target_name({"a.b": [1], "method": "other"}, "mine") == "other with a.b [1]"
