"""What every chart of an evaluation keeps, however many classes there are."""

from __future__ import annotations

import plotly.graph_objects as go
import pytest

from dfkd_ray.report.evaluation.by_class import ByClass
from dfkd_ray.report.evaluation.confusion import Confusion
from dfkd_ray.report.evaluation.plane import Plane
from dfkd_ray.report.evaluation.reliability import Reliability
from tests.report.charts.drawn import first_panel
from tests.report.evaluations import evaluation

CHARTS = (Confusion, ByClass, Reliability, Plane)


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("classes", [2, 12, 30, 230])
def test_a_chart_is_drawn_from_its_rows_alone(chart: type[Confusion], classes: int) -> None:
    rows = chart.prepare(evaluation(classes, images=3 * classes))
    assert rows.equals(chart.prepare(evaluation(classes, images=3 * classes)))
    first = first_panel(rows) if chart.panels else rows
    figure = chart.draw(first)
    assert isinstance(figure, go.Figure)
    assert len(figure.to_json()) < 1_000_000
    assert all(note.endswith(".") for note in (*chart.notes(rows), chart.reading, chart.empty))


@pytest.mark.parametrize("chart", CHARTS)
def test_without_images_there_are_no_rows(chart: type[Confusion]) -> None:
    assert chart.prepare(evaluation(images=0)).num_rows == 0
