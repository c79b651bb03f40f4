"""A study's own plug-ins are found again by whoever looks at it, as far as they are what they were."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dfkd_ray.report.chart import charts
from dfkd_ray.runs import plugins
from dfkd_ray.runs.recalling import recall
from dfkd_ray.tune.ledger import NAME, encode

CHART = """from dfkd_ray import register


@register.chart("own_recalled")
class Own:
    title = "Mine"
    section = "curves"
"""


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose ledger names a plug-in, which nobody has loaded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    own = tmp_path / "own_chart.py"
    own.write_text(CHART)
    plugins.load([str(own)])
    provenance = {"plugins": plugins.facts([str(own)])}
    begun = {"kind": "study", "study": {"plugins": [str(own)]}, "provenance": provenance}
    (tmp_path / NAME).write_bytes(encode(begun))
    plugins.drop("own_chart")
    yield tmp_path
    plugins.drop("own_chart")
    sys.path_importer_cache.clear()


def said(folder: Path, *given: str) -> list[str]:
    lines: list[str] = []
    recall(folder, given, lines.append)
    return lines


def test_what_is_as_it_was_is_loaded_without_a_word(study: Path) -> None:
    assert "own_recalled" not in charts
    assert said(study) == []
    assert "own_recalled" in charts


def test_what_has_changed_or_is_gone_is_left_out_and_said(study: Path) -> None:
    own = study / "own_chart.py"
    own.write_text(CHART.replace("Mine", "Other"))
    (line,) = said(study)
    assert line.startswith(f"{study}: without its plug-in own_chart, and the charts of it: it has changed since (")
    assert line.endswith(" here); --plugin FILE loads one")
    assert "own_recalled" not in charts
    own.unlink()
    assert said(study) == [
        f"{study}: without its plug-in own_chart, and the charts of it: {own}: there is no such file; "
        "--plugin FILE loads one"
    ]


def test_one_that_is_given_stands_for_that_of_its_name(study: Path) -> None:
    (study / "own_chart.py").unlink()
    assert said(study, "elsewhere/own_chart.py") == []


def test_what_is_no_study_has_none(tmp_path: Path) -> None:
    assert said(tmp_path) == []
