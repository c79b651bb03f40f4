"""The seeds of an ablation in each of their forms, and back."""

from __future__ import annotations

from typing import Any

import pytest

from dfkd_ray.study.seeds import MOST, Seeds, parse, plain
from dfkd_ray.util.errors import ConfigError


@pytest.mark.parametrize(
    ("raw", "seeds"),
    [
        (3, Seeds((0, 1, 2), 3)),
        ([7, 1], Seeds((7, 1), 2)),
        ({"start": 2, "max": 4, "until": 1.5}, Seeds((0, 1, 2, 3), 2, 1.5)),
        ({"max": 5, "until": 2}, Seeds((0, 1, 2, 3, 4), 3, 2.0)),
        ({"start": 5, "max": 6, "until": "told"}, Seeds((0, 1, 2, 3, 4, 5), 5, "told")),
    ],
)
def test_each_form_is_read_and_written_back(raw: Any, seeds: Seeds) -> None:
    assert parse(raw) == seeds
    assert parse(plain(seeds)) == seeds


def test_a_number_of_seeds_is_written_as_the_seeds_themselves() -> None:
    assert plain(parse(3)) == [0, 1, 2]
    assert plain(parse({"max": 4, "until": 1.0})) == {"start": 3, "max": 4, "until": 1.0}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (1, "one seed tells nothing of the spread: take 3 or more"),
        (-2, "one seed tells nothing of the spread: take 3 or more"),
        ([], "one seed tells nothing of the spread: take 3 or more"),
        ([2, 1, 2, 1], "1, 2 stands twice: the same seed is the same run"),
        ({"start": 3, "max": 2, "until": 1.0}, "start must be between 2 and max, got 3 and 2"),
        ({"max": 4, "until": 0.0}, "until must be > 0 points, got 0"),
    ],
)
def test_seeds_that_tell_nothing_are_refused(raw: Any, message: str) -> None:
    with pytest.raises((ValueError, ConfigError)) as refused:
        parse(raw)
    assert str(refused.value) == message


@pytest.mark.parametrize(("raw", "wrong"), [([0, 1.5], "1.5"), ([0, True], "True"), ([0, -1], "-1"), (["a"], "'a'")])
def test_a_seed_is_a_whole_number_from_0(raw: Any, wrong: str) -> None:
    with pytest.raises(ConfigError, match=rf"^a seed is a whole number from 0, got {wrong}$"):
        parse(raw)


@pytest.mark.parametrize("raw", [None, True, 2.5, "many"])
def test_what_is_none_of_the_forms_names_them(raw: Any) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(raw)
    assert str(refused.value) == (
        f"expected a number of seeds, a list, or {{start: 5, max: 20, until: told}}, got {raw!r}"
    )


@pytest.mark.parametrize("raw", [20250101, {"max": 10**9, "until": 1.0}])
def test_a_seed_where_a_number_of_seeds_belongs_is_no_hour_of_waiting(raw: Any) -> None:
    with pytest.raises(ConfigError, match=rf"at most {MOST:,} seeds, got [\d,]+; a list says which: \[0, 1, 2\]"):
        parse(raw)
    assert len(parse(MOST).listed) == MOST


def test_effects_are_looked_at_as_often_as_seeds_may_be_added() -> None:
    assert parse(4).looks == (4,)
    assert parse([3, 9]).looks == (2,)
    assert parse({"start": 5, "max": 20, "until": "told"}).looks == (5, 10, 20)
    assert parse({"max": 10, "until": 1.0}).looks == (3, 6, 10)
    assert parse({"start": 3, "max": 3, "until": 1.0}).looks == (3,)


def test_until_is_points_or_told() -> None:
    with pytest.raises(ConfigError, match="until"):
        parse({"max": 5, "until": "narrow"})
