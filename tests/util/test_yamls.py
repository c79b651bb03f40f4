"""YAML as data, and plain data as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dfkd_ray.util import limits, yamls
from dfkd_ray.util.errors import ConfigError, Problem
from dfkd_ray.util.registry import Registry

letters = st.characters(codec="utf-8", exclude_categories=["Cc"], exclude_characters="\ufeff")
texts = st.text(letters, max_size=8)
wholes, reals = st.integers(-limits.WHOLE, limits.WHOLE), st.floats(-limits.REAL, limits.REAL)
scalars = st.none() | st.booleans() | wholes | reals | texts
plain_data = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=12
)


@given(plain_data)
@settings(max_examples=50, deadline=None)
def test_plain_data_survives_a_round_trip(data: Any) -> None:
    back = yamls.loads(yamls.dump(data)).data
    assert back == data
    assert repr(back) == repr(data), "1 is not True, and 1.0 is not 1"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("True", "True"),
        ("true", True),
        ("~", None),
        ("null", None),
        ("", None),
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        (".5", 0.5),
        ("-2.", -2.0),
        ("+7", 7),
        ("010", 10),
        ("08", 8),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("0x1F", "0x1F"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("2026-01-01", "2026-01-01"),
        ("<<", "<<"),
        ("'1'", "1"),
        ("[1, a, {b: 2}]", [1, "a", {"b": 2}]),
        ("{1: a, null: b}", {"1": "a", "null": "b"}),
    ],
)
def test_no_guessed_types(text: str, value: Any) -> None:
    got = yamls.value(text)
    assert got == value
    assert type(got) is type(value)


MANY = "more than 20,000 values, each alias counted with all that it stands for"
BOMB = "\n".join(["a0: &a0 [1, 1]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 30))])  # 2^30 ones


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: !!python/object/apply:os.system ['true']", "x.yaml:1: a: the tag .* is not allowed: YAML is data here"),
        ("a: 1\nb: !include other", "x.yaml:2: b: the tag '!include' is not allowed"),
        ("a: !!int abc", "x.yaml:1: a: 'abc' is no int"),
        ("a: !!bool 2", "x.yaml:1: a: '2' is no bool"),
        ("a: !!map x", "x.yaml:1: a: 'x' is no map"),
        ("a: 1e999", "x.yaml:1: a: 1e999 is too large"),
        ("a: 1\nb: 2\na: 3", "x.yaml:3: a: stands twice"),
        ("{[1, 2]: 3}", "x.yaml:1: a key is a word here"),
        ("a: &x\n  b: *x", "x.yaml:1: a.b: an alias that contains itself"),
        ("a: [1,\nb: }", "x.yaml:2: not YAML"),
        ("a: *unknown", "x.yaml:1: not YAML: found undefined alias"),
        ("a: 1\n--- \nb: 2", "x.yaml:2: not YAML"),
        ("a: " + "9" * 5000, "x.yaml:1: a: 9+…9+ is too large"),
        ("a: -9223372036854775808", "x.yaml:1: a: -9223372036854775808 is too large"),
        ('a: "x\\0y"', r"x.yaml:1: a: has the character U\+0000 in it: 'x\\x00y'"),
        ('a: "\\ud800"', r"x.yaml:1: a: has the character U\+D800 in it"),
        ('"a\\e": 1', r"x.yaml:1: a key has the character U\+001B in it"),
        ("\0", "^x.yaml: not YAML: unacceptable character #x0000: special characters are not allowed$"),
        (f"a: {'x' * 10_001}", "x.yaml:1: a: has 10,001 characters, more than 10,000: 'x+…x+'$"),
        (f"{'x' * 600}: {{{'y' * 500}: 1}}", "x.yaml:1: x+: a key has 1,101 characters, more than 1,000: 'x+…y+'$"),
        (f"a: {{{', '.join(map(str, range(1_001)))}}}", "x.yaml:1: a: has 1,001 keys, more than 1,000"),
        ("\n[" * 3_000, "x.yaml:34: nested too deep: more than 32 lists and mappings in one another"),
        ("- " * 3_000, "x.yaml:1: nested too deep"),
        (f"a: [{'1, ' * 1_000_000}]", f"x.yaml:1: {MANY}"),
        (BOMB, rf"x.yaml:\d+: {MANY}"),
        (BOMB.replace("[", "{a: ").replace(", ", ", a: ").replace("]", "}"), rf"x.yaml:\d+: {MANY}"),
        (f"a: &a {'x' * 9_000}\nb: [{', '.join(['*a'] * 1_000)}]", f"x.yaml:2?1: {MANY}"),
    ],
)
def test_what_is_refused_and_where(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        yamls.loads(text, "x.yaml")


def test_all_mistakes_of_a_text_in_the_order_of_its_lines() -> None:
    with pytest.raises(ConfigError) as caught:
        yamls.loads("a: !x 1\nb: {c: 1, c: 2}\nd: !y 2\n", "f")
    assert [(p.line, p.path) for p in caught.value.problems] == [(1, "a"), (2, "b.c"), (3, "d")]


def test_every_path_knows_its_line() -> None:
    document = yamls.loads("a:\n  b.c: 1\n  d:\n    - x\n    - {e: 2}\n", "f")
    assert [document.line(path) for path in ("a", "a.b.c", "a.d", "a.d.0", "a.d.1.e")] == [1, 2, 3, 4, 5]
    assert document.line("a.d.1.missing") == 5
    assert document.line("elsewhere") == 1
    problems = [Problem("a.d.1.e", "late"), Problem("a.b.c", "early")]
    assert str(document.locate(problems)) == "f:2: a.b.c: early\nf:5: a.d.1.e: late"


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    with pytest.raises(ConfigError, match=r"a\.yaml: there is no such file"):
        yamls.load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"a\.yaml: cannot be read"):
        yamls.load(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        yamls.load(tmp_path)
    path.write_text("")
    assert yamls.load(path).data is None
    path.write_text("a: ünï\n", encoding="utf-8")
    assert yamls.load(path).data == {"a": "ünï"}


def test_a_file_without_end_or_of_gigabytes_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    with path.open("wb") as file:
        file.truncate(3 * 10**9)
    said = "cannot be read: has 3.00 GB, more than the 1 MB that such a file may have"
    with pytest.raises(ConfigError, match=f"a.yaml: {said}"):
        yamls.load(path)
    with pytest.raises(ConfigError, match="/dev/zero: cannot be read: has more than the 1 MB"):
        yamls.load(Path("/dev/zero"))


shapes: Registry[type[Any]] = Registry("shape")


@shapes.register("dot")
@dataclass(frozen=True)
class Dot:
    size: float = 1.0

    def __post_init__(self) -> None:
        if self.size <= 0:
            raise ValueError(f"size must be > 0, got {self.size}")


@shapes.register("line")
@dataclass(frozen=True)
class Line:
    ends: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True)
class Inner:
    depth: int = 1


@dataclass(frozen=True)
class Outer:
    name: str
    count: int = 0
    share: float = 0.5
    on: bool = False
    kind: Literal["a", "b"] = "a"
    inner: Inner | None = field(default_factory=Inner)
    shape: Any = field(default=Dot(), metadata={"registry": shapes})
    shapes: tuple[Any, ...] = field(default=(), metadata={"registry": shapes})
    numbers: tuple[int, ...] = ()
    hidden: int = field(default=3, init=False)


components = st.builds(Dot, st.floats(0.1, 9)) | st.builds(Line, st.tuples(st.floats(-1, 0), st.floats(0, 1)))
outers = st.builds(
    Outer,
    name=st.text(letters, max_size=3),
    count=st.integers(-limits.COUNT, limits.COUNT),
    share=reals,
    on=st.booleans(),
    kind=st.sampled_from(["a", "b"]),
    inner=st.none() | st.builds(Inner, st.integers(-64, 64)),
    shape=components,
    shapes=st.lists(components, max_size=3).map(tuple),
    numbers=st.lists(st.integers(-limits.COUNT, limits.COUNT), max_size=3).map(tuple),
)


@given(outers)
@settings(max_examples=40, deadline=None)
def test_plain_is_the_inverse_of_typed(outer: Outer) -> None:
    plain = yamls.plain(outer)
    assert yamls.typed(Outer, plain) == outer
    assert yamls.plain(yamls.typed(Outer, plain)) == plain
    assert yamls.typed(Outer, yamls.loads(yamls.dump(plain)).data) == outer


def test_defaults_are_filled_in_and_lists_stand_for_tuples() -> None:
    made = yamls.typed(Outer, {"name": "x", "numbers": [1, 2], "shapes": ["dot", {"name": "line", "ends": [0, 2]}]})
    assert made == Outer("x", numbers=(1, 2), shapes=(Dot(), Line((0.0, 2.0))))
    assert "hidden" not in yamls.plain(made)


def test_an_integer_is_a_number_and_becomes_one() -> None:
    share = yamls.typed(Outer, {"name": "x", "share": 2}).share
    assert (share, type(share)) == (2.0, float)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": True}, "count: should be a valid integer, got True"),
        ({"count": 1.0}, "count: should be a valid integer, got 1.0"),
        ({"count": "1"}, "count: should be a valid integer, got '1'"),
        ({"share": "1"}, "share: should be a valid number, got '1'"),
        ({"share": False}, "share: should be a valid number, got False"),
        ({"share": float("nan")}, "share: should be a finite number, got nan"),
        ({"on": 1}, "on: should be a valid boolean, got 1"),
        ({"name": 1}, "name: should be a valid string, got 1"),
        ({"name": None}, "name: should be a valid string, got None"),
        ({"kind": "c"}, "kind: should be 'a' or 'b', got 'c'"),
        ({"numbers": 3}, "numbers: should be a valid tuple, got 3"),
        ({"numbers": [1, "2"]}, "numbers: should be a valid integer, got [1, '2']"),
        ({"inner": 3}, "inner: expected a mapping with depth, got 3"),
        ({"inner": {"dept": 3}}, "inner.dept: no such field; did you mean 'depth'? (known: depth)"),
        ({"shape": 3}, "shape: expected the name of a shape or a mapping with one, got 3"),
        ({"shape": "dit"}, "shape.name: unknown shape 'dit'; did you mean 'dot'? (known: dot, line)"),
        ({"shape": {"size": 1}}, "shape.name: which shape? (known: dot, line)"),
        ({"shape": {"name": "dot", "size": -1}}, "shape: size must be > 0, got -1.0"),
        ({"shape": {"name": "line", "ends": [1]}}, "shape.ends: should be a list of 2, got [1]"),
        ({"shape": {"name": "line", "ends": [1, 2, 3]}}, "shape.ends: should be a list of 2, got [1, 2, 3]"),
        ({"shapes": "dot"}, "shapes: expected a list of shapes, got 'dot'"),
        ({"shapes": [{"name": "dot", "sice": 1}]}, "shapes.0.sice: no such field; did you mean 'size'? (known: size)"),
        ({"hidden": 4}, "hidden: no such field (known: count, inner, kind, name, numbers, on, shape, shapes, share)"),
    ],
)
def test_a_mistake_says_where_and_what(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        yamls.typed(Outer, {"name": "x", **change})
    assert str(caught.value) == message


@dataclass(frozen=True)
class Several:
    inners: tuple[Inner, ...] = ()


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ("dot", "inners: expected a list of inners, got 'dot'"),
        ([{}, {"dept": 2}], "inners.1.dept: no such field; did you mean 'depth'? (known: depth)"),
    ],
)
def test_a_list_of_dataclasses(raw: Any, message: str) -> None:
    read = yamls.typed(Several, {"inners": [{"depth": 2}, {}]})
    assert read == Several((Inner(2), Inner()))
    assert yamls.typed(Several, yamls.plain(read)) == read
    with pytest.raises(ConfigError) as caught:
        yamls.typed(Several, {"inners": raw})
    assert str(caught.value) == message


def test_all_mistakes_come_at_once() -> None:
    raw = {"cuont": 1, "share": "x", "inner": {"depth": "y"}, "shapes": ["dit", {"name": "dot", "size": 0}]}
    with pytest.raises(ConfigError) as caught:
        yamls.typed(Outer, raw)
    paths = [problem.path for problem in caught.value.problems]
    assert sorted(paths) == ["cuont", "inner.depth", "name", "shapes.0.name", "shapes.1", "share"]


def test_something_else_than_a_mapping() -> None:
    with pytest.raises(ConfigError, match=r"expected a mapping with depth, got \[1\]"):
        yamls.typed(Inner, [1])


def test_a_component_whose_name_stands_elsewhere() -> None:
    assert yamls.component(shapes, {"size": 2}, "dot") == Dot(2.0)
    assert yamls.component(shapes, {"name": "line"}, "dot") == Line()
    with pytest.raises(ConfigError) as caught:
        yamls.component(shapes, {}, "dit")
    assert str(caught.value) == "unknown shape 'dit'; did you mean 'dot'? (known: dot, line)"


@pytest.mark.parametrize(
    "text", ["0E0", "1e5", "no", "on", "1_000", "0x1", "12:30", "null", "~", "1.5", "2026-11-29", ""]
)
def test_text_that_looks_like_something_else_is_quoted_for_readers_of_either_schema(text: str) -> None:
    assert yamls.loads(yamls.dump({"a": text})).data == {"a": text}
    assert yaml.safe_load(yamls.dump({"a": text})) == {"a": text}
