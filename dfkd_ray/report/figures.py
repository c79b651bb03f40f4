"""One chart of a page by its name, as a figure that stands alone."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

import dfkd_ray.report.charts  # noqa: F401  registers every chart
from dfkd_ray.report.chart import SECTIONS, charts, escaped
from dfkd_ray.report.theme import ABOVE, painted
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words
from dfkd_ray.util.errors import StudyError, UnknownName
from dfkd_ray.util.registry import did_you_mean


def names(tables: Tables) -> list[str]:
    """The charts that make sense for a study, in the order of its page."""
    own = [name for name in charts if charts[name].applies(tables)]
    order = [*SECTIONS, *(charts[name].section for name in own)]
    return sorted(own, key=lambda name: (order.index(charts[name].section), charts[name].rank, name))


def figure(tables: Tables, name: str, panel: str | None = None, dark: bool = False) -> go.Figure:
    """A chart of the page; panel: of several the one with this title, else the first.

    UnknownName for another name or title, StudyError where the study has nothing to show there.
    """
    if name not in charts:
        raise UnknownName(f"unknown figure {name!r}{did_you_mean(name, names(tables))}")
    chart = charts[name]
    if not chart.applies(tables):
        raise StudyError(f"{name} is not for this study: it has {words.listed(names(tables))}")
    rows = chart.prepare(tables)
    if not rows.num_rows:
        raise StudyError(f"{name}: {chart.empty}")
    known = list(dict.fromkeys(rows["panel"].to_pylist())) if chart.panels else []
    if panel is not None and panel not in known:
        raise UnknownName(f"{name} has no panel {panel!r}{did_you_mean(panel, known)}")
    title = chart.title
    if known:
        shown = panel or known[0]
        rows = rows.filter(pa.compute.equal(rows["panel"], shown))
        title = f"{title}: {escaped(shown)}" if len(known) > 1 else title
    made = painted(chart.draw(rows), dark)
    return made.update_layout(title={"text": title}, height=made.layout.height + ABOVE)
