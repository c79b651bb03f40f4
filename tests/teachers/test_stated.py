"""What a card states is checked before anything is built by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.teachers.stated import architecture, class_count, class_names, image_size
from dfkd_ray.util.errors import DataError

WEIGHTS = Path("w.pt")


def test_a_card_that_says_all_and_one_that_says_nothing() -> None:
    card = {"class_names": ["a", "b"], "image": [3, 32, 48]}
    assert class_names(WEIGHTS, card) == ("a", "b")
    assert class_count(WEIGHTS, card) == 2
    assert class_count(WEIGHTS, {"classes": 7}) == 7
    assert image_size(WEIGHTS, card) == (3, 32, 48)
    assert [read(WEIGHTS, {}) for read in (class_names, class_count, image_size)] == [None, None, None]


@pytest.mark.parametrize("count", ["10", 10.0, 1, -3, 10**12, [2], {}])
def test_a_number_of_classes_that_is_none(count: Any) -> None:
    with pytest.raises(DataError, match=r"the card of w\.pt: classes must be a number from 2 to 100,000, got "):
        class_count(WEIGHTS, {"classes": count})


@pytest.mark.parametrize("image", [[3, 32], [3, 32, 10**9], [3, 0, 32], [3, "a", 32], "3,32,32", 5])
def test_a_size_that_is_none(image: Any) -> None:
    text = r"the card of w\.pt: image must be \[channels, height, width\], got .*; each is at most 8,192"
    with pytest.raises(DataError, match=text):
        image_size(WEIGHTS, {"image": image})


@pytest.mark.parametrize("names", ["ab", ["a", 1], {"a": 1}, 3])
def test_names_that_are_no_list_of_names(names: Any) -> None:
    with pytest.raises(DataError, match=r"the card of w\.pt: class_names must be a list of names, got "):
        class_names(WEIGHTS, {"class_names": names})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], r"class_names must be at least two names, got \[\]"),
        (["a"], r"class_names must be at least two names, got \['a'\]"),
        (["a", "b", "a"], "two of its classes have the same name"),
    ],
)
def test_names_that_are_no_classes(names: list[str], message: str) -> None:
    with pytest.raises(DataError, match=rf"the card of w\.pt: {message}"):
        class_names(WEIGHTS, {"class_names": names})


@pytest.mark.parametrize("arch", [["resnet8"], 8, True, 1.5, {}])
def test_an_architecture_that_is_no_name(arch: Any) -> None:
    with pytest.raises(DataError, match=r"the card of w\.pt: arch must be the name of a net, got "):
        architecture(WEIGHTS, {"arch": arch})
    assert architecture(WEIGHTS, {"arch": "resnet8"}) == "resnet8"
    assert architecture(WEIGHTS, {}) is None
