"""What a ledger holds of an experiment against what there is now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.tune.differences import Difference, differences, marked, other_versions, refused

OLD = {"digest": "0123456789abcdef", "plain": {"schedule": {"batch": 16, "epochs": 2}, "kd": [1, 2]}}
NEW = {"digest": "fedcba9876543210", "plain": {"schedule": {"batch": 64, "epochs": 2}, "kd": [1]}}
DIGESTS = st.dictionaries(st.sampled_from("abcd"), st.none() | st.sampled_from(["x", "y"]))


def of(parts: dict[str, Any], **versions: str) -> dict[str, Any]:
    return {"parts": parts, "versions": versions}


@given(DIGESTS, DIGESTS)
def test_it_is_what_differs_of_all_that_either_has(there: dict[str, str | None], here: dict[str, str | None]) -> None:
    one, two = ({name: {"digest": digest} for name, digest in each.items()} for each in (there, here))
    found = {each.what for each in differences(of(one), of(two))}
    known = bool(there) and bool(here)  # of an empty side nothing was ever recorded
    assert found == {name for name in "abcd" if known and there.get(name) != here.get(name)}


def test_a_method_is_said_with_both_digests_and_what_is_another_in_it() -> None:
    same = {"the seed": {"digest": "0"}}
    (found,) = differences(of({"the method m": OLD, **same}), of({"the method m": NEW, **same}))
    assert str(found) == (
        "the method m: 0123456789ab there, fedcba987654 here; schedule.batch 16 there, 64 here; "
        "kd.1 2 there, nothing here"
    )
    assert found.mark == "the method m (0123456789ab, now fedcba987654)"


def test_many_paths_are_counted_and_what_is_not_there_is_none() -> None:
    plain = [{str(number): value for number in range(7)} for value in (0, 1)]
    found = Difference("the task", {"digest": "a", "said": "x", "plain": plain[0]}, {"digest": "b", "plain": plain[1]})
    assert str(found).startswith("the task: a (x) there, b here; 0 0 there, 1 here; 1 0 there, 1 here; 2 0")
    assert str(found).endswith("; and 3 more")
    gone = Difference("the images", {"digest": "abc", "said": "1 file"}, None)
    assert (str(gone), gone.mark) == ("the images: abc (1 file) there, none here", "the images (abc, now none)")


def test_all_of_it_is_refused_at_once_with_the_way_on() -> None:
    found = differences(of({"a": OLD, "b": OLD}), of({"a": {"digest": "x"}}))
    lines = str(refused(Path("reports/s"), found)).splitlines()
    assert lines == [
        "reports/s was begun as another experiment:",
        "  a: 0123456789ab there, x here",
        "  b: 0123456789ab there, none here",
        "bring back what it was begun with (a file to its place, --weights, --data), or go on all the same with "
        "--accept-changes, which marks every later trial",
    ]
    assert str(refused(Path("s"), found, "name another")).splitlines()[-1] == "name another"
    assert marked(found) == "a (0123456789ab, now x); b (0123456789ab, now none)"
    assert marked([]) is None


@pytest.mark.parametrize(
    ("there", "here", "line"),
    [
        ({"torch": "2.5"}, {"torch": "2.5"}, None),
        ({"torch": "2.5"}, {"torch": "2.6"}, "torch 2.5 there, 2.6 here: results may differ in their last bits"),
        ({"ray": "1"}, {}, None),
        ({}, {}, None),
    ],
)
def test_versions_may_be_others(there: dict[str, str], here: dict[str, str], line: str | None) -> None:
    assert other_versions(of({}, **there), of({}, **here)) == line
    assert other_versions({}, of({}, **here)) is None
