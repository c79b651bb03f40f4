"""The page in a real browser: drawn, legible on a desk and on a phone, and fetching nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.report import build
from dfkd_ray.report.view import Tables
from tests.report import ablations, browsing, evaluations
from tests.report.browsing import WebDriverWait, show
from tests.report.studies import demo, hostile, large, noted, one_run, study, write

browser = browsing.browser
pytestmark = browsing.MARKS


def several() -> Tables:
    one = demo(fail=False)
    rows = [{**r, "objectives": [*(r["objectives"] or []), 0.01 * r["trial"]]} for r in one.trials.to_pylist()]
    return study(rows, one.steps.to_pylist(), note=noted(objective=["val_accuracy", "kl/source"]))


STUDIES = {
    "demo": demo,
    "hostile": lambda: hostile(several=True),
    "several": several,
    "many": lambda: demo(60),
    "large": lambda: large(several=True),
    "empty": study,
    "one run": one_run,
    "ablation": ablations.factorial,
    "hostile ablation": ablations.hostile,
}


EVALUATIONS = {
    "evaluation": lambda: evaluations.evaluation(200, 1000),
    "hostile evaluation": evaluations.hostile,
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("pages")
    made = {name: write(root / name, make()) for name, make in STUDIES.items()}
    made |= {name: evaluations.write(root / name, make()) for name, make in EVALUATIONS.items()}
    return {name: build(folder).as_uri() for name, folder in made.items()}


SIZES = """return [...document.querySelectorAll('.plot')].map(plot => {
  const box = plot.querySelector('svg.main-svg')?.getBoundingClientRect();
  const marks = plot.querySelectorAll('.scatterlayer path, .barlayer path, .contourlayer path,'
    + '.heatmaplayer image').length;
  return {id: plot.id, width: box?.width ?? 0, height: box?.height ?? 0, room: plot.clientWidth, marks};
})"""


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", [*STUDIES, *EVALUATIONS])
def test_each_chart_is_drawn_and_the_page_does_not_scroll_sideways(
    browser: Any, pages: dict[str, str], name: str, width: int
) -> None:
    show(browser, pages[name], width)
    assert browser.get_log("browser") == []
    drawn = browser.execute_script(SIZES)
    assert name == "empty" or len(drawn) >= (6 if name in EVALUATIONS else 8)
    for plot in drawn:
        assert plot["width"] == pytest.approx(plot["room"], abs=1), plot
        assert plot["width"] > 200, plot
        assert plot["height"] > 60, plot
        assert plot["marks"] > 0, plot
    assert browser.execute_script("return document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_the_trials_of_a_pair_stand_out_while_one_of_them_is_pointed_at(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["ablation"], 1280)
    widths = """return [...document.querySelectorAll('#plot-arm_means-0 .js-line')].map(l => l.style.strokeWidth)"""
    middle = """document.getElementById('arm_means').scrollIntoView({behavior: 'instant'});
      const mark = document.querySelector('#plot-arm_means-0 .scatterlayer .points path').getBoundingClientRect();
      return [mark.x + mark.width / 2, mark.y + mark.height / 2];"""
    x, y = browser.execute_script(middle)
    for place, wanted in (((x, y), "2px"), ((2, 2), "1px")):
        browser.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": "mouseMoved", "x": place[0], "y": place[1]})
        WebDriverWait(browser, 20).until(lambda driver, wanted=wanted: driver.execute_script(widths)[0] == wanted)
    assert browser.get_log("browser") == []


def test_no_request_leaves_the_page(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["demo"], 1280)
    fetched = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert [name for name in fetched if not name.startswith("data:")] == []


def test_text_of_a_user_runs_nothing_and_is_shown_as_it_is(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["hostile"], 1280)
    assert browser.execute_script("return window.hacked === undefined")
    assert browser.execute_script("return document.querySelectorAll('.plot a, .plot img, .plot script').length") == 0
    shown = browser.execute_script(
        "return [...document.querySelectorAll('.plot text')].map(t => t.textContent).join(' ')"
    )
    assert "%{x}</a>" in shown
    assert "&lt;" in shown  # the user's own entity, not decoded twice


def test_dark_and_light_each_have_text_that_stands_out(browser: Any, pages: dict[str, str]) -> None:
    contrast = """
      const light = (rgb) => { const [r, g, b] = rgb.match(/[\\d.]+/g).map(v => { v /= 255;
        return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); 
        return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
      const ground = light(getComputedStyle(document.body).backgroundColor);
      const seen = ['body', '.reading', '.answer', '.numbers .first .big',
        'summary', '.plot .xtick text', '.plot .legendtext'];
      return seen.map(name => { const one = document.querySelector(name), style = getComputedStyle(one);
        const own = light(one instanceof SVGElement ? style.fill : style.color);
        return [name, (Math.max(own, ground) + 0.05) / (Math.min(own, ground) + 0.05)]; });"""
    grounds = []
    for dark in (False, True):
        show(browser, pages["demo"], 1280, dark)
        for name, ratio in browser.execute_script(contrast):
            least = 3.0 if name == ".numbers .first .big" else 4.5  # WCAG 2.1 AA; big text needs less
            assert ratio >= least, (name, dark)
        grounds.append(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert grounds[0] != grounds[1]


def test_a_change_of_scheme_redraws_the_charts(browser: Any, pages: dict[str, str]) -> None:
    colour = "return getComputedStyle(document.querySelector('.plot .xtick text')).fill"
    show(browser, pages["demo"], 1280)
    before = browser.execute_script(colour)
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
    assert browser.execute_script(colour) != before


def test_the_table_sorts_both_ways_and_keeps_what_is_missing_at_the_end(browser: Any, pages: dict[str, str]) -> None:
    show(browser, pages["demo"], 1280)
    read = """const table = document.querySelector('#trials table');
      [...table.querySelectorAll('thead button')].find(b => b.textContent === 'Validation accuracy').click();
      return [...table.tBodies[0].rows].map(row => row.cells[2].dataset.sort);"""
    for sign in (1, -1):
        values = browser.execute_script(read)
        known = [sign * float(v) for v in values if v]
        assert known == sorted(known)
        assert values[len(known) :] == [""] * (len(values) - len(known))
        assert len(known) == 11


def test_the_printed_page_is_light_and_fits_its_sheet(browser: Any, pages: dict[str, str], tmp_path: Path) -> None:
    show(browser, pages["demo"], 1280, dark=True)
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") == "rgb(253, 253, 252)"
    assert max(plot["width"] for plot in browser.execute_script(SIZES)) <= 680
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert browser.execute_script("return getComputedStyle(document.body).backgroundColor") != "rgb(253, 253, 252)"


def test_a_browser_that_cannot_unpack_says_which_ones_can(browser: Any, pages: dict[str, str]) -> None:
    old = "Page.addScriptToEvaluateOnNewDocument", {"source": "delete window.DecompressionStream"}
    mark = browser.execute_cdp_cmd(*old)["identifier"]
    try:
        show(browser, pages["demo"], 1280)
    finally:
        browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": mark})
    said = browser.execute_script(
        "return [...new Set([...document.querySelectorAll('.plot')].map(p => p.textContent))]"
    )
    assert said == [
        "This chart needs a newer browser (Chrome 80, Firefox 113 or Safari 16.4); "
        "its numbers are in the tables beside this page."
    ]
