"""Factorials and their fractions: every effect that a fraction confounds is named, and estimated together."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfkd_ray.stats.contrasts import Contrast
from dfkd_ray.study.components import Component
from dfkd_ray.study.designs import Arm
from dfkd_ray.study.factorials import Factorial, FractionalFactorial
from dfkd_ray.util.errors import ConfigError


def binary(names: str) -> tuple[Component, ...]:
    return tuple(Component(name, {"off": {name: None}, "on": {}}, "on", "off") for name in names)


def test_a_factorial_has_every_combination() -> None:
    order = Component("order", {"1": {"o": 1}, "2": {"o": 2}, "3": {"o": 3}}, "3", "1")
    arms = Factorial().arms((*binary("a"), order), {})
    assert [(arm.name, " ".join(arm.levels.values())) for arm in arms] == [
        ("none", "off 1"),
        ("order=2", "off 2"),
        ("order=3", "off 3"),
        ("a", "on 1"),
        ("a + order=2", "on 2"),
        ("full", "on 3"),
    ]
    assert [each.component for each in Factorial().contrasts((*binary("a"), order), arms)] == ["a", "order", "order"]
    three = Factorial().contrasts(binary("abc"), Factorial().arms(binary("abc"), {}))
    assert [(each.component, each.kind) for each in three] == [
        *((name, "main") for name in "abc"),
        *((pair, "interaction") for pair in ("a x b", "a x c", "b x c")),
        *((name, "shapley") for name in "abc"),
    ]
    assert all(each.exact and not each.aliases for each in three)


def test_a_factorial_too_large() -> None:
    (problem,) = Factorial().mistakes(binary("abcdefghk"), {})
    assert str(problem) == "design: factorial has 512 arms, more than 256: take `fractional_factorial`"
    assert list(Factorial().mistakes(binary("abcdefgh"), {})) == []


def fraction(names: str, resolution: int, *wanted: str) -> tuple[Sequence[Arm], tuple[Contrast, ...]]:
    design = FractionalFactorial(resolution, wanted)  # type: ignore[arg-type]
    assert list(design.mistakes(binary(names), {})) == []
    arms = design.arms(binary(names), {})
    return arms, design.contrasts(binary(names), arms)


def test_half_of_four_components() -> None:
    arms, found = fraction("abcd", 4)
    assert [arm.name for arm in arms] == ["none", "c + d", "b + d", "b + c", "a + d", "a + c", "a + b", "full"]
    assert {each.component: each.aliases for each in found if each.kind != "shapley"} == {
        "a": ("b x c x d",),
        "b": ("a x c x d",),
        "c": ("a x b x d",),
        "d": ("a x b x c",),
        "a x b": ("c x d",),
        "a x c": ("b x d",),
        "a x d": ("b x c",),
    }
    assert {(each.component, each.exact) for each in found if each.kind == "shapley"} == {(c, False) for c in "abcd"}


def test_a_fraction_without_all_off_has_no_shapley_values() -> None:
    arms, found = fraction("abc", 3)
    assert [arm.name for arm in arms] == ["c", "b", "a", "full"]
    assert [(each.component, each.kind, each.aliases) for each in found] == [
        ("a", "main", ("b x c",)),
        ("b", "main", ("a x c",)),
        ("c", "main", ("a x b",)),
    ], "no interaction is told from a main effect"


@settings(deadline=None, max_examples=40)
@given(st.integers(4, 8), st.sampled_from([3, 4, 5]), st.integers(0, 2**31))
def test_an_estimate_is_the_sum_of_its_effect_and_its_aliases(count: int, resolution: int, seed: int) -> None:
    """Simulated outcomes with effects up to order 3: nothing is confounded that is not named."""
    if (count, resolution) == (4, 5):
        count = 5
    names = "abcdefgh"[:count]
    arms, found = fraction(names, resolution)
    rng = random.Random(seed)
    effects = {" x ".join(each): rng.gauss(0, 1) for size in (1, 2, 3) for each in combinations(names, size)}
    values = {}
    for arm in arms:
        total = 70.0
        for effect, size in effects.items():
            off = sum(arm.levels[name] == "off" for name in effect.split(" x "))
            total += size / 2 * (-1) ** off
        values[arm.name] = total
    for each in found:
        if each.kind != "shapley":
            estimate = sum(weight * values[arm] for arm, weight in each.weights.items())
            assert estimate == pytest.approx(sum(effects[name] for name in (each.component, *each.aliases)))
        assert sum(each.weights.values()) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("count", "resolution"), [(5, 3), (6, 3), (6, 4), (7, 4), (8, 4), (6, 5), (8, 5)])
def test_every_main_effect_and_interaction_is_listed_once(count: int, resolution: int) -> None:
    names = "abcdefgh"[:count]
    _, found = fraction(names, resolution)
    listed = [each for each in found if each.kind != "shapley"]
    mains = [each for each in listed if each.kind == "main"]
    assert [each.component for each in mains] == list(names)
    named = [name for each in listed if each.kind == "interaction" for name in (each.component, *each.aliases)]
    behind = {name for each in mains for name in each.aliases}
    pairs = [f"{a} x {b}" for a, b in combinations(names, 2)]
    assert all((named.count(pair) == 1) != (pair in behind) for pair in pairs)
    if resolution == 5:
        assert not any(name.count(" x ") == 1 for each in listed for name in each.aliases)


def test_a_wanted_interaction_is_listed_under_its_own_name() -> None:
    _, found = fraction("abcd", 4, "d x c")
    assert [(each.component, each.aliases) for each in found if each.kind == "interaction"] == [
        ("c x d", ("a x b",)),
        ("a x c", ("b x d",)),
        ("a x d", ("b x c",)),
    ]


def test_wanted_interactions_get_other_generators_where_those_serve() -> None:
    """D = AB and E = AC are what nobody's wish would get."""
    assert all(each.component != "a x b" for each in fraction("abcde", 3)[1])
    arms, found = fraction("abcde", 3, "a x b", "a x c")
    assert len(arms) == 8
    told = {each.component: each.aliases for each in found if each.kind == "interaction"}
    assert set(told) == {"a x b", "a x c"}
    assert not {"a x b", "a x c"} & {alias for each in found for alias in each.aliases}


