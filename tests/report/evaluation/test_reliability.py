"""Reliability diagrams: the bins of the table, and the bars that they become."""

from __future__ import annotations

from dfkd_ray.report.evaluation.reliability import Reliability
from dfkd_ray.report.evaluation.view import EvaluationTables
from dfkd_ray.util import tables
from tests.report.charts.drawn import first_panel
from tests.report.evaluations import evaluation


def test_reliability_is_what_the_tables_say() -> None:
    made = evaluation()
    rows = Reliability.prepare(made).to_pylist()
    for network in ("student", "teacher"):
        own = [row for row in rows if row["network"] == network]
        assert [{k: v for k, v in row.items() if k not in ("panel", "network")} for row in own] == made.bins(network)
        assert own[0]["panel"] == f"{network.capitalize()}, calibration error 12.3\u00a0%"
    assert Reliability.prepare(evaluation(images=1)).num_rows == 2, "a bin without images is not drawn"


def test_bars_are_what_is_right_and_how_many_there_are_over_the_middle_of_their_bin() -> None:
    rows = first_panel(Reliability.prepare(evaluation()))
    data = rows.to_pylist()
    right, line, counts = Reliability.draw(rows).data
    assert list(right.x) == list(counts.x) == [(row["low"] + row["high"]) / 2 for row in data]
    assert list(right.y) == [row["accuracy"] for row in data]
    assert list(counts.y) == [row["images"] for row in data]
    assert (list(line.x), list(line.y)) == ([0, 1], [0, 1])
    assert all(width < row["high"] - row["low"] for width, row in zip(right.width, data, strict=True))


def test_what_is_no_number_in_a_bin_is_left_out_and_a_bin_without_a_count_or_an_end_is_not_drawn() -> None:
    measures = {
        "student": {
            "ece": 0.1,
            "reliability": [
                {"low": 0.0, "high": 0.5, "images": 3, "confidence": "odd", "accuracy": float("nan")},
                {"low": 0.5, "high": 1.0, "images": None, "confidence": 0.7, "accuracy": 0.6},
                {"low": None, "high": 1.0, "images": 2, "confidence": 0.7, "accuracy": 0.6},
                "no bin",
            ],
        }
    }
    made = EvaluationTables(tables.table("evaluation", [], {"measures": measures}), tables.table("examples", [], {}))
    (row,) = [row for row in Reliability.prepare(made).to_pylist() if row["network"] == "student"]
    assert (row["low"], row["high"], row["images"], row["confidence"], row["accuracy"]) == (0.0, 0.5, 3, None, None)
    assert len(Reliability.draw(Reliability.prepare(made)).data) == 3
