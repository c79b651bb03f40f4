"""Text stays text, whatever it stands in; and each kind of block is written, and by its own macro alone."""

from __future__ import annotations

import dataclasses
import inspect
import re
from html.parser import HTMLParser
from typing import Any

import jinja2
import pytest

from dfkd_ray.report import blocks, rendering
from dfkd_ray.report.blocks import Cell, Label, Listing, Panel, Picture, Ruler, Table, Text, Tick
from dfkd_ray.report.rendering import render, show

EVIL = "\"><script>'&</script>"
OPTIONS: dict[str, Any] = {"level": 3, "style": EVIL, "kind": EVIL, "sort": 1.5, "share": 0.7, "height": 40, "best": 0}
KINDS = dict(inspect.getmembers(blocks, dataclasses.is_dataclass))


def made(kind: type, plain: bool = False) -> Any:
    """A block of this kind with hostile text wherever there is text; plain: with none of what it need not have."""
    given: dict[str, Any] = {}
    for field in dataclasses.fields(kind):
        if plain and field.default is not dataclasses.MISSING:
            continue
        parts: dict[str, Any] = {
            "head": [EVIL],
            "rows": [[Cell(EVIL, 1.5, number=True)], [EVIL]],
            "pairs": [(EVIL, EVIL), ("left out", None)],
            "pictures": [Picture("png", b"\x00", EVIL)],
            "covered": (0.25, 0.5),
            "places": [Tick(EVIL, 0.7, above=True)],
            "panels": [Panel(EVIL, EVIL, 40, EVIL)],
            "notes": [Text(EVIL, "warning")],
            "data": b"\x00",
            "shown": {"Numbers": [blocks.Number(EVIL, EVIL, EVIL)], "Gallery": [blocks.Captioned(None, EVIL, EVIL)]},
        }
        value = parts.get(field.name, OPTIONS.get(field.name, True if field.type == "bool" else EVIL))
        if field.name == "shown":
            value = value.get(kind.__name__, [Text(EVIL)] if kind.__name__ in ("Folded", "Section") else Text(EVIL))
        given[field.name] = value
    return kind(**given)


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {key for key, _ in attrs}
        if tag not in ("img", "br", "wbr", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_text_of_a_user_is_no_html_in_any_block(name: str, plain: bool) -> None:
    if name in ("Number", "Tick"):
        return  # parts of others, which write them
    html = show(made(KINDS[name], plain))
    read = Elements(html)
    assert read.open == []
    assert "script" not in read.names
    assert not {key for key in read.attributes if not re.fullmatch(r"[a-z-]+", key) or key.startswith("on")}
    assert "&lt;script&gt;" in html


def test_each_kind_of_block_has_its_macro_and_no_macro_is_left_over() -> None:
    written = {name for name in dir(rendering._environment().get_template("blocks.html").module) if name[0] != "_"}
    assert written == {name.lower() for name in KINDS} - {"number", "tick"} | {"anchor", "classed"}


def test_what_is_no_block_is_text() -> None:
    assert show("<a href='x'>&\"") == "&lt;a href=&#39;x&#39;&gt;&amp;&#34;"
    assert show(3) == "3"
    with pytest.raises(jinja2.UndefinedError):
        render("page.html")


def test_blocks_by_hand() -> None:
    assert show(Text("a", "warning")) == '<p class="note warning">a</p>'
    assert show(Text("a")) == "<p>a</p>"
    assert show(Label("kd.weight", "student_loss.kd.weight")) == (
        '<span class="path" title="student_loss.kd.weight">kd.<wbr>weight</span>'
    )
    assert show(Listing("a\n  b\n")) == '<pre tabindex="0"><code>a\n  b\n</code></pre>'
    assert show(Picture("png", b"\x00\xff", "a")) == '<img src="data:image/png;base64,AP8=" alt="a">'
    assert show(Cell("1.5", 1.5, number=True)) == '<td class="n" data-sort="1.5">1.5</td>'
    assert show(Cell("-", number=True)) == '<td class="n" data-sort="">-</td>'
    assert show(Cell("a", wide=True)) == '<td class="wide">a</td>'
    ruler = show(Ruler("Accuracy", (0.1, 0.35), [Tick("student 35 %", 0.35, above=True), Tick("teacher 90 %", 0.9)]))
    assert 'aria-label="Accuracy: student 35 %, teacher 90 %"' in ruler
    assert 'class="reach" style="left:10.00%;width:25.00%"' in ruler
    assert 'class="mark above" style="left:35.00%"' in ruler
    assert 'class="mark late" style="left:90.00%"' in ruler


def test_a_table_sorts_where_its_first_row_says_by_what_and_scrolls_where_it_is_long() -> None:
    short = show(Table(["a", "b"], [[Cell("x", 1.0, number=True), "y"]], "C", best=0))
    assert '<div class="box sortable" tabindex="0" role="group" aria-label="C">' in short
    assert '<th scope="col" class="n"><button type="button">a</button></th><th scope="col">' in short
    assert '<tr class="best"><td class="n" data-sort="1.0">x</td><td>y</td></tr>' in short
    assert '<div class="box" ' in show(Table(["a"], [["x"]] * 15))
    long = show(Table(["a"], [["x"]] * 16))
    assert '<div class="box long" ' in long
    assert "<caption>" not in long
    assert 'aria-label="Table"' in long
    assert '<th scope="col">a</th>' in show(Table(["a"], []))
