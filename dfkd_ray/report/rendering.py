"""Blocks as HTML: jinja2 with autoescape, so every text is escaped where it is written, whoever it came from."""

from __future__ import annotations

import base64
import functools
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from dfkd_ray.report import blocks


@functools.cache
def _environment() -> Environment:
    loader = PackageLoader("dfkd_ray.report")
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.globals["show"] = show
    made.filters["base64"] = lambda data: base64.b64encode(data).decode()
    return made


def show(item: object) -> Markup:
    """Something of blocks.py as HTML, by the macro of its name; anything else as text."""
    if type(item).__module__ != blocks.__name__:
        return escape(str(item))
    macros = _environment().get_template("blocks.html").module
    written: Markup = getattr(macros, type(item).__name__.lower())(item)
    return written


def render(template: str, **values: Any) -> str:
    """A template of this folder, filled in."""
    return _environment().get_template(template).render(values)
