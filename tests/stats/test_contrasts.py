"""Contrasts: known effects of simulated outcomes come back exactly; Shapley values against brute force."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from itertools import combinations, permutations, product
from math import comb, factorial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfkd_ray.stats.contrasts import Contrast, against, difference, interactions, joint, mains, shapley
from dfkd_ray.study.components import Component

EVERY = settings(deadline=None, max_examples=40)


def binary(count: int) -> tuple[Component, ...]:
    names = "abcdefgh"[:count]
    return tuple(Component(name, {"off": {name: None}, "on": {}}, "on", "off") for name in names)


def runs(components: Sequence[Component], coalitions: Sequence[frozenset[str]]) -> dict[str, dict[str, str]]:
    return {
        "+".join(sorted(each)) or "none": {c.name: "on" if c.name in each else "off" for c in components}
        for each in coalitions
    }


def subsets(components: Sequence[Component]) -> list[frozenset[str]]:
    names = [component.name for component in components]
    return [frozenset(each) for size in range(len(names) + 1) for each in combinations(names, size)]


def estimate(contrast: Contrast, outcomes: Mapping[str, float]) -> float:
    return sum(weight * outcomes[arm] for arm, weight in contrast.weights.items())


def game(components: Sequence[Component], order: int, seed: int) -> dict[frozenset[str], float]:
    """A value for each coalition, with interactions of up to so many components."""
    rng = random.Random(seed)
    parts = {each: rng.gauss(0, 1) for each in subsets(components) if len(each) <= order}
    return {each: sum(part for inside, part in parts.items() if inside <= each) for each in subsets(components)}


def brute_force(components: Sequence[Component], value: Mapping[frozenset[str], float]) -> dict[str, float]:
    """What each component adds when it joins, averaged over all orders of joining."""
    names = [component.name for component in components]
    total = dict.fromkeys(names, 0.0)
    for order in permutations(names):
        for i, name in enumerate(order):
            total[name] += value[frozenset(order[: i + 1])] - value[frozenset(order[:i])]
    return {name: each / factorial(len(names)) for name, each in total.items()}


def outcomes(components: Sequence[Component], value: Mapping[frozenset[str], float]) -> dict[str, float]:
    return {"+".join(sorted(each)) or "none": value[each] for each in subsets(components)}


@EVERY
@given(st.integers(1, 5), st.integers(0, 2**31))
def test_a_factorial_gives_back_main_effects_and_interactions(count: int, seed: int) -> None:
    rng = random.Random(seed)
    components = binary(count)
    effects = {c.name: rng.gauss(0, 1) for c in components}
    effects |= {joint(a.name, b.name): rng.gauss(0, 1) for a, b in combinations(components, 2)}

    def outcome(levels: Mapping[str, str]) -> float:
        """Effects as differences between the two signs of their column, as in the textbook."""
        signs = {name: 1 if level == "on" else -1 for name, level in levels.items()}
        columns = {effect: np.prod([signs[name] for name in effect.split(" x ")]) for effect in effects}
        return 50 + sum(effects[effect] / 2 * column for effect, column in columns.items())

    arms = runs(components, subsets(components))
    values = {arm: outcome(levels) for arm, levels in arms.items()}
    found = [*mains(components, arms), *interactions(components, arms)]
    assert {contrast.component: estimate(contrast, values) for contrast in found} == pytest.approx(effects)
    assert all(sum(contrast.weights.values()) == pytest.approx(0) for contrast in found)


def test_an_interaction_is_half_the_difference_between_two_effects() -> None:
    (found,) = interactions(binary(2), runs(binary(2), subsets(binary(2))))
    values = {"none": 1.0, "a": 2.0, "b": 10.0, "a+b": 15.0}
    assert estimate(found, values) == ((15 - 10) - (2 - 1)) / 2
    assert found.component == "a x b"
    assert found.name == "half of: a's effect where b is on, minus that where b is off"


def test_more_levels_are_each_compared_with_off() -> None:
    three = Component("order", {str(n): {"o": n} for n in (1, 2, 3)}, "2", "3")
    components = [*binary(1), three]
    arms = {f"{a}{o}": {"a": a, "order": o} for a, o in product(("off", "on"), "123")}
    value = {"1": 5.0, "2": 7.0, "3": 11.0}
    values = {arm: value[levels["order"]] + 100 * (levels["a"] == "on") for arm, levels in arms.items()}
    found = list(mains(components, arms))
    assert [(each.component, each.name, estimate(each, values)) for each in found] == [
        ("a", "a on against off, mean over the rest", 100),
        ("order", "order 1 against 3, mean over the rest", -6),
        ("order", "order 2 against 3, mean over the rest", -4),
    ]
    assert list(interactions(components, arms)) == []
    assert shapley(components, arms) == ()


@EVERY
@given(st.integers(2, 5), st.integers(0, 2**31))
def test_shapley_values_of_all_coalitions_are_those_of_brute_force(count: int, seed: int) -> None:
    components = binary(count)
    value = game(components, count, seed)
    found = shapley(components, runs(components, subsets(components)))
    values = outcomes(components, value)
    assert {each.component: estimate(each, values) for each in found} == pytest.approx(brute_force(components, value))
    assert all(each.exact and each.kind == "shapley" for each in found)
    everybody = frozenset(component.name for component in components)
    total = sum(estimate(each, values) for each in found)
    assert total == pytest.approx(value[everybody] - value[frozenset()]), "efficiency"


def least_squares(components: Sequence[Component], value: Mapping[frozenset[str], float]) -> np.ndarray:
    """KernelSHAP another way: the last share is what the others leave, and the rest is fitted by lstsq."""
    names = [component.name for component in components]
    k = len(names)
    total = value[frozenset(names)] - value[frozenset()]
    rows, right = [], []
    for each, outcome in value.items():
        if 0 < len(each) < k:
            weight = ((k - 1) / (comb(k, len(each)) * len(each) * (k - len(each)))) ** 0.5
            last = names[-1] in each
            rows.append([weight * ((name in each) - last) for name in names[:-1]])
            right.append(weight * (outcome - value[frozenset()] - total * last))
    shares, _, rank, _ = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)
    assert rank == k - 1
    return np.append(shares, total - shares.sum())


@EVERY
@given(st.integers(3, 5), st.integers(0, 2**31), st.data())
def test_shapley_values_of_some_coalitions_are_those_of_kernel_shap(count: int, seed: int, data: st.DataObject) -> None:
    components = binary(count)
    value = game(components, count, seed)
    must = [each for each in subsets(components) if len(each) in (0, 1, count)]
    free = [each for each in subsets(components) if each not in must]
    some = [*must, *data.draw(st.lists(st.sampled_from(free), unique=True, max_size=len(free) - 1))]
    found = shapley(components, runs(components, some))
    values = outcomes(components, value)
    expected = least_squares(components, {each: value[each] for each in some})
    assert [estimate(each, values) for each in found] == pytest.approx(list(expected))
    assert not any(each.exact for each in found)
    assert all(sum(each.weights.values()) == pytest.approx(0, abs=1e-9) for each in found)
    total = value[frozenset(component.name for component in components)] - value[frozenset()]
    assert sum(estimate(each, values) for each in found) == pytest.approx(total), "efficiency"
    assert found[0].name == f"Shapley value of a, estimated from {len(some)} of {2**count} coalitions"


@EVERY
@given(st.integers(4, 5), st.integers(0, 2**31))
def test_two_way_interactions_do_not_bias_it_where_each_coalition_has_its_complement(count: int, seed: int) -> None:
    components = binary(count)
    ends = [each for each in subsets(components) if len(each) in (0, 1, count - 1, count)]
    for order, exact in ((2, True), (3, False)):
        value = game(components, order, seed)
        values = outcomes(components, value)
        found = {each.component: estimate(each, values) for each in shapley(components, runs(components, ends))}
        if exact:
            assert found == pytest.approx(brute_force(components, value))
        else:
            assert sum(found.values()) == pytest.approx(sum(brute_force(components, value).values()))


def test_shapley_values_are_left_out_where_the_runs_do_not_determine_them() -> None:
    four = binary(4)
    every = subsets(four)
    none, full = every[0], every[-1]
    assert shapley(four, runs(four, [each for each in every if each != none])) == ()
    assert shapley(four, runs(four, [each for each in every if each != full])) == ()
    assert shapley(four, runs(four, [none, full, frozenset("ab"), frozenset("cd")])) == (), "not of full rank"
    two = binary(2)
    assert shapley(two, runs(two, [frozenset(), frozenset("a"), frozenset("ab")])) == (), "too few to estimate"
    assert shapley(binary(1), runs(binary(1), subsets(binary(1)))) == (), "nobody to share with"


def test_words() -> None:
    (a,) = binary(1)
    assert against(a, "on", "off", "the rest on") == "a on against off, the rest on"
    assert joint("a", "b", "c") == "a x b x c"
    assert difference("a", "words", "full", "without a").weights == {"full": 1, "without a": -1}
