"""What a chart is: two functions, `prepare` (tables to rows) and `draw` (rows to a figure), and the words around them.

A new chart is one file in `charts/`: it registers itself and says where on the page it stands. Colours are the CSS
variables of `page.css` (`var(--best)`), which the page resolves: one palette, light and dark. Text of a user goes
through `plain` or `hover` before Plotly sees it.
"""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words
from dfkd_ray.util.registry import Registry

EFFECTS, ARMS, SEARCH, SETTINGS, SELECTION, TRAINING, RUN = (
    "The effects",
    "The arms",
    "The search",
    "The settings",
    "Choosing without real images",
    "Inside the best trial",
    "Learning curves",
)
SECTIONS = (EFFECTS, ARMS, SEARCH, SETTINGS, SELECTION, TRAINING)  # of a study; RUN is of a single run

BEST, COMPLETE, PRUNED, FAILED = "var(--best)", "var(--complete)", "var(--pruned)", "var(--failed)"
INK, MUTED, PAPER = "var(--ink)", "var(--muted)", "var(--paper)"
HELPS, HURTS = COMPLETE, FAILED  # effects; with shapes of their own
RULE, FAINT = "var(--rule)", "var(--grid)"  # the line of an axis; lines that are there but do not count
LABEL = {"yanchor": "middle", "showarrow": False, "bgcolor": PAPER, "borderpad": 0}  # text inside a chart
SCALE = tuple(f"var(--scale-{i})" for i in range(9))  # from poor to good

# The arms of an ablation: a colour each, then again with another dash.
ARM_COLOURS = tuple(f"var(--arm-{i})" for i in range(8))
ARM_DASHES = ("solid", "dash", "dot")
ARM_SYMBOLS = ("circle", "square", "diamond")

# How a trial of each kind looks, everywhere: by shape as well as by colour.
MARKERS: Mapping[str, Mapping[str, Any]] = {
    "complete": {"color": COMPLETE, "symbol": "circle", "size": 9, "line": {"color": PAPER, "width": 1}},
    "pruned": {"color": PRUNED, "symbol": "circle-open", "size": 8, "line": {"width": 1.5}},
    "running": {"color": PRUNED, "symbol": "diamond-open", "size": 8, "line": {"width": 1.5}},
    "failed": {"color": FAILED, "symbol": "x-thin", "size": 9, "line": {"color": FAILED, "width": 2}},
    "best": {"color": BEST, "symbol": "star", "size": 15, "line": {"color": PAPER, "width": 1}},
}
ROLES = {"complete": "complete", "pruned": "stopped", "running": "running", "failed": "failed", "best": "best"}


View = TypeVar("View")  # the tables that a chart is prepared from


def escaped(text: object, most: int = 48) -> str:
    """Text for a Plotly label. Plotly reads some HTML there (b, br, a, sub, ...) and decodes &amp; &lt; &gt; only."""
    return html.escape(words.shorten(str(text), most), quote=False)


def hover(text: str) -> str:
    """Lines of text for a Plotly hover box."""
    return "<br>".join(escaped(line, 90) for line in text.split("\n"))


class Drawn(Generic[View]):
    """The base of every chart. With `panels`, rows have a column `panel`, and each of its values is drawn by itself."""

    title: ClassVar[str]
    reading: ClassVar[str]  # one sentence: how to read this
    empty: ClassVar[str]  # why there is nothing to show where prepare returns no rows
    panels: ClassVar[bool] = False

    @staticmethod
    def prepare(tables: View) -> pa.Table:
        """What is drawn, one row a mark; no rows if there is nothing worth drawing."""
        raise NotImplementedError

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        """The figure, from the rows alone."""
        raise NotImplementedError

    @staticmethod
    def applies(tables: View) -> bool:
        """Whether the chart makes sense for these tables; the page leaves it out otherwise."""
        return True

    @staticmethod
    def warnings(rows: pa.Table) -> list[str]:
        """What the reader should act on, as plain text; stands out under the chart."""
        return []

    @staticmethod
    def notes(rows: pa.Table) -> list[str]:
        """Facts about these rows, as plain text under the chart."""
        return []


class Chart(Drawn[Tables]):
    """The base of every chart of a study."""

    section: ClassVar[str] = SEARCH
    rank: ClassVar[int] = 100  # order within the section


charts: Registry[type[Chart]] = Registry("chart")


def role(tables: Tables, number: int, state: str) -> str:
    """How a trial is drawn: by its state, or as the best."""
    if tables.best is not None and tables.best.number == number:
        return "best"
    return state if state in MARKERS else "running"


