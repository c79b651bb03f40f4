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


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.1."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear))


def contrast(a: str, b: str) -> float:
    """By WCAG 2.1: 1 to 21."""
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def mixed(colour: str, ground: str, share: float) -> str:
    both = zip(*([int(each[i : i + 2], 16) for i in (1, 3, 5)] for each in (colour, ground)))
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in both)


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005), "a well-known near miss"


@pytest.mark.parametrize("dark", [False, True])
def test_text_and_marks_stand_out(dark: bool) -> None:
    """WCAG 2.1 AA: text 4.5 to 1, graphics 3 to 1."""
    found = theme.palette(dark)
    grounds = [found["paper"], found["raised"], mixed(found["best"], found["paper"], 0.11)]  # the row of the best trial
    assert "color-mix(in srgb, var(--best) 11%, transparent)" in CSS
    for name in ("ink", "muted", "accent"):
        assert min(contrast(found[name], ground) for ground in grounds) >= 4.5, name
    assert contrast(found["best"], found["paper"]) >= 4.5, "a number on the ruler"
    assert contrast(found["paper"], found["accent"]) >= 4.5, "a button that is pressed"
    for name in ("complete", "best", "pruned", "failed", "accent", *(f"arm-{i}" for i in range(len(ARM_COLOURS)))):
        assert min(contrast(found[name], found[ground]) for ground in ("paper", "raised")) >= 3, name
    assert contrast(found["scale-8"], found["scale-0"]) >= 3, "from poor to good"


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
