"""The pages of the documentation that are written by hand, and the blocks of code in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "pages"
FENCE = re.compile(r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<text>.*?)^```$", re.M | re.S)
NOT_TESTED = re.compile(r"<!-- not tested: [^\n]+ -->\n\Z")


class Block(NamedTuple):
    """A block of code: where it begins, its language, its title, and whether the page says that no test runs it."""

    line: int
    language: str
    title: str
    text: str
    tested: bool


def blocks(page: Path) -> list[Block]:
    """Of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            text[: found.start()].count("\n") + 1,
            found["language"],
            found["title"] or "",
            found["text"],
            NOT_TESTED.search(text[: found.start()]) is None,
        )
        for found in FENCE.finditer(text)
    ]


def commands(block: Block) -> Iterator[list[str]]:
    """The commands of a shell block, word by word; a backslash goes on in the next line."""
    for line in block.text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words
