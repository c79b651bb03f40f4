"""Outside of the page colours are literal, and those that the page has."""

from __future__ import annotations

import json
import re
from importlib import resources

import plotly.graph_objects as go
import plotly.io as pio
import pytest

from dfkd_ray.report import theme
from dfkd_ray.report.chart import ARM_COLOURS, BEST, INK, SCALE, axis, figure

CSS = (resources.files("dfkd_ray.report") / "static" / "page.css").read_text(encoding="utf-8")


@pytest.mark.parametrize("dark", [False, True])
def test_the_palette_is_that_of_the_page(dark: bool) -> None:
    """Read with another eye: each name in its two places, the first of the light, the last of the dark."""
    found = theme.palette(dark)
    names = set(re.findall(r"var\(--([\w-]+)\)", " ".join([BEST, INK, *SCALE, *ARM_COLOURS])))
    assert names <= set(found)
    for name in names:
        both = re.findall(rf"--{name}: (#\w+);", CSS)
        assert found[name] == both[1 if dark else 0]


@pytest.mark.parametrize(("dark", "name"), [(False, "dfkd_ray"), (True, "dfkd_ray_dark")])
def test_a_figure_is_painted_with_the_template_that_is_registered(dark: bool, name: str) -> None:
    scatter = go.Scatter(x=[1, 2], y=[3, 4], marker={"color": [BEST, INK]}, line={"color": SCALE[3]})
    plain = figure([scatter], xaxis=axis("x"), annotations=[{"text": "var(--best) is text", "font": {"color": INK}}])
    made, colours = theme.painted(plain, dark), theme.palette(dark)
    assert list(made.data[0].marker.color) == [colours["best"], colours["ink"]]
    assert made.data[0].line.color == colours["scale-3"]
    assert made.layout.annotations[0].text == "var(--best) is text"
    assert made.layout.template == pio.templates[name]
    assert made.layout.template.layout.paper_bgcolor == colours["paper"]
    assert list(made.data[0].x) == [1, 2]
    assert "var(" not in json.dumps(made.layout.template.to_plotly_json())
    assert plain.data[0].line.color == SCALE[3], "the page's own is as it was"
