"""Lines that fit the terminal they are printed on."""

from __future__ import annotations

import shutil
import textwrap
from typing import TextIO

NARROWEST = 20  # columns


def wrapped(text: str, out: TextIO, indent: int = 2) -> str:
    """The text within the width of `out`, further lines of each of its lines further in; as it is where that is no
    terminal.

    No word is broken: a path that is copied from there is whole.
    """
    if not out.isatty():
        return text.rstrip()
    width = max(NARROWEST, shutil.get_terminal_size().columns)
    return "\n".join(_filled(line, width, indent) for line in text.rstrip().splitlines() or [""])


def _filled(line: str, width: int, indent: int) -> str:
    if len(line) <= width:
        return line
    under = " " * (len(line) - len(line.lstrip()) + indent)
    return textwrap.fill(line, width, subsequent_indent=under, break_on_hyphens=False, break_long_words=False)
