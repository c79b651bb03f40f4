"""How page and terminal say things: numbers, durations, settings, lists."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NBSP = "\u00a0"
DASH = "\u2013"
MINUS = "\u2212"


def for_terminal(text: str) -> str:
    """Text of the page as a keyboard writes it, for a terminal: what is copied from there can be searched and read."""
    return text.replace(NBSP, " ").replace(MINUS, "-")


def probability(p: float | None) -> str:
    """A p value: `0.021`, `0.42`, `< 0.001`."""
    if p is None or not math.isfinite(p):
        return DASH
    return f"<{NBSP}0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def percent(value: float | None) -> str:
    return DASH if value is None or not math.isfinite(value) else f"{100 * value:.1f}{NBSP}%"


def share(value: float | None) -> str:
    """A share for a terminal: `78.1 %`."""
    return for_terminal(percent(value))


def number(value: float | int | None) -> str:
    """Four significant digits; whole numbers in full."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:,d}".replace(",", NBSP) if isinstance(value, int) else f"{value:.4g}"


def duration(seconds: float | None) -> str:
    if seconds is None or not math.isfinite(seconds):
        return DASH
    if round(seconds) < 60:
        return f"{seconds:.0f}{NBSP}s" if seconds >= 10 else f"{seconds:.1f}{NBSP}s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}{NBSP}min {rest}{NBSP}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}{NBSP}h {minutes}{NBSP}min"


def by_model(proposed_by: Mapping[str, int]) -> str:
    """How much of a search was one: `8 of 12 trials by the sampler's model, 3 drawn at random, 1 to start with`."""
    modelled, drawn, first, believed = (proposed_by.get(who, 0) for who in ("model", "start-up", "start", "prior"))
    said = [
        f"{modelled} of {count(sum(proposed_by.values()), 'trial')} by the sampler's model, {drawn} drawn at random"
    ]
    said = said if modelled or drawn else []
    said += [f"{first} to start with"] if first else []
    return ", ".join([*said, *([f"{believed} from priors"] if believed else [])])


def roughly(seconds: float) -> str:
    """A time to wait, or one that has passed, for a line of the terminal: `42 s`, `3 min`, `1 h 20 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def memory(count: int | None) -> str:
    if not count:
        return DASH
    return f"{count / 1e9:.2f}{NBSP}GB" if count >= 1e9 else f"{count / 1e6:.0f}{NBSP}MB"


def setting(value: Any) -> str:
    """A searched value as text."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping) and list(value) == ["name"]:
        return str(value["name"])
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def count(number_of: int, noun: str, plural: str | None = None) -> str:
    """`1 trial`, `2 trials`."""
    return f"{number_of}{NBSP}{noun if number_of == 1 else plural or noun + 's'}"


def counted(number_of: int, noun: str, plural: str | None = None) -> str:
    """The same for a terminal, large numbers in thousands: `1 image`, `60,000 images`."""
    return f"{number_of:,} {noun if number_of == 1 else plural or noun + 's'}"


def the_first(number_of: int, noun: str, of: int | None = None) -> str:
    """`the first trial`, `the first 3 trials`, `the first 3 of 12 trials`; for a terminal."""
    few = "the first" if number_of == 1 else f"the first {number_of:,}"
    return f"{few} {noun if number_of == 1 else noun + 's'}" if of is None else f"{few} of {counted(of, noun)}"


def state(name: str) -> str:
    """How a trial has ended, as it is said: what ledger and tables call pruned was stopped."""
    return "stopped" if name == "pruned" else name


def listed(words: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""


def some(words: Sequence[str], most: int) -> str:
    """`a, b, c`, and of many the first ones: `a, b and 7 more`."""
    return ", ".join(words) if len(words) <= most else f"{', '.join(words[:most])} and {len(words) - most} more"


def tails(paths: Iterable[str]) -> dict[str, str]:
    """Each dotted path's shortest tail that no other path ends with.

    >>> tails(["loss.kd.weight", "loss.mhad.weight", "loss.mhad.order"])
    {'loss.kd.weight': 'kd.weight', 'loss.mhad.weight': 'mhad.weight', 'loss.mhad.order': 'order'}
    """
    parts = {path: path.split(".") for path in paths}

    def shortest(path: str) -> str:
        own = parts[path]
        for length in range(1, len(own)):
            if all(other[-length:] != own[-length:] for name, other in parts.items() if name != path):
                return ".".join(own[-length:])
        return path

    return {path: shortest(path) for path in parts}


def shorten(text: str, most: int = 48) -> str:
    """At most `most` characters, cut in the middle: both ends of a path tell something."""
    text = " ".join(text.split())
    head = (most - 1) // 2
    return text if len(text) <= most else f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def typed(place: object) -> str:
    """A path or a URI as it stands in a command: quoted where a shell would take it for something else."""
    return shlex.quote(str(place))
