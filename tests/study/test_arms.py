"""From a study file to arms and contrasts: built, refused with all that is wrong, described."""

from __future__ import annotations

from typing import Any

import pytest

from dfkd_ray.study import arms
from dfkd_ray.study.components import Component, parse
from dfkd_ray.study.designs import Design
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.yamls import component, loads, plain

EXAMPLE = """\
mhad: {off: {loss.mhad: null}}
sfcl: {off: {loss.sfcl: null}}
order: {path: loss.mhad.order, levels: [1, 2, 3], on: 2}
"""
HAND = {"baseline": {"loss.mhad": None}, "both": {}}


def design(text: str) -> Design:
    made = component(arms.designs, loads(text).data)
    assert isinstance(made, Design)
    return made


def components(text: str = EXAMPLE) -> tuple[Component, ...]:
    return parse(loads(text).data)


def found(text: str, parts: str = EXAMPLE, hand: Any = None) -> list[str]:
    made = components(parts) if parts else ()
    return [str(problem) for problem in arms.mistakes(design(text), made, hand)]


def test_all_designs_are_registered() -> None:
    assert list(arms.designs) == [
        *("add_one_in", "arms", "factorial", "fractional_factorial", "ladder", "leave_one_out"),
        *("leave_one_out+add_one_in", "path"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "leave_one_out",
        "leave_one_out+add_one_in",
        "{name: fractional_factorial, resolution: 5, wanted: [mhad x sfcl]}",
        "{name: ladder, order: [sfcl, mhad]}",
    ],
)
def test_a_design_is_read_and_written_back(text: str) -> None:
    made = design(text)
    assert component(arms.designs, plain(made)) == made
    assert plain(made)["name"] in text


def test_a_resolution_that_nobody_has() -> None:
    with pytest.raises(ConfigError, match="resolution: should be 3, 4 or 5, got 6"):
        design("{name: fractional_factorial, resolution: 6}")


def test_build_and_contrasts() -> None:
    made = arms.build(design("leave_one_out"), components())
    assert [arm.name for arm in made] == ["full", "without mhad", "without sfcl", "order=1", "order=3"]
    assert [each.component for each in arms.contrasts(design("leave_one_out"), components(), made)] == [
        *("mhad", "sfcl", "order", "order"),
    ]
    by_hand = arms.build(design("arms"), (), HAND)
    assert {arm.name: arm.changes for arm in by_hand} == HAND


@pytest.mark.parametrize("name", [name for name in arms.designs if name != "arms"])
def test_every_design_says_what_it_confounds(name: str) -> None:
    four = components("\n".join(f"{name}: {{off: {{{name}: null}}}}" for name in "abcd"))
    made = arms.build(design(name), four)
    lines = arms.describe(design(name), four, made)
    assert lines[0] == f"design: {name}, {len(made)} arms"
    assert lines[1].split() == ["arm", "a", "b", "c", "d"]
    assert [line.rsplit(maxsplit=4)[1:] for line in lines[2 : 2 + len(made)]] == [
        [arm.levels[name] for name in "abcd"] for arm in made
    ]
    assert len(lines) > 2 + len(made)


def test_a_description_in_full() -> None:
    made = arms.build(design("factorial"), components())
    assert arms.describe(design("factorial"), components(), made) == [
        "design: factorial, 12 arms",
        "arm                    mhad  sfcl  order",
        "none                   off   off   1",
        "order=2                off   off   2",
        "order=3                off   off   3",
        "sfcl                   off   on    1",
        "sfcl + order=2         off   on    2",
        "sfcl + order=3         off   on    3",
        "mhad                   on    off   1",
        "mhad + order=2         on    off   2",
        "mhad + order=3         on    off   3",
        "mhad + sfcl            on    on    1",
        "full                   on    on    2",
        "mhad + sfcl + order=3  on    on    3",
        "nothing is confounded; a main effect is a mean over all levels of the rest",
        "no interactions of order and no Shapley values: more than two levels",
        "left out where nothing holds it: mhad off takes out loss.mhad, and loss.mhad.order of order with it",
        "the same changes, run once: none, order=2, order=3",
        "the same changes, run once: sfcl, sfcl + order=2, sfcl + order=3",
    ]


