"""Pieces of HTML. Each function escapes what it is given, unless it is `Html` already."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LONG = 15  # rows from which a table scrolls in a box of its own
FORMATS = ("png", "webp", "jpeg", "gif")  # of pictures that a page carries


class Html(str):
    """Text that is HTML already: made by this package, its user text escaped."""


@dataclass(frozen=True)
class Cell:
    """A table cell: what it shows, what it sorts by, whether it is a number."""

    shown: str
    sort: float | None = None
    number: bool = False
    wide: bool = False


def escape(text: object) -> str:
    """Text for HTML, inside elements and inside quoted attributes."""
    return html.escape(str(text), quote=True)


def text(item: object) -> Html:
    return item if isinstance(item, Html) else Html(escape(item))


def tag(name: str, content: object, **attributes: object) -> Html:
    """An element; `class_` stands for class, `data_x` for data-x; attributes that are None are left out."""
    pairs = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value is not None)
    written = "".join(f' {key}="{escape(value)}"' for key, value in pairs)
    return Html(f"<{name}{written}>{text(content)}</{name}>")


def join(parts: Iterable[object], between: str = "") -> Html:
    return Html(between.join(text(part) for part in parts))


def paragraph(content: object, class_: str | None = None) -> Html:
    return tag("p", content, class_=class_)


def section(identity: str, title: str, *content: object) -> Html:
    return tag("section", join([tag("h2", title), *content], "\n"), id=identity)


def folded(title: str, content: object) -> Html:
    """Something that opens at a click."""
    return tag("details", join((tag("summary", title), content)))


def image(kind: str, data: bytes, alt: str) -> Html:
    """A picture that the page carries in itself; `kind`: png, webp, ..."""
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return Html(f'<img src="{escape(source)}" alt="{escape(alt)}">')


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """Names and values; a pair whose value is None or empty is left out."""
    known = ((name, value) for name, value in pairs if value not in (None, ""))
    return tag("dl", join((join((tag("dt", name), tag("dd", value))) for name, value in known), "\n"), class_="facts")


def table(
    head: Sequence[object], rows: Iterable[Sequence[object]], caption: str | None = None, best: int | None = None
) -> Html:
    """A table in a box of its own that scrolls; columns sort if the first row has a cell that says by what."""
    body = [list(row) for row in rows]
    cells = [[cell if isinstance(cell, Cell) else Cell(text(cell)) for cell in row] for row in body]
    sortable = bool(cells) and any(cell.sort is not None for cell in cells[0])
    top = join(_head(name, [row[i] for row in cells], sortable) for i, name in enumerate(head))
    lines = join(
        (tag("tr", join(map(_cell, row)), class_="best" if i == best else None) for i, row in enumerate(cells)), "\n"
    )
    title = tag("caption", caption) if caption else Html()
    whole = tag("table", join((title, tag("thead", tag("tr", top)), tag("tbody", lines)), "\n"))
    kind = "box" + (" sortable" if sortable else "") + (" long" if len(body) > LONG else "")
    return tag("div", whole, class_=kind, tabindex="0", role="group", aria_label=caption or "Table")


def _head(name: object, column: Sequence[Cell], sortable: bool) -> Html:
    number = any(cell.number for cell in column)
    return tag(
        "th", tag("button", name, type="button") if sortable else name, scope="col", class_="n" if number else None
    )


def _cell(cell: Cell) -> Html:
    kind = "n" if cell.number else "wide" if cell.wide else None
    missing = "" if cell.number and cell.sort is None else None
    return tag("td", cell.shown, class_=kind, data_sort=missing if cell.sort is None else repr(cell.sort))
