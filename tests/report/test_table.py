"""The table of trials in a real browser: searched, filtered, sorted, exported, opened, and linked with the charts."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from dfkd_ray.report import build
from dfkd_ray.report.details import command
from tests.report import browsing
from tests.report.browsing import WebDriverWait, show
from tests.report.studies import MHAD, demo, hostile, large, write

browser = browsing.browser
pytestmark = browsing.MARKS
TABLES = demo()
ROWS = "return [...document.querySelectorAll('#grid tbody tr[id]')].map(row => row.id)"
COUNT = "return document.getElementById('grid-count').textContent"
FADED = """return document.getElementById('plot-history-0').data.filter(t => t.customdata)
  .flatMap(t => t.selectedpoints ? t.customdata.filter((_, i) => t.selectedpoints.includes(i)) : ['all'])"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("demo"), TABLES)


@pytest.fixture(scope="module")
def opened(browser: Any, folder: Path) -> Any:
    show(browser, build(folder).as_uri(), 1280)
    return browser


@pytest.fixture
def page(opened: Any) -> Any:
    """The page as it is before anybody has done anything, opened once for all tests."""
    opened.execute_script("location.hash = ''; document.querySelector('#grid-tools [name=clear]').click()")
    until(opened, COUNT, "12 trials")
    return opened


def until(browser: Any, script: str, wanted: Any) -> None:
    WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(script) == wanted)


def fill(browser: Any, where: str, value: str, event: str = "input") -> None:
    browser.execute_script(
        "const field = document.querySelector(arguments[0]); field.value = arguments[1];"
        "field.dispatchEvent(new Event(arguments[2], {bubbles: true}));",
        where,
        value,
        event,
    )


def test_a_search_finds_rows_and_they_stand_out_in_the_charts(page: Any) -> None:
    fill(page, "#grid-tools [name=search]", "FAILED finite")
    wanted = [trial.number for trial in TABLES.all if trial.state == "failed"]
    until(page, COUNT, f"{len(wanted)} of 12 trials")
    assert page.execute_script(ROWS) == [f"trial-{n}" for n in wanted]
    fill(page, "#grid-tools [name=search]", "")
    fill(page, "#grid-tools [name=state]", "complete", "change")
    complete = [trial.number for trial in TABLES.all if trial.complete]
    until(page, ROWS, [f"trial-{n}" for n in complete])
    WebDriverWait(page, 20).until(lambda driver: sorted(driver.execute_script(FADED)) == complete)
    page.execute_script("document.querySelector('#grid-tools [name=clear]').click()")
    WebDriverWait(page, 20).until(lambda driver: set(driver.execute_script(FADED)) == {"all"})


def test_a_range_is_typed_as_the_column_shows_it(page: Any) -> None:
    fill(page, "[aria-label='Validation accuracy, from']", "70")
    wanted = [trial.number for trial in TABLES.all if trial.value is not None and trial.value >= 0.7]
    assert 0 < len(wanted) < 12
    until(page, ROWS, [f"trial-{n}" for n in wanted])


def test_columns_are_chosen_and_exports_hold_what_is_shown(page: Any) -> None:
    choose = """const box = [...document.querySelectorAll('#grid-columns label')]
      .find(l => l.textContent.trim() === 'Fingerprint').firstElementChild; box.click();
      return [...document.querySelectorAll('#grid thead th')].map(th => th.textContent);"""
    assert "Fingerprint" in page.execute_script(choose)
    rows = list(csv.DictReader(io.StringIO(page.execute_script("return table.csv()"), newline="")))
    assert [row["Fingerprint"] for row in rows] == [f"f{n:07x}" for n in range(12)]
    assert [float(row[MHAD]) for row in rows] == [trial.changes[MHAD] for trial in TABLES.all]
    told = json.loads(page.execute_script("return table.json()"))
    assert [row["Validation accuracy"] for row in told] == [trial.value for trial in TABLES.all]
    assert "Fingerprint" not in page.execute_script(choose)


