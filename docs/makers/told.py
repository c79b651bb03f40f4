"""What a docstring tells: a first paragraph, further ones, and what each field means (`name: meaning`)."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any


@dataclass
class Told:
    """Paragraphs in their order, the first one apart, and meanings by field."""

    first: str = ""
    more: list[str] = field(default_factory=list)
    meanings: dict[str, str] = field(default_factory=dict)


def told(component: Any) -> Told:
    """Of a component: its own paragraphs, and meanings of its fields also from what it inherits."""
    out = _read(component)
    for base in getattr(component, "__mro__", ())[1:]:
        for name, meaning in (_read(base).meanings if is_dataclass(base) else {}).items():
            out.meanings.setdefault(name, meaning)
    return out


def _read(component: Any) -> Told:
    own = vars(component).get("__doc__") if isinstance(component, type) else component.__doc__
    doc = inspect.cleandoc(own or "")
    if not doc or doc.startswith(f"{component.__name__}("):  # what dataclass writes by itself
        return Told(meanings=_beside(component))
    names = [f.name for f in fields(component)] if is_dataclass(component) else []
    out = Told(meanings=_beside(component))
    for block in _blocks(doc, names):
        prose, *found = _split(block, names)
        if prose and not out.first:
            out.first = prose
        elif prose:
            out.more.append(prose)
        for of, meaning in zip(found[::2], found[1::2]):
            out.meanings |= {name: meaning.strip() for name in of.split(", ")}
    return out


def _blocks(doc: str, names: Sequence[str]) -> Iterator[str]:
    """Paragraphs; a field that begins a line begins one too, and what follows its last sentence at the margin."""
    block: list[str] = []
    of_field = False
    for line in [*doc.splitlines(), ""]:
        begins = _marker(line, names) is not None
        ends = not line.strip() or begins or (of_field and not line.startswith(" ") and block[-1].endswith((".", ")")))
        if ends and block:
            yield " ".join(each.strip() for each in block)
            block = []
        if line.strip():
            of_field = begins if not block else of_field
            block.append(line)


def _split(block: str, names: Sequence[str]) -> list[str]:
    """[prose, fields, meaning, fields, meaning, ...]: a field counts where a sentence begins."""
    if not names:
        return [block]
    one = "|".join(map(re.escape, names))
    return re.split(rf"(?:^|(?<=[.;)] ))((?:{one})(?:, (?:{one}))*): ", block)


def _marker(line: str, names: Sequence[str]) -> str | None:
    found = _split(line, names)
    return found[1] if len(found) > 1 and not found[0] else None


def _beside(component: Any) -> dict[str, str]:
    """Meanings that stand as comments beside the fields."""
    try:
        lines = inspect.getsource(component).splitlines()
    except (OSError, TypeError):
        return {}
    found = (re.match(r"    (\w+): .*?  # (.+)$", line) for line in lines)
    return {match[1]: match[2] for match in found if match}
