from __future__ import annotations

from dfkd_ray.report.evaluation.by_area import ByArea
from tests.report.dense_evaluations import depth, segmentation


def test_classes_are_sorted_from_the_one_that_the_student_knows_worst() -> None:
    rows = ByArea.prepare(segmentation())
    assert rows.to_pylist() == [
        {"place": 0, "name": "wing", "images": 40, "student": 0.8, "teacher": 1.0},
        {"place": 1, "name": "ground", "images": 60, "student": 0.9, "teacher": 1.0},
    ]
    drawn = ByArea.draw(rows)
    assert [trace.name for trace in drawn.data] == [None, "student", "teacher"]
    assert drawn.layout.xaxis.title.text == "IoU"
    assert "40 positions" in drawn.data[1].hovertext[0]
    assert len(ByArea.draw(ByArea.prepare(segmentation(teacher=False))).data) == 1
    assert not ByArea.applies(depth())
