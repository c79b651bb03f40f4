"""The classes of a task by name: as they are spelt, or as a file system and a hand leave them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dfkd_ray.util.registry import did_you_mean

_SHOWN = 5  # names in a message
_SPLITS = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev"),
    "test": ("test", "testing", "eval"),
}


class Classes:
    """Names, each with its place. Where letters and digits tell all of them apart, the rest of a name may differ.

    >>> Classes(["Ram C/V Cargo Van", "Audi TT"]).label("Ram C-V_cargo van")
    0
    """

    def __init__(self, names: Sequence[str], of: str) -> None:
        self.of = of
        self.exact = {name: label for label, name in enumerate(names)}
        often = Counter(map(_core, names))
        self.loose = {core: label for label, core in enumerate(map(_core, names)) if core and often[core] == 1}

    def label(self, name: str) -> int | None:
        return self.exact.get(name, self.loose.get(_core(name)))

    def unknown(self, names: Sequence[str]) -> str:
        """What is to be said of names that nobody knows: the first, what is near it, and how many more there are."""
        near = did_you_mean(names[0], self.exact).partition(" (known")[0]  # which may be a thousand
        others = f", and {len(names) - 1} more like it" if len(names) > 1 else ""
        return f"{names[0]!r} is no class of {self.of}{near}{others}"


def some(names: Sequence[str]) -> str:
    """The first few of many names."""
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")


def _core(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def split_called(name: str) -> str | None:
    """`train`, `val` or `test`, where a folder, a table or a word in one is called so, in any case."""
    word = name.casefold()
    return next((which for which, words in _SPLITS.items() if word in words), None)