def test_a_trial_opens_by_its_address_with_what_to_copy_and_escape_closes_it(page: Any) -> None:
    page.execute_script("document.querySelector('#trial-3 a').click()")
    until(page, "return document.querySelector('#trial[open] h2')?.textContent", "Trial 3")
    until(page, "return document.querySelectorAll('#trial .js-line').length", 1)
    listings = page.execute_script("return [...document.querySelectorAll('#trial pre')].map(pre => pre.textContent)")
    assert listings[0] == command(TABLES, TABLES.all[3])
    assert yaml.safe_load(listings[1]) == json.loads(TABLES.all[3].row["method"])
    page.execute_script("document.querySelector('#trial a[aria-label=\"The trial below\"]').click()")
    until(page, "return document.querySelector('#trial[open] h2')?.textContent", "Trial 4")
    page.execute_script("dispatchEvent(new KeyboardEvent('keydown', {key: 'Escape'}))")
    until(page, "return [document.getElementById('trial').open, location.hash]", [False, ""])
    assert page.get_log("browser") == []


def test_a_mark_that_is_clicked_opens_its_trial(page: Any) -> None:
    page.execute_script("document.getElementById('plot-history-0').emit('plotly_click', {points: [{customdata: 2}]})")
    until(page, "return document.querySelector('#trial[open] h2')?.textContent", "Trial 2")


def test_boxes_on_two_axes_choose_the_trials_that_are_in_both(page: Any) -> None:
    both = """const points = arguments[0].map(([y, customdata]) => ({y, customdata}));
      document.getElementById('plot-parallel-0').emit('plotly_selected', {points});"""
    page.execute_script(both, [[0, 1], [0, 2], [0, 4], [3, 2], [3, 4], [3, 6]])
    until(page, COUNT, "2 of 12 trials, chosen in a chart")
    assert page.execute_script(ROWS) == ["trial-2", "trial-4"]
    page.execute_script("document.getElementById('plot-parallel-0').emit('plotly_deselect')")
    until(page, COUNT, "12 trials")


def test_stopped_trials_are_hidden_everywhere_and_an_axis_may_be_in_powers(page: Any) -> None:
    press = "[...document.querySelectorAll('.toggle')].find(b => b.textContent === arguments[0]).click()"
    metas = "return document.getElementById('plot-history-0').data.map(t => t.meta).filter(Boolean)"
    page.execute_script(press, "Hide stopped trials")
    until(page, metas, ["complete", "best"])
    complete = [f"trial-{trial.number}" for trial in TABLES.all if trial.complete]
    until(page, ROWS, complete)
    page.execute_script(press, "Hide stopped trials")
    until(page, COUNT, "12 trials")
    page.execute_script("document.querySelector('#history .toggle').click()")
    until(page, "return document.getElementById('plot-history-0').layout.yaxis.type", "log")
    page.execute_script("document.querySelector('#history .toggle').click()")


def test_axes_are_chosen_and_a_surface_is_drawn_between_complete_trials(page: Any) -> None:
    fill(page, "#explore [name=x]", "high_order.weight", "change")
    fill(page, "#explore [name=y]", "kd.temperature", "change")
    fill(page, "#explore [name=colour]", "Validation accuracy", "change")
    page.execute_script("document.querySelector('#explore [name=surface]').click()")
    kinds = "return document.getElementById('explore-plot').data.map(trace => trace.type)"
    until(page, kinds, ["contour", "scatter"])
    drawn = page.execute_script("return document.getElementById('explore-plot').data[1].x")
    assert drawn == [t.changes[MHAD] for t in TABLES.all if t.value is not None]
    fill(page, "#explore [name=colour]", "State", "change")
    until(page, kinds, ["scatter"] * 3)


def test_of_thousands_only_the_rows_in_sight_are_in_the_document(browser: Any, tmp_path: Path) -> None:
    show(browser, build(write(tmp_path / "large", large(1000))).as_uri(), 1280)
    until(browser, COUNT, "1000 trials")
    assert len(browser.execute_script(ROWS)) < 80
    browser.execute_script("document.getElementById('grid').scrollTop = 1e9")
    WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(ROWS)[-1] == "trial-999")
    assert len(browser.execute_script(ROWS)) < 80
    browser.execute_script("location.hash = '#trial-718'")
    until(browser, "return document.querySelector('#trial[open] h2')?.textContent", "Trial 718")


def test_text_of_a_user_stays_text_in_the_table_and_in_a_trial(browser: Any, tmp_path: Path) -> None:
    show(browser, f"{build(write(tmp_path / 'hostile', hostile())).as_uri()}#trial-0", 1280)
    until(browser, "return document.querySelector('#trial[open] h2')?.textContent", "Trial 0")
    assert browser.execute_script("return window.hacked === undefined")
    inside = "return document.querySelectorAll('#trials img, #trials script, #trials [onmouseover]').length"
    assert browser.execute_script(inside) == 0
    assert "</script>" in browser.execute_script("return document.getElementById('trial').textContent")
