"""How the page says things: metrics, numbers, durations, and user text made harmless."""

from __future__ import annotations

import html
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NBSP = "\u00a0"
DASH = "\u2013"
MINUS = "\u2212"
_METRICS = {
    "val_accuracy": "Validation accuracy",
    "val_accuracy/median5": "Validation accuracy, median of the last five epochs",
    "test_accuracy/last": "Test accuracy, last epoch",
    "test_accuracy/best": "Test accuracy, best epoch",
    "relative_accuracy/last": "Test accuracy relative to the teacher's, last epoch",
    "relative_accuracy/best": "Test accuracy relative to the teacher's, best epoch",
    "agreement/source": "Agreement with the teacher, own images",
    "agreement/noise": "Agreement with the teacher, noise",
    "kl/source": "KL to the teacher, own images",
    "kl/noise": "KL to the teacher, noise",
    "diversity": "Prediction diversity",
    "batchnorm/source": "BatchNorm distance, own images",
    "asked/source": "Share of own images of the class asked for",
    "outside": "Values that no picture has, own images",
    "seconds": "Seconds of work",
}
_SHARE = re.compile(r"(^|[_/])(accuracy|agreement|asked|outside)(/|$)")
_MINIMISED = re.compile(r"^(kl|loss|batchnorm|outside|seconds)(/|$)")
_DATA_FREE = re.compile(r"^(agreement|asked|kl|diversity|batchnorm)(/|$)")


def metric(name: str) -> str:
    """The name of a metric in words; an unknown one keeps its own name."""
    return _METRICS.get(name, name)


def is_share(name: str) -> bool:
    """Whether a metric is a fraction that the page prints as per cent."""
    return bool(_SHARE.search(name))


def is_data_free(name: str) -> bool:
    """Whether a metric needs no real image. Losses do not count: their weights differ between trials."""
    return bool(_DATA_FREE.match(name))


def mode(name: str) -> str:
    """`min` or `max`: which way a metric is better, unless the study says otherwise."""
    return "min" if _MINIMISED.match(name) else "max"


def measured(name: str, value: float | None) -> str:
    """A metric's value as the page prints it."""
    if value is None or not math.isfinite(value):
        return DASH
    return percent(value) if is_share(name) else number(value)


def unit(name: str) -> tuple[float, str]:
    """What a difference of a metric is multiplied by for print, and its unit: points of per cent for a share."""
    return (100.0, "points") if is_share(name) else (1.0, "")


def difference(name: str, value: float | None, signed: bool = True) -> str:
    """A difference of a metric, without its unit: `+35.2`; a metric that is no share has three digits."""
    if value is None or not math.isfinite(value):
        return DASH
    scaled = unit(name)[0] * value
    said = f"{abs(scaled):.1f}" if is_share(name) else f"{abs(scaled):.3g}"
    sign = "" if not float(said) else MINUS if scaled < 0 else "+" if signed else ""
    return f"{sign}{said}"


def interval(name: str, low: float | None, high: float | None) -> str:
    """An interval of a difference: `20.1 to 50.3`."""
    if low is None or high is None:
        return DASH
    return f"{difference(name, low, signed=False)} to {difference(name, high, signed=False)}"


def probability(p: float | None) -> str:
    """A p value: `0.021`, `0.42`, `< 0.001`."""
    if p is None or not math.isfinite(p):
        return DASH
    return f"<{NBSP}0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def inside(name: str) -> str:
    """A metric in the middle of a sentence: `validation accuracy`, but `KL to the teacher`; its own name as it is."""
    label = metric(name)
    return label[0].lower() + label[1:] if label != name and label[1:2].islower() else label


def percent(value: float | None) -> str:
    return DASH if value is None or not math.isfinite(value) else f"{100 * value:.1f}{NBSP}%"


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


def listed(words: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}" if words else ""


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


def escape(text: object) -> str:
    """Text for HTML, inside elements and inside quoted attributes."""
    return html.escape(str(text), quote=True)


def plain(text: object, most: int = 48) -> str:
    """Text for a Plotly label. Plotly reads some HTML there (b, br, a, sub, ...) and decodes &amp; &lt; &gt; only."""
    return html.escape(shorten(str(text), most), quote=False)


def hover(text: str) -> str:
    """Lines of text for a Plotly hover box."""
    return "<br>".join(plain(line, 90) for line in text.split("\n"))
