from __future__ import annotations

from pathlib import Path

from dfkd_ray.report.evaluation.dense_view import DenseTables
from tests.report.dense_evaluations import depth, segmentation, write


def test_a_segmentation_has_classes_and_their_areas(tmp_path: Path) -> None:
    for made in (segmentation(), DenseTables.read(write(tmp_path, segmentation()))):
        assert made.classes == ("ground", "wing", "tail")
        assert made.counts.tolist() == [60, 40, 0]
        assert made.by_class("student") == [0.9, 0.8, None]
        assert made.by_class("teacher") == [1.0, 1.0, 1.0]
        assert made.networks == ("student", "teacher")
        assert [quality.key for quality in made.qualities] == ["miou"]
        assert made.shown == [0, 4, 8, 12, 16], "the worst first"
        assert made.by_image("student")[:2] == [0.0, 0.02500000037252903]


def test_a_depth_has_none_and_its_worst_image_is_far_off() -> None:
    made = depth(teacher=False)
    assert made.classes == ()
    assert made.networks == ("student",)
    assert [quality.key for quality in made.qualities] == ["delta1", "rmse", "rel"]
    assert made.shown == [16, 12, 8, 4, 0]
    assert made.share("student", "rmse") == 0.4