def arm_style(place: int | None) -> dict[str, str]:
    """Colour, dash and symbol of the arm at this place; None: one of the many without a colour of their own."""
    if place is None:
        return {"color": PRUNED, "dash": "solid", "symbol": "circle-open"}
    colour, turn = place % len(ARM_COLOURS), place // len(ARM_COLOURS) % len(ARM_DASHES)
    return {"color": ARM_COLOURS[colour], "dash": ARM_DASHES[turn], "symbol": ARM_SYMBOLS[turn]}


def by_role(rows: pa.Table) -> Iterable[tuple[str, dict[str, list[Any]]]]:
    """The rows of each role that occurs, the best last, so that it lies on top."""
    data = rows.to_pydict()
    for name in ("failed", "running", "pruned", "complete", "best"):
        chosen = [i for i, r in enumerate(data["role"]) if r == name]
        if chosen:
            yield name, {key: [column[i] for i in chosen] for key, column in data.items()}


def points(name: str, x: Sequence[Any], y: Sequence[Any], own: Mapping[str, Sequence[Any]], **more: Any) -> go.Scatter:
    """Trials of one role as marks; `own`: their rows, with columns `trial` and `about`."""
    style = {"mode": "markers", "marker": dict(MARKERS[name]), "name": ROLES[name], "hoverinfo": "text"}
    said = [hover(text) for text in own["about"]]
    return go.Scatter(x=x, y=y, hovertext=said, **{**style, **linked(name, own["trial"]), **more})


def staircase(x: Sequence[Any], y: Sequence[Any], name: str) -> go.Scatter:
    """What was best until then, as a line that steps where something became better."""
    style = {"shape": "hv", "color": BEST, "width": 1.5}
    return go.Scatter(x=x, y=y, mode="lines", line=style, name=name, hoverinfo="skip")


def linked(name: str | None, trials: Sequence[int | None]) -> dict[str, Any]:
    """What ties the marks of a trace to their trials: a click opens a trial, what is chosen elsewhere stands out here.

    name: the role of all of them, by which the page may hide them.
    """
    return {"customdata": list(trials), "meta": name}


def figure(traces: Iterable[Any], height: int = 360, **layout: Any) -> go.Figure:
    """A figure without a template of its own: the page brings one for light and one for dark."""
    made = go.Figure(list(traces), layout={"template": go.layout.Template(), "height": height, **layout})
    return made


def axis(label: str, metric: str | None = None, **more: Any) -> dict[str, Any]:
    """An axis with a title; of a metric that is a share in per cent, and not beyond 0 and 100 %."""
    unit = metrics.NONE if metric is None else metrics.find(metric).unit
    shares: dict[str, Any] = {"tickformat": ".3~p"} if unit.head == "%" else {}
    if unit.high < math.inf:
        shares["autorangeoptions"] = {"clipmin": unit.low - 0.02, "clipmax": unit.high + 0.02}
    return {"title": {"text": escaped(label, 60)}, **shares, **more}


def integer_axis(label: str, values: Sequence[int]) -> dict[str, Any]:
    """An axis of whole numbers, such as epochs or trials: no tick between two of them."""
    few = max(values, default=0) - min(values, default=0) <= 12
    ticks: dict[str, Any] = {"dtick": 1} if few else {}
    return axis(label, zeroline=False, **ticks)


def constant(rows: pa.Table, column: str) -> Any:
    """The value of a column that is the same in every row."""
    return rows[column][0].as_py()


def place_axis(label: str, kind: str, low: float, high: float, options: Sequence[str]) -> dict[str, Any]:
    """The axis of a searched setting over its whole domain, so that an empty part of it is seen."""
    if kind == "choice":
        names = [escaped(option, 16) for option in options]
        ends = [-0.5, max(len(options), 1) - 0.5]
        return axis(
            label, range=ends, zeroline=False, showgrid=False, tickvals=list(range(len(options))), ticktext=names
        )
    if kind == "log":
        ends, ticks = [math.log10(low), math.log10(high)], _log_ticks(low, high)
        more: dict[str, Any] = {"type": "log", "tickvals": ticks, "ticktext": [f"{t:g}" for t in ticks]}
    else:
        ends, more = [low, high], {}
    pad = 0.04 * (ends[1] - ends[0]) or 0.5
    return axis(label, range=[ends[0] - pad, ends[1] + pad], zeroline=False, **more)


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten, with 2 and 5 between them where the range is short, every few powers where it is long."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if math.log10(high / low) < 2 else (1,)
    powers = range(first, last + 1, max(1, (last - first) // 6))
    return [t for p in powers for s in steps if low * 0.999 <= (t := s * 10.0**p) <= high * 1.001]


def jitter(places: Sequence[float], trials: Sequence[int], kind: str) -> list[float]:
    """Options have a column each: set trials apart within it, always in the same way."""
    return [x + ((t * 0.618) % 1 - 0.5) * 0.36 if kind == "choice" else x for x, t in zip(places, trials)]
