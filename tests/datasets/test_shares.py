from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.datasets.shares import USUAL, SplitShares

SHARES = st.integers(0, 100).flatmap(
    lambda train: st.integers(0, 100 - train).map(lambda val: SplitShares(train, val, 100 - train - val))
)


def test_what_is_said() -> None:
    assert SplitShares.parse(USUAL) == SplitShares(80, 10, 10, 0)
    assert SplitShares.parse("0/0/100:7") == SplitShares(0, 0, 100, 7)


@pytest.mark.parametrize(
    "text", ["", "80/10", "80/10/11", "-80/90/90", "0.8/0.1/0.1", "80/10/10:", "80/10/10:x", "٨٠/10/10"]
)
def test_what_is_no_split(text: str) -> None:
    wanted = (
        "split must be per cent to train, to validate and to test, 100 together, such as 80/10/10, and perhaps :SEED"
    )
    with pytest.raises(ValueError, match=f"^{wanted}, got {re.escape(repr(text))}$"):
        SplitShares.parse(text)


@pytest.mark.parametrize(
    ("images", "counts"),
    [(0, [0, 0, 0]), (1, [1, 0, 0]), (2, [1, 0, 1]), (3, [1, 1, 1]), (10, [8, 1, 1]), (25, [20, 2, 3])],
)
def test_small_classes_are_in_as_many_splits_as_they_can(images: int, counts: list[int]) -> None:
    assert SplitShares.parse(USUAL).counts(images) == counts


@given(SHARES, st.integers(0, 500))
def test_all_images_are_split_near_their_shares(shares: SplitShares, images: int) -> None:
    counts, wanted = shares.counts(images), [shares.train, shares.val, shares.test]
    assert sum(counts) == images
    for count, share in zip(counts, wanted):
        assert abs(count - share * images / 100) < 3
        assert (count == 0) == (share == 0) or images < 3


def test_the_draw_is_known_by_name_and_seed_alone() -> None:
    names = [f"{label}/{number}.png" for label in "ab" for number in range(50)]
    labels = np.repeat([0, 1], 50)
    places = SplitShares.parse(USUAL).draw(names, labels)
    turned = SplitShares.parse(USUAL).draw(names[::-1], labels[::-1])
    assert places.tolist() == turned[::-1].tolist()
    assert np.bincount(places[:50]).tolist() == np.bincount(places[50:]).tolist() == [40, 5, 5]
    assert np.flatnonzero(places == 2).tolist() == [7, 8, 11, 15, 30, 56, 58, 60, 67, 96], "the same on every machine"
    assert SplitShares.parse("80/10/10:1").draw(names, labels).tolist() != places.tolist()
