"""What stands beside the rows of a table, read with care."""

from __future__ import annotations

from dfkd_ray.report.notes import fused, mapping, part, sound


def test_what_is_no_mapping_is_an_empty_one() -> None:
    assert part({"a": {"b": 1}}, "a") == {"b": 1}
    assert part({"a": [1]}, "a") == part({}, "a") == {}
    assert mapping('{"a": 1}') == {"a": 1}
    assert mapping(None) == mapping("[1]") == mapping('{"a":') == {}


def test_trials_shared_a_process_where_a_number_says_so() -> None:
    assert [fused(note) for note in ({}, {"fuse": 4}, {"fuse": "4"}, {"fuse": None})] == [1, 4, 1, 1]


def test_half_a_character_becomes_a_question_mark() -> None:
    assert sound({"a": "\ud800"}) == {"a": "?"}
