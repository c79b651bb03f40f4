"""The page of an evaluation: self-contained, honest about what is missing, and safe with any text."""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from dfkd_ray.report import build
from dfkd_ray.report.evaluation.page import page
from dfkd_ray.report.evaluation.view import EvaluationTables
from dfkd_ray.util import tables
from dfkd_ray.util.words import NBSP
from tests.report.evaluations import EVIL, evaluation, hostile, write
from tests.report.packed import unpacked
from tests.report.test_page import Reader


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without Plotly itself, which takes time to read."""
    monkeypatch.setattr("dfkd_ray.report.page.get_plotlyjs", lambda: "")


SECTIONS = ["summary", "confusions", "classes", "calibration", "images", "saliency", "features", "provenance"]


def noted(made: EvaluationTables, **changes: object) -> EvaluationTables:
    note = json.dumps({**tables.metadata(made.evaluation), **changes}).encode()
    return replace(made, evaluation=made.evaluation.replace_schema_metadata({tables.METADATA_KEY: note}))


def text(made: EvaluationTables) -> str:
    return re.sub(r"\s+", " ", Reader(page(made)).text.replace(NBSP, " "))


def test_build_writes_the_page_beside_its_tables(tmp_path: Path) -> None:
    write(tmp_path, evaluation())
    assert build(tmp_path) == tmp_path / "evaluation.html"
    assert {p.name for p in tmp_path.iterdir()} == {"evaluation.arrow", "examples.arrow", "evaluation.html"}


@pytest.mark.parametrize("make", [evaluation, lambda: evaluation(200, 800), lambda: evaluation(2, 9, teacher=False)])
def test_every_section_and_every_plot_is_there_and_nothing_comes_from_elsewhere(make: object) -> None:
    assert callable(make)
    html = page(make())
    read = Reader(html)
    assert [a["id"] for tag, a in read.elements if tag == "section"] == SECTIONS
    plots = {a["id"] for _, a in read.elements if a.get("class") == "plot"}
    assert plots == set(json.loads(unpacked(html, "figures")))
    assert len(plots) == 2 + 2 * len(make().networks)
    sources = [a["src"] for tag, a in read.elements if tag == "img"]
    assert sources
    assert all(source is not None and source.startswith("data:image/png;base64,") for source in sources)
    assert all(a.get("alt") for tag, a in read.elements if tag == "img")
    heads = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h[1-6]", tag)]
    assert all(b - a <= 1 for a, b in itertools.pairwise(heads))
    assert "evaluation.arrow and examples.arrow beside it" in read.text


@pytest.mark.usefixtures("_short")
def test_the_numbers_are_told_in_words() -> None:
    made = evaluation()
    measures = made.note["measures"]
    said = text(made)
    one, other = (f"{100 * measures[n]['top1']:.1f} %" for n in ("student", "teacher"))
    assert (
        f"The student (resnet8) names {one} of 400 test images of gliders right, its teacher (resnet8) {other}" in said
    )
    assert "chance is 10.0 %. It is not sure enough" in said
    assert f"Agreement{100 * measures['agreement']:.1f} %with the teacher's top class; KL 0.5 nats" in said
    assert "calibration error of 12.3 %" in said
    assert "Top-5 accuracy" in said
    sure = {**measures, "student": {**measures["student"], "confidence": 0.99}}
    assert "It is too sure of itself" in text(noted(made, measures=sure))


@pytest.mark.usefixtures("_short")
def test_what_is_missing_is_said() -> None:
    made = noted(evaluation(plane=False), plane={"missing": "t-SNE needs scikit-learn"})
    made = noted(made, looks={"missing": {"student": "no known stages"}})
    said = text(made)
    assert "Not drawn: t-SNE needs scikit-learn." in said
    assert "Of the student it cannot be told: no known stages" in said
    assert "Teacher too" not in text(evaluation(teacher=False))
    flawless = text(evaluation(wrong=0.0))
    assert "The student confuses no two classes." in flawless
    assert "The student made no mistake." in flawless
    assert "is flattered here" in text(noted(evaluation(), split="val"))
    assert "is flattered here" not in text(evaluation())
    run = {**made.note["run"], "own_teacher": False}
    assert "not the one that taught the student" in text(noted(evaluation(), run=run))


@pytest.mark.usefixtures("_short")
def test_the_most_confused_pairs_have_their_images() -> None:
    made = evaluation(classes=4, images=80)
    html = page(made)
    table = html[html.index("The most confused pairs") : html.index('id="classes"')]
    rows = re.findall(r"<tr><td.*?</tr>", table, re.S)
    assert len(rows) == len(made.confused)
    pair = made.confused[0]
    assert rows[0].startswith(f"<tr><td>{made.classes[pair['label']]}</td><td>{made.classes[pair['named']]}</td>")
    assert 2 <= rows[0].count("<img") <= 4


@pytest.mark.usefixtures("_short")
@pytest.mark.parametrize("note", [{}, {"measures": [1], "task": 3, "networks": "x", "run": None, "looks": 5}])
def test_a_table_without_sound_metadata_makes_a_page_too(note: dict[str, object]) -> None:
    made = evaluation()
    bare = json.dumps({"schema": tables.SCHEMA_VERSION, **note}).encode()
    made = replace(made, evaluation=made.evaluation.replace_schema_metadata({tables.METADATA_KEY: bare}))
    assert "How good is the student?" in page(made)


def test_text_of_a_user_stays_text() -> None:
    html = page(hostile()).encode("utf-8", "replace").decode()
    read = Reader(html)
    assert len(read.scripts) == 3
    assert not [a for _, a in read.elements if any(key.startswith("on") for key in a)]
    assert EVIL[1] in read.text
    json.loads(unpacked(html, "figures"), parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))
