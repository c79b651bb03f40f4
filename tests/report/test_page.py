from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from plotly.offline import get_plotlyjs

from dfkd_ray.report.page import page
from dfkd_ray.report.view import Tables
from tests.report import ablations
from tests.report.packed import unpacked
from tests.report.studies import EVIL, demo, hostile, large


class Reader(HTMLParser):
    """What a browser makes of the page: its elements, the text of its scripts, its visible text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.inside = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside == "script":
            self.scripts[-1] += data
        elif self.inside != "style":
            self.text += data


@pytest.fixture(scope="module")
def html() -> str:
    return page(demo())


@pytest.fixture(scope="module")
def read(html: str) -> Reader:
    return Reader(html)


@pytest.mark.parametrize("name", ablations.STUDIES)
def test_the_page_of_an_ablation_has_its_own_sections_and_nothing_of_a_search(name: str) -> None:
    html = page(ablations.STUDIES[name]())
    read = Reader(html)
    own = [attrs["id"] for tag, attrs in read.elements if tag == "section"]
    shown = ["published-and-measured"] if name in ("arms by hand", "hostile ablation") else []
    rest = ["images", "choosing-without-real-images", "inside-the-best-trial"]
    end = ["trials", "failures", "budget", "provenance"]
    assert own == ["summary", "the-effects", "the-arms", "design", *shown, *rest, *end]
    contents = [(a["href"] or "")[1:] for tag, a in read.elements if tag == "a" and "class" not in a]
    assert contents == own
    assert "effects.arrow" in read.text
    heads = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h[1-6]", tag)]
    assert all(b - a <= 1 for a, b in itertools.pairwise(heads))
    plots = {a["id"] for _, a in read.elements if a.get("class") == "plot"}
    assert plots - {"explore-plot"} == set(json.loads(unpacked(html, "figures")))


def test_the_page_of_a_sweep_says_nothing_of_arms(html: str) -> None:
    assert 'id="the-effects"' not in html
    assert "effects.arrow" not in html


def test_plotly_is_embedded_exactly_once_and_packed(html: str) -> None:
    assert unpacked(html, "plotly") == get_plotlyjs()
    assert get_plotlyjs()[:200] not in html
    assert len(html) < 0.6 * len(get_plotlyjs())


def test_a_page_grows_no_more_once_a_study_is_large() -> None:
    few, many = (len(page(large(count))) for count in (2000, 4000))
    assert many < 1.1 * few


def test_the_same_tables_make_the_same_page() -> None:
    assert page(demo()) == page(demo())


def test_nothing_is_loaded_from_elsewhere(read: Reader) -> None:
    loading = {"src", "href", "srcset", "data", "action", "poster", "background"}
    named = [(tag, value) for tag, attrs in read.elements for key, value in attrs.items() if key in loading]
    assert named
    assert all(value is not None and value.startswith(("#", "data:")) for _, value in named)
    assert not [tag for tag, _ in read.elements if tag in ("iframe", "object", "embed", "base")]


def test_the_styles_fetch_nothing(html: str) -> None:
    style = html.split("<style>")[1].split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_the_policy_forbids_every_fetch_and_every_other_script(html: str, read: Reader) -> None:
    policy = next(a["content"] or "" for _, a in read.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    run = [unpacked(html, "plotly"), read.scripts[3]]
    running = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in run}
    assert allowed == running


def test_every_link_of_the_contents_has_its_section_and_every_plot_its_figure(html: str, read: Reader) -> None:
    places = {attrs["id"] for _, attrs in read.elements if "id" in attrs}
    assert all((a["href"] or "")[1:] in places for tag, a in read.elements if tag == "a")
    plots = {a["id"] for _, a in read.elements if a.get("class") == "plot"}
    assert plots - {"explore-plot"} == set(json.loads(unpacked(html, "figures")))
    assert len(plots) >= 10


def test_pictures_and_plots_have_a_text_for_those_who_do_not_see_them(read: Reader) -> None:
    assert all(a.get("alt") for tag, a in read.elements if tag == "img")
    assert all(a.get("aria-label") for _, a in read.elements if a.get("class") in ("plot", "ruler"))
    heads = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h[1-6]", tag)]
    assert heads.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(heads))


@pytest.mark.parametrize("make", [hostile, ablations.hostile])
def test_text_of_a_user_stays_text(make: Callable[[], Tables]) -> None:
    html = page(make()).encode("utf-8", "replace").decode()
    read = Reader(html)
    assert len(read.scripts) == 4
    assert not [a for _, a in read.elements if any(key.startswith("on") for key in a)]
    assert [tag for tag, a in read.elements if tag == "img" and not (a["src"] or "").startswith("data:image/png")] == []
    assert not [a for tag, a in read.elements if tag == "a" and not (a["href"] or "").startswith("#")]
    assert EVIL[1] in read.text
    assert EVIL[2] in read.text
    json.loads(unpacked(html, "figures"))


@pytest.mark.parametrize("make", [hostile, lambda: hostile(True), ablations.hostile])
def test_plotly_gets_no_tag_of_a_user_to_read(make: Callable[[], Tables]) -> None:
    html = page(make())
    figures = json.loads(unpacked(html, "figures"))
    own = re.compile(r"</?b>|<br>")  # the page's own

    def texts(item: object) -> list[str]:
        if isinstance(item, dict):
            return [t for value in item.values() for t in texts(value)]
        return (
            [t for value in item for t in texts(value)]
            if isinstance(item, list)
            else [item]
            if isinstance(item, str)
            else []
        )

    assert any("&lt;" in text for text in texts(figures))
    assert not [text for text in texts(figures) if "<" in own.sub("", text)]
    assert not [text for text in texts(figures) if "<b on" in text]


def test_the_report_needs_no_torch_no_ray_and_no_optuna() -> None:
    code = "import sys, dfkd_ray.report.page; print(*sorted({'torch', 'ray', 'optuna'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
