"""One self-contained page: HTML, styles, Plotly and every figure in one file that loads nothing from elsewhere.

`page` is that of a study; `document` makes any page of its sections.

The page states this as its own policy (Content-Security-Policy): only its own scripts, named by their hashes, may run,
and nothing may be fetched. A name with a script in it stays text even where somebody has forgotten to escape it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from importlib import resources
from string import Template
from typing import Any

import pyarrow as pa
from plotly.offline import get_plotlyjs

import dfkd_ray.report.charts  # noqa: F401  registers every chart
from dfkd_ray.report import ablation, evidence, published, sections
from dfkd_ray.report.chart import ARMS, EFFECTS, SECTIONS, Drawn, View, charts
from dfkd_ray.report.markup import Html, escape, join, paragraph, section, tag
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words
from dfkd_ray.util.tables import OPTIONAL, SCHEMAS

Figures = dict[str, Any]
Body = dict[str, tuple[str, Html]]  # anchor -> title, content


def page(tables: Tables) -> str:
    """The whole page of a study."""
    figures: Figures = {}
    body = _ablation(tables, figures) if tables.is_ablation else _sweep(tables, figures)
    body |= {
        "trials": ("All trials", sections.trials(tables)),
        "failures": ("Failures and early stops", evidence.failures(tables)),
        "budget": ("What it cost", evidence.budget(tables)),
        "provenance": ("Provenance", evidence.provenance(tables)),
    }
    kinds = [*SCHEMAS, *(OPTIONAL if tables.is_ablation else ())]
    return document(str(tables.study.get("study") or "A study"), body, figures, kinds)


def document(title: str, body: Body, figures: Figures, kinds: Iterable[str]) -> str:
    """Sections as one page, of which only those are told that have content; `kinds`: the tables that it came from."""
    body = {key: (name, content) for key, (name, content) in body.items() if content}
    *others, last = (tag("code", f"{kind}.arrow") for kind in kinds)
    plotly, script = (_newlines(code) for code in (get_plotlyjs(), _file("page.js")))
    return Template(_file("page.html")).substitute(
        policy=_policy(plotly, script),
        title=escape(f"{title} · dfkd-ray"),
        style=_file("page.css"),
        contents=join(tag("li", tag("a", title, href=f"#{key}")) for key, (title, _) in body.items()),
        body=join((content for _, content in body.values()), "\n"),
        sources=join((join(others, ", "), last), " and "),
        figures=embedded(figures),
        plotly=plotly,
        script=script,
    )


def _sweep(tables: Tables, figures: Figures) -> Body:
    """What a sweep's page begins with: the best trial, and every section of charts that applies."""
    return {
        "summary": ("The answer", sections.summary(tables)),
        "best": ("The best settings", sections.best(tables)),
        "images": ("The images", sections.pictures(tables)),
        **{identity(name): (name, _charts(name, tables, figures)) for name in SECTIONS},
    }


def _ablation(tables: Tables, figures: Figures) -> Body:
    """What an ablation's page begins with: its effects, arms and design, then the best trial's images and charts."""
    more = {EFFECTS: ablation.effect_tables, ARMS: ablation.arm_tables}
    first = {identity(name): (name, _charts(name, tables, figures, told(tables))) for name, told in more.items()}
    return {
        "summary": ("The answer", sections.summary(tables)),
        **first,
        "design": ("The design", ablation.design(tables)),
        published.identity(): (published.TITLE, published.side_by_side(tables)),
        "images": ("The images", sections.pictures(tables)),
        **{identity(name): (name, _charts(name, tables, figures)) for name in SECTIONS if name not in more},
    }


def _charts(name: str, tables: Tables, figures: Figures, *more: Html) -> Html:
    """A section of charts, in the order of their rank, with what stands under them; empty where no chart applies."""
    own = sorted((charts[key].rank, key) for key in charts if charts[key].section == name)
    blocks = [block(key, charts[key], tables, figures) for _, key in own]
    return section(identity(name), name, *blocks, *more) if any(blocks) else Html()


def block(key: str, chart: type[Drawn[View]], tables: View, figures: Figures) -> Html:
    """A chart with its words; in place of an empty plot the reason why there is none."""
    if not chart.applies(tables):
        return Html()
    rows = chart.prepare(tables)
    head = [tag("h3", chart.title)]
    if not rows.num_rows:
        return tag("div", join([*head, tag("div", chart.empty, class_="empty")]), class_="chart-block", id=key)
    panels = list(dict.fromkeys(rows["panel"].to_pylist())) if chart.panels else [None]
    plots = []
    for index, panel in enumerate(panels):
        own = rows if panel is None else rows.filter(pa.compute.equal(rows["panel"], panel))
        plots.append(_plot(f"plot-{key}-{index}", chart, own, panel if len(panels) > 1 else None, figures))
    warnings = [paragraph(warning, "note warning") for warning in chart.warnings(rows)]
    notes = [paragraph(note, "note") for note in chart.notes(rows)]
    body = tag("div", join(plots, "\n"), class_="panels")
    return tag(
        "div",
        join([*head, paragraph(chart.reading, "reading"), body, *warnings, *notes], "\n"),
        class_="chart-block",
        id=key,
    )


def _plot(key: str, chart: type[Drawn[View]], rows: pa.Table, panel: str | None, figures: Figures) -> Html:
    figure = json.loads(chart.draw(rows).to_json())
    figure["layout"].pop("template", None)  # the page has its own, light and dark
    figures[key] = figure
    caption = tag("h4", words.shorten(panel, 60)) if panel is not None else Html()
    told = f"{chart.title}{f': {panel}' if panel else ''}. {chart.reading}"
    height = f"height:{figure['layout']['height']}px"
    plot = tag("div", "", class_="plot", id=key, role="img", aria_label=told, style=height)
    return tag("div", join((caption, plot)), class_="panel")


def embedded(data: object) -> str:
    """JSON inside a script element: no `<`, so that nothing in it can end the element or open a comment."""
    return json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def identity(name: str) -> str:
    return name.lower().replace(" ", "-")


def _policy(*scripts: str) -> str:
    hashes = (base64.b64encode(hashlib.sha256(code.encode()).digest()).decode() for code in scripts)
    allowed = " ".join(f"'sha256-{code}'" for code in hashes)
    rules = [
        "default-src 'none'",
        f"script-src {allowed}",
        "style-src 'unsafe-inline'",
        "img-src data: blob:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(rules)


def _newlines(code: str) -> str:
    """As a browser reads it: the hash is taken of that."""
    return code.replace("\r\n", "\n").replace("\r", "\n")


def _file(name: str) -> str:
    return (resources.files("dfkd_ray.report") / "static" / name).read_text(encoding="utf-8")
