"""What blocks work out for themselves."""

from __future__ import annotations

from dfkd_ray.report.blocks import Cell, Facts, Mark, Table


def test_facts_that_are_not_known_are_left_out_and_a_nought_is_known() -> None:
    assert Facts([("a", None), ("b", ""), ("c", 0), ("d", "x")]).known == [("c", 0), ("d", "x")]


def test_a_table_sorts_if_its_first_row_says_by_what() -> None:
    by, plain = Cell("1", 1.0), Cell("1")
    assert Table(["a", "b"], [["x", by], ["y", plain]]).sortable
    assert not Table(["a", "b"], [["x", plain], ["y", by]]).sortable
    assert not Table(["a", "b"], []).sortable


def test_a_column_is_of_numbers_if_one_of_its_cells_is() -> None:
    rows = [["x", Cell("1", number=True), Mark("ok", "state", "ok")], ["y", "-", "z"]]
    assert Table(["a", "b", "c"], rows).numbers == [False, True, False]
    assert Table(["a"], []).numbers == [False]


def test_what_is_no_cell_becomes_one() -> None:
    mark = Mark("ok", "state", "ok")
    assert Table(["a", "b"], [["x", mark]]).cells == [[Cell("x"), Cell(mark)]]


def test_a_table_is_long_from_sixteen_rows() -> None:
    assert [Table(["a"], [["x"]] * count).long for count in (0, 15, 16)] == [False, False, True]
