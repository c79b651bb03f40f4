"""The colours of the page for figures that stand outside of it: literal ones, light and dark.

`page.css` has the palette. Importing this module registers two templates with Plotly, `dfkd_ray` and `dfkd_ray_dark`,
which say of a figure what page.js says of those of the page.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any

import plotly.graph_objects as go
import plotly.io as pio

LIGHT, DARK = "dfkd_ray", "dfkd_ray_dark"
_COLOUR = re.compile(r"--([\w-]+):\s*(#[0-9a-fA-F]{3,8})\s*;")
_VARIABLE = re.compile(r"var\(--([\w-]+)\)")
ABOVE = 76  # pixels over a plot for title and legend, which a page has beside it
_DARK = "@media (prefers-color-scheme: dark)"
_STEPS = 9  # of the scale from poor to good
_FONT = "system-ui, -apple-system, Segoe UI, Roboto, Helvetica Neue, Noto Sans, Arial, sans-serif"


@functools.cache
def palette(dark: bool) -> Mapping[str, str]:
    """The page's colours by name; dark: what is not another there is as in the light."""
    css = (resources.files("dfkd_ray.report") / "static" / "page.css").read_text(encoding="utf-8")
    light, _, rest = css.partition(_DARK)
    found = dict(_COLOUR.findall(light))
    return found | dict(_COLOUR.findall(rest.partition("\n}")[0])) if dark else found


def painted(figure: go.Figure, dark: bool) -> go.Figure:
    """The figure with literal colours in place of the page's variables, and the template that goes with them."""
    made = go.Figure(_literal(figure.to_dict(), palette(dark)))
    return made.update_layout(template=DARK if dark else LIGHT)


def _literal(item: Any, colours: Mapping[str, str]) -> Any:
    if isinstance(item, str):
        found = _VARIABLE.fullmatch(item)
        return item if found is None else colours[found[1]]
    if isinstance(item, dict):
        return {key: _literal(inner, colours) for key, inner in item.items()}
    return [_literal(inner, colours) for inner in item] if isinstance(item, list | tuple) else item


def _template(dark: bool) -> go.layout.Template:
    own = palette(dark)
    small = {"size": 12, "color": own["muted"]}
    title = {"font": {"size": 13, "color": own["muted"]}}
    line = {"gridcolor": own["grid"], "linecolor": own["rule"], "zerolinecolor": own["rule"], "zeroline": False}
    axis = {**line, "automargin": True, "ticks": "", "tickfont": small, "title": {**title, "standoff": 10}}
    scale = [[step / (_STEPS - 1), own[f"scale-{step}"]] for step in range(_STEPS)]
    layout = {
        "font": {"family": _FONT, "size": 13, "color": own["ink"]},
        "paper_bgcolor": own["paper"],
        "plot_bgcolor": own["paper"],
        "title": {"x": 0.02, "font": {"size": 16, "color": own["ink"]}},
        "margin": {"l": 16, "r": 16, "t": 12 + ABOVE, "b": 16},
        "xaxis": {**axis, "showgrid": False, "showline": True},
        "yaxis": axis,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "font": small},
        "hoverlabel": {"bgcolor": own["raised"], "bordercolor": own["rule"], "font": small | {"color": own["ink"]}},
        "hovermode": "closest",
        "coloraxis": {"colorscale": scale, "colorbar": {"tickfont": small, "title": title}},
    }
    return go.layout.Template(layout=layout)


pio.templates[LIGHT], pio.templates[DARK] = _template(dark=False), _template(dark=True)
