"""One self-contained page: HTML, styles, Plotly and every figure in one file that loads nothing from elsewhere.

`page` is that of a study; `document` makes any page of its sections. Plotly and the figures travel packed (gzip, in
base64) and are unpacked by page.js: 2 MB instead of 4.8 MB, and what several charts say of a trial costs nothing twice.

The page states this as its own policy (Content-Security-Policy): only its own scripts, named by their hashes, may run,
and nothing may be fetched. A name with a script in it stays text even where somebody has forgotten to escape it.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any

import pyarrow as pa
from plotly.offline import get_plotlyjs

import dfkd_ray.report.charts  # noqa: F401  registers every chart
from dfkd_ray.report import ablation, compared, confirmed, evidence, grid, one_run, published, sections, thinning
from dfkd_ray.report.blocks import Block, Charted, Panel, Section, Text
from dfkd_ray.report.chart import ARMS, EFFECTS, RUN, SECTIONS, TRAINING, Drawn, View, charts
from dfkd_ray.report.details import details
from dfkd_ray.report.rendering import render
from dfkd_ray.report.trial import TrialRow
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words
from dfkd_ray.util.progress import each
from dfkd_ray.util.tables import OPTIONAL, SCHEMAS

Figures = dict[str, Any]
BESIDE = "beside it"
DRAWING = ("drawing", "sections")  # what is told of progress
SCRIPTS = ("page.js", "table.js", "trial.js", "explore.js", "live.js")  # one script, in this order


def page(tables: Tables, folder: str = "STUDY") -> str:
    """The whole page of a study, or of a single run. folder: as one types it, for the commands that it suggests."""
    figures: Figures = {}
    if (run := tables.run) is not None:
        place = "in the study's folder, two above this one" if tables.alone else BESIDE
        return document(one_run.title(tables, run), _run(tables, run, figures), figures, SCHEMAS, place)
    first = _ablation(tables, figures) if tables.is_ablation else _sweep(tables, figures)
    last = [sections.trials(tables), evidence.failures(tables), evidence.budget(tables), evidence.provenance(tables)]
    kinds = [*SCHEMAS, *(OPTIONAL if tables.is_ablation else ())]
    trials = grid.data(tables) | {"folder": folder, "details": details(tables)} if tables.all else None
    return document(str(tables.study.get("study") or "A study"), [*first, *last], figures, kinds, trials=trials)


def comparison(studies: compared.Studies) -> str:
    """The whole page of several studies."""
    figures: Figures = {}
    curves = block("best_curves", compared.BestCurves, studies, figures)
    shown = [
        compared.summary(studies),
        compared.differences(studies),
        Section("curves", "Learning curves", "Learning curves", [curves] if curves is not None else []),
        compared.arms(studies),
        compared.trials(studies),
    ]
    return document(words.listed(list(studies)), shown, figures, SCHEMAS, f"of {words.listed(list(studies))}")


def document(
    title: str,
    shown: Iterable[Section | None],
    figures: Figures,
    kinds: Iterable[str],
    place: str = BESIDE,
    trials: Mapping[str, Any] | None = None,
) -> str:
    """Those sections that are there as one page; `kinds`: the tables that it came from, `place`: where they stand.

    trials: what the table of trials is filled with, see `grid`.
    """
    script = "\n".join(map(_file, SCRIPTS))
    return render(
        "page.html",
        policy=_policy(get_plotlyjs(), script),
        title=title,
        style=_file("page.css"),
        sections=[section for section in shown if section is not None],
        kinds=list(kinds),
        place=place,
        figures=packed(_line(figures)),
        trials=None if trials is None else packed(_line(trials)),
        plotly=_packed_plotly(get_plotlyjs()),
        script=script,
    )


def _sweep(tables: Tables, figures: Figures) -> list[Section | None]:
    """What a sweep's page begins with: the best trial, and every section of charts that applies."""
    first = [sections.summary(tables), confirmed.section(tables), sections.best(tables), sections.pictures(tables)]
    return [*first, *(_charts(name, tables, figures) for name in each(SECTIONS, *DRAWING))]


def _ablation(tables: Tables, figures: Figures) -> list[Section | None]:
    """What an ablation's page begins with: its effects, arms and design, then the best trial's images and charts."""
    more = {EFFECTS: ablation.effect_tables, ARMS: ablation.arm_tables}
    return [
        sections.summary(tables),
        *(_charts(name, tables, figures, *told(tables)) for name, told in more.items()),
        ablation.design(tables),
        published.side_by_side(tables),
        sections.pictures(tables),
        *(_charts(name, tables, figures) for name in each([n for n in SECTIONS if n not in more], *DRAWING)),
    ]


def _run(tables: Tables, run: TrialRow, figures: Figures) -> list[Section]:
    """A single run: what it came to, its settings, curves, images and numbers; nothing is compared."""
    curves = [*_blocks(RUN, tables, figures), *_blocks(TRAINING, tables, figures)]
    return [
        one_run.summary(tables, run),
        one_run.settings(tables, run),
        Section(identity(RUN), RUN, RUN, curves),
        sections.pictures(tables),
        one_run.figures(tables, run),
        one_run.provenance(tables, run),
    ]


def _charts(name: str, tables: Tables, figures: Figures, *more: Block) -> Section | None:
    """A section of charts, with what stands under them; None where no chart applies."""
    found = _blocks(name, tables, figures)
    return Section(identity(name), name, name, [*found, *more]) if found else None


def _blocks(name: str, tables: Tables, figures: Figures) -> list[Charted]:
    """The charts of a section that apply, in the order of their rank."""
    own = sorted((charts[key].rank, key) for key in charts if charts[key].section == name)
    return [chart for _, key in own if (chart := block(key, charts[key], tables, figures)) is not None]


def block(key: str, chart: type[Drawn[View]], tables: View, figures: Figures) -> Charted | None:
    """A chart with its words, whose figures are put among `figures`; None where it does not apply."""
    if not chart.applies(tables):
        return None
    rows = chart.prepare(tables)
    if not rows.num_rows:
        return Charted(key, chart.title, empty=chart.empty)
    names = list(dict.fromkeys(rows["panel"].to_pylist())) if chart.panels else [None]
    panels = []
    for index, name in enumerate(names):
        own = rows if name is None else rows.filter(pa.compute.equal(rows["panel"], name))
        panels.append(_panel(f"plot-{key}-{index}", chart, own, name if len(names) > 1 else None, figures))
    said = [*chart.notes(rows), *thinning.said(rows)]
    notes = [*(Text(text, "warning") for text in chart.warnings(rows)), *(Text(text, "note") for text in said)]
    return Charted(key, chart.title, chart.reading, panels, notes)


def _panel(key: str, chart: type[Drawn[View]], rows: pa.Table, panel: str | None, figures: Figures) -> Panel:
    figure = json.loads(chart.draw(rows).to_json())
    figure["layout"].pop("template", None)  # the page has its own, light and dark
    figures[key] = figure
    told = f"{chart.title}{f': {panel}' if panel else ''}. {chart.reading}"
    return Panel(key, told, figure["layout"]["height"], None if panel is None else words.shorten(panel, 60))


def _line(data: object) -> str:
    return json.dumps(data, allow_nan=False, separators=(",", ":"))


def packed(text: str) -> str:
    """Text as gzip in base64: nothing in it can end the element that it stands in, or open a comment."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


_packed_plotly = functools.cache(packed)


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


def _file(name: str) -> str:
    """Lines end as a browser reads them: hashes are taken of that, and reading as text makes it so."""
    return (resources.files("dfkd_ray.report") / "static" / name).read_text(encoding="utf-8")
