"""Markdown from plain text: what a docstring says stays as it is written, whatever signs its formulas use."""

from __future__ import annotations

import io
import re
import textwrap
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout
from typing import Any

import yaml
from typer.main import get_command

from dfkd_ray import cli

WIDTH = 84  # columns of a formula
ARXIV = re.compile(r"\barXiv[: ](\d{4}\.\d{4,5})")


def text(said: str) -> str:
    """Prose as Markdown in one line: `code` stays code, all else means itself, papers are links."""
    parts = re.split(r"(`[^`]*`)", " ".join(said.split()))
    return "".join(part if part.startswith("`") else _linked(_plain(part)) for part in parts)


def _plain(said: str) -> str:
    escaped = re.sub(r"([\\*_\[\]#])", r"\\\1", said)
    for sign, entity in {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;"}.items():
        escaped = escaped.replace(sign, entity)
    return escaped


def _linked(said: str) -> str:
    return ARXIV.sub(r"[\g<0>](https://arxiv.org/abs/\1)", said)


def code(said: Any) -> str:
    """A word of code within prose or a table."""
    return f"`{said}`"


def value(data: Any) -> str:
    """A value as a method's or a study's file would have it, in one line."""
    written = yaml.safe_dump(data, default_flow_style=True, sort_keys=False, width=10**6)
    return str(written).removesuffix("...\n").strip()


def fence(said: str, language: str = "text") -> str:
    """A block of code."""
    return f"```{language}\n{said.strip()}\n```"


def formula(said: str) -> str:
    """A formula with the words around it, in the signs of the docstring."""
    return fence(textwrap.fill(" ".join(said.split()), WIDTH, break_long_words=False, break_on_hyphens=False))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; cells are Markdown already."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell or ' ' for cell in line)} |" for line in lines)


def page(title: str, *blocks: str) -> str:
    """A page: its title, and what stands under it; empty blocks are left out."""
    return "\n\n".join([f"# {title}", *(block for block in blocks if block)]) + "\n"


def folded(title: str, block: str) -> str:
    """A block that a reader opens."""
    return "\n".join([f'??? note "{title}"', "", textwrap.indent(block, "    ")])


def printed(*words: str) -> str:
    """What a command line of dfkd-ray writes to the terminal."""
    with redirect_stdout(io.StringIO()) as out:
        get_command(cli.app).main([*words], standalone_mode=False)
    return out.getvalue().rstrip()
