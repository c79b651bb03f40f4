"""`open`: the page of a study in the browser that the machine has."""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path

import pytest

from tests.cli.commands import dfkd, refused
from tests.report import studies


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: found.append(address) or True)
    return found


def test_a_page_is_built_where_it_is_missing_or_old_and_opened(tmp_path: Path, opened: list[str]) -> None:
    folder = studies.write(tmp_path / "reports/mhad", studies.demo())
    done = dfkd("open", "mhad", cwd=tmp_path)
    assert done == (0, f"opened {Path('reports/mhad/report.html')}\n", "")
    page = folder / "report.html"
    assert opened == [page.as_uri()]
    page.write_text("as it was")
    assert dfkd("open", "reports/mhad", "--trial", 3, cwd=tmp_path).code == 0
    assert (page.read_text(), opened[-1]) == ("as it was", f"{page.as_uri()}#trial-3")
    none = "reports/mhad has no trial 12: they go from 0 to 11"
    assert (refused("open", "mhad", "--trial", 12, cwd=tmp_path), len(opened)) == (none, 2)
    os.utime(page, ns=(0, 0))
    assert dfkd("open", "mhad", cwd=tmp_path).code == 0
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_where_there_is_no_browser_the_address_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = studies.write(tmp_path / "mhad", studies.demo()) / "report.html"
    page.write_text("there")
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    said = f"no browser is at hand here; the page is {page.as_uri()}\n"
    assert dfkd("open", "mhad", cwd=tmp_path) == (0, said, "")


def test_a_study_that_is_not_there_is_said_with_those_that_are(tmp_path: Path) -> None:
    none = "mhd: there is no such folder; under reports/ is no study"
    assert refused("open", "mhd", cwd=tmp_path) == none
    studies.write(tmp_path / "reports/mhad", studies.study())
    assert refused("open", "mhd", cwd=tmp_path) == "mhd: there is no such folder; under reports/ are mhad"
