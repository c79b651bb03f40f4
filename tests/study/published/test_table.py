"""A table of a paper as data: what stands where, what is missing, and a claim that can be weighed."""

from __future__ import annotations

from typing import Any

import pytest

from dfkd_ray.study.published.table import Claim, Paper, PublishedCell, PublishedTable

SOURCE = Paper("X", "On x", "Ada Lovelace", "ICML 2001")
CELLS = (
    PublishedCell("b", "one", 50.0, "read"),
    PublishedCell("b", "two", 70.0, "read"),
    PublishedCell("a", "one", 40.0, "secondary", "elsewhere"),
)


def table(**given: Any) -> PublishedTable:
    words = dict.fromkeys(("number", "title", "metric", "task", "teacher", "student", "rows"), "x")
    return PublishedTable(
        **{"id": "x/1", "source": SOURCE, "unit": "points", "columns": {"one": "1", "two": "2"}, "cells": CELLS}
        | words
        | given
    )


def test_rows_stand_in_the_order_of_the_table() -> None:
    assert table().row_names == ("b", "a")
    assert table(cells=()).row_names == ()


def test_a_number_is_found_by_row_and_column() -> None:
    assert table().cell("a", "one") == CELLS[2]
    assert table().value("b", "two") == 70.0
    assert table().cell("a", "two") is None
    assert table().value("a", "two") is None


def test_without_a_column_it_is_the_mean_over_those_that_can_be_re_run() -> None:
    both = table(runs={"one": {}, "two": {}})
    assert both.value("b") == 60.0
    assert both.value("a") is None, "one of the two is missing"
    assert table(runs={"one": {}}).value("a") == 40.0
    assert table().value("b") is None, "nothing can be re-run"


def test_it_can_be_re_run_where_a_row_is_a_change_to_a_method() -> None:
    assert table(arms={"a": {}}).runnable
    assert not table().runnable


@pytest.mark.parametrize(
    ("weights", "stand"),
    [
        ({"a": 1.0}, "a: 1"),
        ({"a": 1.0, "b": -0.5}, "a: 1, b: -0.5"),
        ({"a": 0.0, "b": 0.0}, "a: 0, b: 0"),
        ({}, "none"),
    ],
)
def test_a_claim_that_compares_nothing_is_refused(weights: dict[str, float], stand: str) -> None:
    with pytest.raises(ValueError, match=f"^weights of a claim sum to 0 and are not all 0, got {stand}$"):
        Claim("a beats b", weights)


def test_weights_may_be_thirds() -> None:
    thirds = {"a": 1.0, "b": -1 / 3, "c": -1 / 3, "d": -1 / 3}
    assert Claim("a beats the others", thirds).by == "table"
