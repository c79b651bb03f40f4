from __future__ import annotations

import pytest

from dfkd_ray import datasets
from dfkd_ray.datasets.naming import Classes


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Ram C/V Cargo Van", 0),
        ("Ram C-V Cargo Van", 0),
        ("ram_cv_cargo_van", 0),
        ("Ram CV", None),
        ("DC-3", 1),
        ("C", 2),
        ("c", None),  # C and C++ have the same letters
        ("C++", 3),
        ("Ärger", 4),
    ],
)
def test_a_name_is_found_as_it_is_spelt_or_by_its_letters_and_digits(name: str, label: int | None):
    assert Classes(["Ram C/V Cargo Van", "DC-3", "C", "C++", "ärger"], "x").label(name) == label


def test_what_is_said_of_strangers():
    assert Classes(["tench", "goldfish"], "pond").unknown(["trench", "a"]) == (
        "'trench' is no class of pond; did you mean 'tench'?, and 1 more like it"
    )


@pytest.mark.parametrize("name", ["aircraft", "cars196", "cub200", "caltech101"])
def test_letters_and_digits_tell_the_classes_of_a_shipped_task_apart(name: str):
    classes = datasets.load(name).classes
    assert len(Classes(classes, name).loose) == len(classes)
