from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.util.differing import differing

LEAVES = st.none() | st.integers(0, 3) | st.text("ab", max_size=2)
PLAIN = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner))


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (1, 2, [("", 1, 2)]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [("a.c", 2, 3)]),
        ({"a": 1}, {"b": 1}, [("a", 1, None), ("b", None, 1)]),
        ({"a": [1, 2]}, {"a": [1, 3, 4]}, [("a.1", 2, 3), ("a.2", None, 4)]),
        ({"a": {"name": "x"}}, {"a": None}, [("a", {"name": "x"}, None)]),
    ],
)
def test_paths_with_both_values(a: Any, b: Any, expected: list[tuple[str, Any, Any]]) -> None:
    assert list(differing(a, b)) == expected


@given(PLAIN)
def test_nothing_differs_from_itself(data: Any) -> None:
    assert list(differing(data, data)) == []


@given(PLAIN, PLAIN)
def test_it_is_the_same_from_both_sides(a: Any, b: Any) -> None:
    assert {(path, y, x) for path, x, y in freeze(differing(b, a))} == set(freeze(differing(a, b)))


def freeze(found: Any) -> list[tuple[str, str, str]]:
    return [(path, repr(x), repr(y)) for path, x, y in found]
