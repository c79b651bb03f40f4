from __future__ import annotations

from dfkd_ray.report.evaluation.by_image import MOST, ByImage
from tests.report.dense_evaluations import depth, segmentation


def test_a_line_goes_from_the_worst_image_to_the_best() -> None:
    rows = ByImage.prepare(segmentation(5)).to_pylist()
    own = [row for row in rows if row["network"] == "student"]
    assert [row["share"] for row in own] == [0, 0.25, 0.5, 0.75, 1]
    assert [round(row["value"], 3) for row in own] == [0, 0.025, 0.05, 0.075, 0.1]
    far = [row["value"] for row in ByImage.prepare(depth(5, teacher=False)).to_pylist()]
    assert far == sorted(far, reverse=True)
    drawn = ByImage.draw(ByImage.prepare(depth(5)))
    assert [trace.name for trace in drawn.data] == ["student", "teacher"]
    assert drawn.layout.yaxis.title.text == "RMSE of an image"


def test_a_line_of_many_images_has_few_marks_and_both_ends() -> None:
    rows = ByImage.prepare(segmentation(1000, teacher=False)).to_pylist()
    assert len(rows) == MOST
    assert (rows[0]["share"], rows[-1]["share"]) == (0, 1)
    assert ByImage.prepare(segmentation(0)).num_rows == 0
    assert ByImage.prepare(segmentation(1, teacher=False)).num_rows == 1