def problems(design: FractionalFactorial, components: Sequence[Component]) -> list[str]:
    return [str(problem) for problem in design.mistakes(components, {})]


def test_mistakes() -> None:
    order = Component("order", {"1": {"o": 1}, "2": {"o": 2}, "3": {"o": 3}}, "3", "1")
    assert problems(FractionalFactorial(), (*binary("abc"), order)) == [
        "components.order: fractional_factorial takes two levels, got 1, 2, 3",
    ]
    text = "with {} components is a full factorial; take `factorial`"
    assert problems(FractionalFactorial(), binary("abc")) == [f"design.resolution: 4 {text.format(3)}"]
    assert problems(FractionalFactorial(5), binary("abcd")) == [f"design.resolution: 5 {text.format(4)}"]
    assert problems(FractionalFactorial(5), binary("abcde")) == []
    assert problems(FractionalFactorial(), binary("abcdefghijklmnopq")) == [
        "components: fractional_factorial takes 16 components, got 17"
    ]
    with pytest.raises(ConfigError, match="5 with 4 components is a full factorial; take `factorial`"):
        FractionalFactorial(5).arms(binary("abcd"), {})


def test_wanted_interactions_that_are_hidden() -> None:
    last = "in 8 arms: take a higher resolution, or `factorial`"
    assert problems(FractionalFactorial(4, ("a x b", "c x d", "d x a")), binary("abcd")) == [
        f"design.wanted.1: c x d cannot be told from a x b {last}"
    ]
    assert problems(FractionalFactorial(3, ("a x b",)), binary("abc")) == [
        "design.wanted.0: a x b cannot be told from c in 4 arms: take a higher resolution, or `factorial`"
    ]
    seven = FractionalFactorial(3, ("a x g", "c x d"))
    assert [problem.split(" in ")[0] for problem in problems(seven, binary("abcdefg"))] == [
        "design.wanted.0: a x g cannot be told from f",
        "design.wanted.1: c x d cannot be told from g",
    ], "seven components in eight arms hide every interaction"


def test_wanted_interactions_that_cannot_be_read() -> None:
    wanted = ("a", "a x a", "a x b x c", "a x e", "b x a", "a x b")
    assert problems(FractionalFactorial(4, wanted), binary("abcd")) == [
        "design.wanted.0: expected two components, as in `mhad x sfcl`, got 'a'",
        "design.wanted.1: expected two components, as in `mhad x sfcl`, got 'a x a'",
        "design.wanted.2: expected two components, as in `mhad x sfcl`, got 'a x b x c'",
        "design.wanted.3: there is no component 'e' (known: a, b, c, d)",
        "design.wanted.5: a x b stands twice",
    ]


def test_notes_have_the_generators_and_the_confounding_in_words() -> None:
    components = binary("vwxyz")
    design = FractionalFactorial(3)
    assert list(design.notes(components, design.arms(components, {}))) == [
        "2^(5-2) of resolution III: 8 arms of 32",
        "A = v, B = w, C = x, D = y, E = z",
        "generators: D = AB, E = AC",
        "defining relation: I = ABD = ACE = BCDE",
        "v cannot be told from w x y, x x z",
        "w cannot be told from v x y, x x y x z",
        "x cannot be told from v x z, w x y x z",
        "y cannot be told from v x w, w x x x z",
        "z cannot be told from v x x, w x x x y",
        "w x x cannot be told from y x z, v x w x z, v x x x y",
        "w x z cannot be told from x x y, v x w x x, v x y x z",
    ]
    half = FractionalFactorial(5)
    first, *_, last, _ = half.notes(binary("abcdef"), half.arms(binary("abcdef"), {}))
    assert first == "2^(6-1) of resolution VI: 32 arms of 64"
    pairs = ", ".join(f"{a} x {b}" for a, b in combinations("abcdef", 2))
    assert last == f"clear of all others up to order 3: a, b, c, d, e, f, {pairs}"
