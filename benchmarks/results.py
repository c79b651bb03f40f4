"""RESULTS.md as the commands keep it: a marked block for each, which the same command rewrites."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

END = "<!-- end of what is kept -->"


def mark(words: Sequence[str]) -> str:
    """The line that a block of this command begins with."""
    return f"<!-- kept by: {shlex.join(words)} -->"


def block(words: Sequence[str], said: str, found: str) -> str:
    """What a benchmark printed; a table stays one, all else keeps its lines. said: on what, and when."""
    text = found.strip("\n")
    if not re.search(r"^\|---", text, re.MULTILINE):
        text = f"```\n{text}\n```"
    return f"{mark(words)}\n`python -m benchmarks {shlex.join(words)}`, {said}:\n\n{text}\n{END}"


def kept(results: str, words: Sequence[str], new: str, title: str) -> str:
    """`results` with the block `new` in the place of this command's last one, else behind the others of the same
    benchmark, else at the end, under a heading of its own."""
    begin, name = re.escape(mark(words)), re.escape(f"<!-- kept by: {words[0]}")
    if re.search(begin, results):
        return re.sub(rf"{begin}\n.*?{END}", lambda found: new, results, count=1, flags=re.DOTALL)
    same = list(re.finditer(rf"{name}[ \n].*?{END}\n?", results, flags=re.DOTALL))
    if same:
        at = same[-1].end()
        return f"{results[:at].rstrip()}\n\n{new}\n{results[at:]}"
    return f"{results.rstrip()}\n\n## {title.rstrip('.')}\n\n{new}\n"
