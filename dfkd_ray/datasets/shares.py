"""`80/10/10`: how images that come without splits are split, the same ones wherever and whenever that is done."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

USUAL = "80/10/10"  # where nobody says otherwise
_FIRST = (0, 2, 1)  # of a class with too few images: to train, then to test, then to validate


@dataclass(frozen=True)
class SplitShares:
    """Per cent of the images of each class to train, to validate and to test; `seed` draws others.

    >>> SplitShares.parse("80/10/10:7")
    SplitShares(train=80, val=10, test=10, seed=7)
    """

    train: int
    val: int
    test: int
    seed: int = 0

    @classmethod
    def parse(cls, text: str) -> SplitShares:
        """ValueError for what is no three whole numbers that add up to 100, and perhaps a seed."""
        found = re.fullmatch(r"(\d{1,3})/(\d{1,3})/(\d{1,3})(?::(\d{1,18}))?", text, re.ASCII)
        made = None if found is None else cls(*(int(number or 0) for number in found.groups()))
        if made is None or made.train + made.val + made.test != 100:
            wanted = f"per cent to train, to validate and to test, 100 together, such as {USUAL}"
            raise ValueError(f"split must be {wanted}, and perhaps :SEED, got {text!r}")
        return made

    def draw(self, names: Sequence[str], labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """0 (train), 1 (val) or 2 (test) for each of the files, by class: see `counts`.

        Files stand in the order of a digest of their names, so one more moves none of the others but at the borders.
        """
        digests = [hashlib.sha256(f"{self.seed}\0{name}".encode(errors="surrogateescape")).digest() for name in names]
        drawn = np.array(sorted(range(len(names)), key=digests.__getitem__), np.int64)
        places = np.zeros(len(names), np.int64)
        for label in np.unique(labels):
            members = drawn[labels[drawn] == label]
            places[members] = np.repeat(np.arange(3), self.counts(len(members)))
        return places

    def counts(self, images: int) -> list[int]:
        """How many of a class of so many images are in each split.

        One in each that has a share, as far as they go, and the others where most are lacking of the share.
        """
        shares = astuple(self)[:3]
        counts = [0, 0, 0]
        for place in [place for place in _FIRST if shares[place]][:images]:
            counts[place] = 1
        for _ in range(images - sum(counts)):
            lacking = [share * images - 100 * count for share, count in zip(shares, counts)]
            counts[max(_FIRST, key=lacking.__getitem__)] += 1
        return counts
