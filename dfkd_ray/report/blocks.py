"""What a page is made of, as data. How each kind is written says the macro of its name in `templates/blocks.html`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

LONG = 15  # rows from which a table scrolls in a box of its own
FORMATS = ("png", "webp", "jpeg", "gif")  # of pictures that a page carries


# ---- in a line


@dataclass(frozen=True)
class Code:
    """Something to be read letter by letter, in a line."""

    text: str


@dataclass(frozen=True)
class Strong:
    """What a line is about."""

    text: str


@dataclass(frozen=True)
class Mark:
    """A word that has a style of its own: of a `state`, or of a `verdict`."""

    text: str
    kind: Literal["state", "verdict"]
    style: str


@dataclass(frozen=True)
class Label:
    """The short name of a setting; its full path shows when one points at it."""

    text: str
    path: str


@dataclass(frozen=True)
class Picture:
    """An encoded image that the page carries in itself; kind: one of FORMATS. alt: what those are told who see none."""

    kind: str
    data: bytes
    alt: str


@dataclass(frozen=True)
class Strip:
    """Pictures side by side."""

    pictures: Sequence[Picture]


Inline = str | Code | Strong | Mark | Label | Picture | Strip


# ---- blocks


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    style: Literal["eyebrow", "answer", "reading", "note", "warning"] | None = None


@dataclass(frozen=True)
class Heading:
    """Level 1 is the question of the page, 2 stands within a section that has no title, 3 in one that has."""

    text: str
    level: Literal[1, 2, 3] = 3


@dataclass(frozen=True)
class Empty:
    """What stands in place of something that is not there: why."""

    text: str


@dataclass(frozen=True)
class Listing:
    """Lines as they are. paste: in the style of what is there to be copied."""

    text: str
    paste: bool = False


@dataclass(frozen=True)
class Facts:
    """Names and values; a pair whose value is None or empty is left out."""

    pairs: Sequence[tuple[str, object]]

    @property
    def known(self) -> list[tuple[str, object]]:
        return [(name, value) for name, value in self.pairs if value not in (None, "")]


@dataclass(frozen=True)
class Cell:
    """A table cell: what it shows, what it sorts by, whether it is a number."""

    shown: Inline
    sort: float | None = None
    number: bool = False
    wide: bool = False


@dataclass(frozen=True)
class Table:
    """Columns sort if the first row has a cell that says by what. best: the row that is marked."""

    head: Sequence[Inline]
    rows: Sequence[Sequence[Inline | Cell]]
    caption: str | None = None
    best: int | None = None

    @property
    def cells(self) -> list[list[Cell]]:
        return [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in self.rows]

    @property
    def sortable(self) -> bool:
        return any(cell.sort is not None for cell in self.cells[0]) if self.rows else False

    @property
    def long(self) -> bool:
        return len(self.rows) > LONG

    @property
    def numbers(self) -> list[bool]:
        """Whether each column has a number."""
        return [any(row[i].number for row in self.cells) for i in range(len(self.head))]


@dataclass(frozen=True)
class Number:
    """A big number, its name, and a note."""

    value: str
    name: str
    note: str


@dataclass(frozen=True)
class Numbers:
    """Big numbers side by side; first: the first one is the answer."""

    shown: Sequence[Number]
    first: bool


@dataclass(frozen=True)
class Tick:
    """A place on a ruler, a share of its length from the left, and what stands there."""

    text: str
    share: float
    above: bool = False


@dataclass(frozen=True)
class Ruler:
    """A line from 0 to 100 %, of which a part is covered; label: what the line is of."""

    label: str
    covered: tuple[float, float]
    places: Sequence[Tick]


@dataclass(frozen=True)
class Captioned:
    """Pictures and the words under them; apart: the words stand under the title, not after it."""

    shown: Picture | Strip | None
    caption: str
    title: str = ""
    apart: bool = False


@dataclass(frozen=True)
class Gallery:
    """Captioned pictures in rows; how large is their style's."""

    style: Literal["pictures", "tiles", "saliency"]
    shown: Sequence[Captioned]


@dataclass(frozen=True)
class Panel:
    """Where a script draws the figure of this name; told: what those hear who do not see it. height: pixels."""

    identity: str
    told: str
    height: int
    caption: str | None = None


@dataclass(frozen=True)
class Charted:
    """A chart with its words, or in place of an empty one the reason why there is none."""

    identity: str
    title: str
    reading: str = ""
    panels: Sequence[Panel] = ()
    notes: Sequence[Text] = ()
    empty: str | None = None


@dataclass(frozen=True)
class TrialTable:
    """The table of trials, which a script fills and lets one work with; there is one on a page."""

    caption: str


@dataclass(frozen=True)
class Folded:
    """Something that opens at a click."""

    title: str
    shown: Sequence[Block]


Block = Text | Heading | Empty | Listing | Facts | Table | Numbers | Ruler | Gallery | Charted | TrialTable | Folded


@dataclass(frozen=True)
class Section:
    """name: in the list of contents. title: above it; None where a heading of level 1 is among the blocks."""

    identity: str
    name: str
    title: str | None
    shown: Sequence[Block]
