"""The page of an evaluation of dense targets; what all pages keep: see test_page."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from dfkd_ray.report import build
from dfkd_ray.report.evaluation.dense_page import page
from dfkd_ray.report.evaluation.dense_view import DenseTables
from dfkd_ray.util import tables
from dfkd_ray.util.words import NBSP
from tests.report.dense_evaluations import depth, segmentation, write
from tests.report.packed import unpacked
from tests.report.studies import EVIL
from tests.report.test_page import Reader


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without Plotly itself, which takes time to read."""
    monkeypatch.setattr("dfkd_ray.report.page.get_plotlyjs", lambda: "")


def text(made: DenseTables) -> str:
    return re.sub(r"\s+", " ", Reader(page(made)).text.replace(NBSP, " "))


def noted(made: DenseTables, **changes: object) -> DenseTables:
    note = json.dumps({**tables.metadata(made.evaluation), **changes}).encode()
    return replace(made, evaluation=made.evaluation.replace_schema_metadata({tables.METADATA_KEY: note}))


@pytest.mark.parametrize(
    ("make", "sections"),
    [
        (segmentation, ["summary", "images", "classes", "by-image", "provenance"]),
        (depth, ["summary", "images", "by-image", "provenance"]),
    ],
)
def test_images_targets_and_predictions_stand_side_by_side(
    make: Callable[..., DenseTables], sections: list[str], tmp_path: Path
) -> None:
    assert build(write(tmp_path, make())) == tmp_path / "evaluation.html"
    html = (tmp_path / "evaluation.html").read_text()
    read = Reader(html)
    assert [a["id"] for tag, a in read.elements if tag == "section"] == sections
    assert {a["id"] for _, a in read.elements if a.get("class") == "plot"} == set(json.loads(unpacked(html, "figures")))
    alts = [a["alt"] for tag, a in read.elements if tag == "img" and "image 8" in str(a["alt"])]
    assert alts == [
        *("The image, image 8", "Its target, image 8"),
        *("What the teacher tells, image 8", "What the student tells, image 8"),
    ]
    assert "dense.arrow and examples.arrow beside it" in read.text


def test_a_segmentation_is_told_by_its_mean_iou() -> None:
    said = text(segmentation())
    assert (
        "The student (resnet8) has a mean IoU of 25.0 % on 20 test images of gliders, its teacher (resnet8) 50.0 %."
        in said
    )
    assert "image 8: mean IoU of the teacher 40.0 % and student 20.0 %" in said
    assert "The table of the classes says which colour is which." in said
    assert "wing40.0 %80.0 %100.0 %" in said
    assert "tail0.0 %–100.0 %" in said, "of a class that is nowhere there is no area"
    assert "teacher" not in text(segmentation(teacher=False))


def test_a_depth_is_told_by_three_measures() -> None:
    said = text(depth())
    assert "has a share within 1.25 of 50.0 % on 20 test images of gliders, its teacher (resnet8) 75.0 %." in said
    assert "RMSE0.40.4" in said
    assert "Violet is near (1.5 or less), yellow is far (4 or more)." in said
    assert "20, split test" in said
    assert "is flattered here" in text(noted(depth(), split="val"))
    assert "is flattered here" not in said


@pytest.mark.parametrize("note", [{}, {"measures": [1], "positions": 3, "depths": "x", "of_image": None, "task": 3}])
def test_a_table_without_sound_metadata_makes_a_page_too(note: dict[str, object]) -> None:
    bare = json.dumps({"schema": tables.SCHEMA_VERSION, **note}).encode()
    for made in (segmentation(), segmentation(images=0)):
        assert "How good is the student?" in text(
            replace(made, evaluation=made.evaluation.replace_schema_metadata({tables.METADATA_KEY: bare}))
        )


def test_text_of_a_user_stays_text() -> None:
    made = noted(segmentation(names=EVIL), split=EVIL[3], task={"name": EVIL[0]})
    html = page(made).encode("utf-8", "replace").decode()
    read = Reader(html)
    assert not [a for _, a in read.elements if any(key.startswith("on") for key in a)]
    assert EVIL[1] in read.text
    json.loads(unpacked(html, "figures"), parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))
