"""Arms resolved before they are run: which are one method, which are none, and what a path makes of that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dfkd_ray.study.designs import Arm
from dfkd_ray.tune.duplicates import Duplicates, find_duplicates
from dfkd_ray.tune.ledger import NAME, encode, read_records
from tests.tune import toys
from tests.tune.ablations import PATH, TWINS, cells, effects, history, note, run

pytestmark = pytest.mark.usefixtures("no_fsync")
A_AFTER_B_AFTER_C = (("a", "b"), ("b", "c"))
A_WITH_B = (("a", "b"), ("b", "a"))


def test_arms_are_told_apart_by_their_fingerprint() -> None:
    arms = [Arm(name, {}, changes) for name, changes in {"one": {"b": 0}, "two": {}, "three": {"a": 1}}.items()]
    found = find_duplicates(arms, toys.Parts(needs=(("a", "b"),)).fingerprint)
    assert found == Duplicates(["one", "two", "three"], {"three": "two"}, {"one": "a: needs b"})


def rounds(folder: Path) -> list[list[str]]:
    """The arms of each look, by the ledger."""
    return [record["arms"] for record in read_records(folder / NAME)[0] if record["kind"] == "round"]


def walked(folder: Path, needs: tuple[tuple[str, str], ...]) -> list[str | None]:
    """The arms that a path runs where some parts need others."""
    return [arm for arm, seed, *_ in cells(run(folder, PATH, toys.Parts(needs=needs))) if seed == 0]


def test_a_step_that_is_no_method_yet_is_left_out_of_its_round_and_said_so(tmp_path: Path) -> None:
    assert walked(tmp_path, A_AFTER_B_AFTER_C) == ["none", "c", "b + c", "full"], "the one order that there is"
    told = note(tmp_path)
    assert told["chosen"] == ["c", "b", "a"]
    assert [arm["name"] for arm in told["arms"]] == ["none", "c", "b + c", "full"]
    assert told["design"][-3:] == [
        "left out of its round, since it is no method: a: a: needs b",
        "left out of its round, since it is no method: b: b: needs c",
        "left out of its round, since it is no method: a + c: a: needs b",
    ]
    assert list(effects(tmp_path)) == [
        "c on against off, the rest off",
        "b on against off, c on",
        "a on against off, b, c on",
    ]


def test_where_no_step_can_be_made_alone_all_that_remain_are_made_together(tmp_path: Path) -> None:
    """c is worse than nothing, but it is the one step of the first round."""
    assert walked(tmp_path, A_WITH_B) == ["none", "c", "full"]
    told = note(tmp_path)
    assert told["chosen"] == ["c", "a + b"]
    assert told["design"][-1] == "made together, since none of them alone is a method: a + b"
    assert {name: (row["component"], row["difference"]) for name, row in effects(tmp_path).items()} == {
        "c on against off, the rest off": ("c", pytest.approx(toys.ALONE["c"])),
        "a on against off and b on against off, c on": (
            "a + b",
            pytest.approx(toys.ALONE["a"] + toys.ALONE["b"] + toys.TOGETHER),
        ),
    }


def test_where_nothing_can_be_made_alone_the_path_is_one_step(tmp_path: Path) -> None:
    ring = (("a", "b"), ("b", "c"), ("c", "a"))
    assert walked(tmp_path, ring) == ["none", "full"]
    assert note(tmp_path)["chosen"] == ["a + b + c"]


def test_where_not_even_all_together_are_a_method_the_path_ends(tmp_path: Path) -> None:
    assert walked(tmp_path, (("a", "nothing"), ("b", "nothing"))) == ["none", "c"]
    assert note(tmp_path)["chosen"] == ["c"]
    assert note(tmp_path)["design"][-1].startswith(
        "left out of its round, since it is no method: full: a: needs nothing"
    )


def test_a_round_is_resolved_once(tmp_path: Path) -> None:
    run(tmp_path, PATH | TWINS)
    seen = rounds(tmp_path)
    assert seen[0] == ["none", "a", "b", "c", "same"]
    assert [len(each) for each in seen] == [5, 8, 10, 11]
    assert json.loads(json.dumps(seen[-1]))[: len(seen[-2])] == seen[-2], "with all before it"


def test_a_path_that_was_begun_before_rounds_were_recorded_goes_on(tmp_path: Path) -> None:
    """Its first record has all twins, also of arms that no round has wanted."""
    changes, work = PATH | TWINS, toys.Parts()
    expected = cells(run(tmp_path / "whole", changes, work))
    records = [record for record in read_records(tmp_path / "whole" / NAME)[0] if record["kind"] != "round"]
    names = {"same": "none", "full": "a + b + c"} | {f"{on} + same": on for on in ("a", "b", "c", "a + b", "b + c")}
    records[0]["alike"] = names
    folder = tmp_path / "old"
    folder.mkdir()
    (folder / NAME).write_bytes(b"".join(encode(record) for record in records[: len(records) // 2]))
    assert toys.resume(folder, work).finished
    assert cells(history(folder)) == expected
    assert effects(folder) == effects(tmp_path / "whole")