def test_arms_by_hand_are_described_by_their_changes() -> None:
    made = arms.build(design("arms"), (), HAND | {"third": {"a.b": [1, "x"], "c": True}})
    assert arms.describe(design("arms"), (), made) == [
        "design: arms, 3 arms",
        "arm       changes",
        "baseline  loss.mhad: null",
        "both      none",
        'third     a.b: [1, "x"], c: true',
        "each arm is compared with the first, baseline",
    ]


def test_a_design_needs_components() -> None:
    assert found("leave_one_out", "") == ["components: leave_one_out needs at least one component, got 0"]
    assert found("path", "a: {off: {b: 1}}") == [
        "components: path needs at least 2 components, or `to` a method, got 1"
    ]
    assert found("fractional_factorial", "") == ["components: fractional_factorial needs at least 3 components, got 0"]


def test_arms_by_hand_and_a_design_do_not_go_together() -> None:
    assert found("factorial", hand=HAND) == [
        "arms: factorial makes its own arms: leave `arms` out, or take `design: arms`"
    ]
    assert found("arms", hand=HAND) == ["components: are not used where arms are named by hand: leave them out"]
    assert found("arms", "", hand=HAND) == []


def test_arms_by_hand_that_cannot_be_compared() -> None:
    assert found("arms", "") == ["arms: a comparison needs at least two arms, got none"]
    assert found("arms", "", {"one": {}}) == ["arms: a comparison needs at least two arms, got one"]
    assert found("arms", "", {"one": {}, "One ": {"a": 1}}) == ["arms.One : there is 'one' as well: two of one name"]
    assert found("arms", "", {"one": {"a": 1, "b": 2}, "two": {}, "three": {"b": 2, "a": 1}}) == [
        "arms.three: 'three' and 'one' make the same changes, so there is nothing to compare"
    ]


def test_mistakes_of_a_ladder() -> None:
    assert found("{name: ladder, order: [sfcl, mhd, sfcl]}") == [
        "design.order.1: there is no component 'mhd'; did you mean 'mhad'? (known: mhad, order, sfcl)",
        "design.order.2: sfcl stands twice",
        "design.order: leaves out mhad, order: name all components, or none",
    ]
    assert found("{name: ladder, order: [sfcl, mhad, order]}") == []


def test_a_component_that_is_taken_out_where_it_would_be_compared() -> None:
    """Its effect would be nothing by construction: a mistake, not a result."""
    gone = "mhad off takes out loss.mhad, and loss.mhad.order of order with it"
    same = "make the same changes, so there is nothing to compare"
    assert found("leave_one_out") == []
    assert found("path") == []
    assert found("add_one_in") == [f"components.order: 'only order={n}' and 'none' {same}; {gone}" for n in (2, 3)]
    assert found("{name: ladder, order: [order, mhad, sfcl]}") == [
        f"components.order: 'order=2' and 'none' {same}; {gone}"
    ]


def test_all_mistakes_at_once_before_anything_is_built() -> None:
    parts = "a: {off: {x: null}}\nA: {off: {x.y: 1}, on: {x.y: 2}}\nb: {path: x.y, levels: [1, 2, 3]}"
    with pytest.raises(ConfigError) as refused:
        arms.build(design("{name: fractional_factorial, wanted: [a x c]}"), components(parts), HAND)
    assert [str(problem) for problem in refused.value.problems] == [
        "components.A: there is 'a' as well: two of one name",
        "components.b: changes x.y, and so does A",
        "arms: fractional_factorial makes its own arms: leave `arms` out, or take `design: arms`",
        "components.b: fractional_factorial takes two levels, got 1, 2, 3",
        "design.wanted.0: there is no component 'c' (known: A, a, b)",
    ]


def test_arms_by_hand_are_read() -> None:
    assert arms.read_hand(loads("{baseline: {a.b: null}, both: {}}").data) == {"baseline": {"a.b": None}, "both": {}}
    for text, message in [
        ("3", "expected arms by name, such as {baseline: {}, other: {path: value}}, got 3"),
        ("{}", "expected arms by name, such as {baseline: {}, other: {path: value}}, got {}"),
        ("{a: , b: {}}", "a: expected {path: value}, {} where nothing changes, got None"),
    ]:
        with pytest.raises(ConfigError) as refused:
            arms.read_hand(loads(text).data)
        assert str(refused.value) == message
