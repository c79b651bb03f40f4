"""Components: read and written back, the changes of an arm, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dfkd_ray.study.components import Component, conflicts, merged, parse, plain, taken_out
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.yamls import loads

EXAMPLE = """\
mhad: {off: {loss.high_order: null}}
sfcl: {off: {loss.contrast: null}, on: {loss.contrast.weight: 8}}
order: {path: loss.high_order.order, levels: [1, 2, 3], on: 2}
view: {levels: {plain: {a.b: 1}, rich: {a.b: 2, c: 3}}, off: rich, on: plain}
"""


def example() -> tuple[Component, ...]:
    return parse(loads(EXAMPLE).data)


def test_each_way_of_writing_one() -> None:
    assert example() == (
        Component("mhad", {"off": {"loss.high_order": None}, "on": {}}, "on", "off"),
        Component("sfcl", {"off": {"loss.contrast": None}, "on": {"loss.contrast.weight": 8}}, "on", "off"),
        Component("order", {str(n): {"loss.high_order.order": n} for n in (1, 2, 3)}, "2", "1"),
        Component("view", {"plain": {"a.b": 1}, "rich": {"a.b": 2, "c": 3}}, "plain", "rich"),
    )
    assert [component.binary for component in example()] == [True, True, False, True]
    assert example()[2].others("2") == ("1", "3")
    assert example()[3].paths == ("a.b", "c")


def test_the_first_level_is_off_and_the_last_is_on() -> None:
    (weight,) = parse({"weight": {"path": "kd.weight", "levels": [0, 0.05, None, True, {"name": "x"}, "x"]}})
    assert (weight.off, weight.on) == ("0", "x")
    assert list(weight.levels) == ["0", "0.05", "null", "true", '{"name": "x"}', "x"]
    (none,) = parse({"weight": {"path": "kd.weight", "levels": [1, None], "on": 1, "off": None}})
    assert (none.off, none.on) == ("null", "1")


def test_plain_keeps_the_short_ways() -> None:
    written = loads(EXAMPLE).data
    written["mhad"]["on"] = {}
    written["order"]["off"] = 1
    assert plain(example()) == written


values = st.sampled_from([None, True, 0, 1, 1.0, -0.5, 1e20, "x", "null", "1", "", [1, "x"], {"name": "y", "k": None}])
paths = st.sampled_from(["a", "a.b", "a.b.c", "d.e", "dd"])
names = st.sampled_from(["x", "X-1", "on", "off", "2", "null", "y_z"])
changes = st.dictionaries(paths, values, max_size=2)
one_path = st.fixed_dictionaries({"path": paths, "levels": st.lists(values, min_size=2, max_size=4, unique_by=str)})
named = st.fixed_dictionaries({"levels": st.dictionaries(names, changes, min_size=2, max_size=3)})
switch = st.fixed_dictionaries({"off": changes}, optional={"on": changes})
written = st.dictionaries(names, one_path | named | switch, min_size=1, max_size=2)


@settings(deadline=None, max_examples=60)
@given(written)
def test_plain_and_read_are_inverse(raw: dict[str, Any]) -> None:
    try:
        components = parse(raw)
    except ConfigError:  # equal levels, say
        assume(False)
    assert parse(plain(components)) == components
    assert parse(loads(yaml.safe_dump(plain(components), sort_keys=False)).data) == components
    assert plain(parse(plain(components))) == plain(components)


def test_merged_goes_in_the_order_of_the_components() -> None:
    on = {"mhad": "on", "sfcl": "on", "order": "3", "view": "rich"}
    assert list(merged(example(), on).items()) == [
        ("loss.contrast.weight", 8),
        ("loss.high_order.order", 3),
        ("a.b", 2),
        ("c", 3),
    ]


def test_a_change_inside_what_another_takes_out_is_left_out() -> None:
    off = {"mhad": "off", "sfcl": "off", "order": "3", "view": "plain"}
    assert merged(example(), off) == {"loss.high_order": None, "loss.contrast": None, "a.b": 1}
    assert taken_out(example(), off) == [
        "mhad off takes out loss.high_order, and loss.high_order.order of order with it"
    ]
    assert taken_out(example(), off | {"mhad": "on"}) == []
    inner = Component("inner", {"off": {"loss.high_order_too": 1}, "on": {}}, "on", "off")
    assert merged([*example(), inner], off | {"inner": "off"})["loss.high_order_too"] == 1, "another term's name"


def test_what_takes_out_may_stand_after_what_it_holds() -> None:
    backwards = example()[::-1]
    assert "loss.high_order.order" not in merged(backwards, {"mhad": "off", "sfcl": "on", "order": "3", "view": "rich"})


def test_a_component_that_contradicts_itself_keeps_its_changes() -> None:
    """So that the method refuses them, with their path, before anything starts."""
    odd = Component("odd", {"off": {"a": None, "a.b": 1}, "on": {}}, "on", "off")
    assert merged([odd], {"odd": "off"}) == {"a": None, "a.b": 1}
    assert taken_out([odd], {"odd": "off"}) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "3",
            "expected components by name, such as {mhad: {off: {student_loss.high_order: null}}}, got 3",
        ),
        ("{}", "expected components by name, such as {mhad: {off: {student_loss.high_order: null}}}, got {}"),
        ("a: 3", "a: expected {off: {path: value}} or {path: ..., levels: [...]}, got 3"),
        (
            "a: {of: {b: 1}}",
            "a.of: no such part of a component; did you mean 'off'? (known: levels, off, on, path)",
        ),
        ("a: {on: {b: 1}}", "a.off: is missing: the changes that switch it off, {} where there are none"),
        ("a: {off: {}}", "a: the levels off and on make the same changes: there is nothing to compare"),
        ("a: {off: 3}", "a.off: expected {path: value}, got 3"),
        ("a: {levels: [1, 2]}", "a.levels: which `path` has the values [1, 2]?"),
        ("a: {path: b}", "a.levels: expected a list of values of `path`, or {name: {path: value}}, got None"),
        ("a: {path: b, levels: []}", "a.levels: expected a list of values of `path`, or {name: {path: value}}, got []"),
        ("a: {path: b, levels: [1, 2, 1, 2]}", "a.levels: has 1, 2 more than once"),
        ("a: {path: b, levels: [1]}", "a: a component needs at least two levels, got 1"),
        ("a: {path: b, levels: [1, 2], on: 3}", "a: there is no level '3' (known: 1, 2)"),
        (
            "a: {levels: {plain: {b: 1}, rich: {b: 2}}, off: plian}",
            "a: there is no level 'plian'; did you mean 'plain'? (known: plain, rich)",
        ),
        ("a: {path: b, levels: [1, 2], on: 1}", "a: on and off are the same level, '1'"),
        ("a: {path: b, levels: {c: {d: 1}, e: {d: 2}}}", "a.levels: each level that has a name says its own paths"),
        ("a: {levels: {c: {d: 1}, e: 4}}", "a.levels.e: expected {path: value}, got 4"),
        (
            "a: {levels: {c: {d: 1, e: 2}, f: {e: 2, d: 1}}}",
            "a: the levels c and f make the same changes: there is nothing to compare",
        ),
        ("a: {path: b, levels: [x, y + z]}", "a: a level's name has no ' + ' in it, got 'y + z'"),
        ("m had: {off: {b: 1}}", "m had: a component's name has letters, digits, - and _, got 'm had'"),
        ("full: {off: {b: 1}}", "full: 'full' is what an arm is called: choose another name"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(loads(text).data)
    assert str(refused.value).startswith(message)


def test_all_mistakes_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        parse(loads("a: {of: {}}\nb: {off: {}}\nc: 1").data)
    assert [problem.path for problem in refused.value.problems] == ["a.of", "a.off", "b", "c"]


def found(text: str) -> list[str]:
    return [str(problem) for problem in conflicts(parse(loads(text).data))]


def test_components_may_nest_where_the_outer_one_only_takes_out() -> None:
    assert list(conflicts(example())) == []


def test_conflicts() -> None:
    assert found("mhad: {off: {a: null}}\nMHAD: {off: {b: null}}") == [
        "components.MHAD: there is 'mhad' as well: two of one name"
    ]
    assert found("x: {off: {a.b: 1}}\ny: {path: a.b, levels: [1, 2]}") == [
        "components.y: changes a.b, and so does x",
    ]
    outer = "x: {off: {a: null}, on: {a: {b: 1}}}"
    inner = "y: {path: a.b, levels: [1, 2]}"
    text = "x replaces a whole, and y changes a.b in it: make them levels of one component"
    assert found(f"{outer}\n{inner}") == [f"components.y: {text}"]
    assert found(f"{inner}\n{outer}") == [f"components.x: {text}"]
    assert found("x: {off: {a: 1}}\ny: {path: ab, levels: [1, 2]}") == []


def test_one_component_twice() -> None:
    (one,) = parse({"x": {"off": {"a": 1}}})
    assert [str(problem) for problem in conflicts([one, one])] == [
        "components.x: there is 'x' as well: two of one name",
        "components.x: changes a, and so does x",
    ]
