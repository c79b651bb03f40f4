"""The card of a pool: written and read back, held against another, refused where it is damaged."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.datasets.pools import Pool, PoolCard, TeacherFacts, card
from dfkd_ray.util.errors import DataError
from tests.datasets.pools.made import CARD, fill

OTHER: dict[str, Any] = {
    "task": "other",
    "classes": ("a", "b", "c", "d", "f"),
    "image": (3, 32, 32),
    "mean": (0.5, 0.5, 0.4),
    "std": (0.5,) * 3,
    "teacher": TeacherFacts("toy", "fedcba9876543210"),
    "method": {"source": {"name": "diffusion", "steps": [10, 30]}, "schedule": {"epochs": 3}},
    "fingerprint": "0" * 16,
    "seed": 8,
    "shards": 3,
    "per_trajectory": 6,
    "pixels": 32,
    "format": "jpeg",
    "versions": {"torch": "3"},
    "schema": 2,
}
SAID = {
    "task": "another task (task shapes there, other here)",
    "classes": "another classes (classes.4 e there, f here)",
    "image": "another image (image.1 16 there, 32 here)",
    "mean": "another mean (mean.2 0.5 there, 0.4 here)",
    "std": "another std (std.0 0.25 there, 0.5 here)",
    "teacher": "another teacher (teacher.digest 0123456789abcdef there, fedcba9876543210 here)",
    "fingerprint": "another fingerprint (fingerprint ffffffffffffffff there, 0000000000000000 here)",
    "seed": "another seed (seed 7 there, 8 here)",
    "shards": "another number of shards (shards 2 there, 3 here)",
    "per_trajectory": "another number of images a trajectory (per_trajectory 4 there, 6 here)",
    "pixels": "another size (pixels 16 there, 32 here)",
    "format": "another format (format png there, jpeg here)",
    "schema": "another schema (schema 1 there, 2 here)",
    "method": None,  # methods with one fingerprint make the same images
    "versions": None,
}


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    Pool.create(tmp_path / "pool", CARD)
    assert Pool.open(tmp_path / "pool").card.plain() == CARD.plain()
    assert CARD.other(Pool.open(tmp_path / "pool").card) is None


@pytest.mark.parametrize("name", [field.name for field in fields(PoolCard)])
def test_a_pool_of_another_card_is_refused_by_its_first_other_field(name: str, tmp_path: Path) -> None:
    Pool.create(tmp_path, CARD)
    before = (tmp_path / card.NAME).read_bytes()
    here = replace(CARD, **{name: OTHER[name]})
    if SAID[name] is None:
        assert Pool.create(tmp_path, here).card.versions == {"torch": "2"}
    else:
        with pytest.raises(DataError) as refused:
            Pool.create(tmp_path, here)
        assert str(refused.value) == f"{tmp_path} is a pool of {SAID[name]}: name another folder"
    assert (tmp_path / card.NAME).read_bytes() == before


def test_of_methods_that_make_other_images_the_first_difference_is_told() -> None:
    def other(method: dict[str, Any]) -> str | None:
        return CARD.other(replace(CARD, fingerprint="0" * 16, method=method))

    assert other(OTHER["method"]) == "another method (method.source.steps.1 20 there, 30 here)"
    assert other({**CARD.method, "source": {"name": "generator", "steps": [10, 20]}}) == (
        "another method (method.source.name diffusion there, generator here)"
    )
    assert other({"schedule": {"epochs": 3}}) == "another method (method.source diffusion there, nothing here)"
    assert other({**CARD.method, "views": {"a": 1}}) == "another method (method.views nothing there, a mapping here)"


def test_a_folder_of_something_else_is_no_place_for_a_pool(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("do not touch")
    with pytest.raises(DataError, match="exists and holds no pool: name another folder"):
        Pool.create(tmp_path, CARD)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_what_a_killed_process_left_of_a_card_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f".{card.NAME}.123").write_text("{")
    Pool.create(tmp_path, CARD)
    assert [path.name for path in tmp_path.iterdir()] == [card.NAME]


def test_no_pool_there_and_the_nearest_that_is(tmp_path: Path) -> None:
    fill(tmp_path / "gliders", 1)
    with pytest.raises(DataError) as refused:
        Pool.open(tmp_path / "glider")
    assert str(refused.value) == f"{tmp_path / 'glider'}: there is no pool; did you mean 'gliders'? (known: gliders)"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "the card of the pool is damaged: "),
        ("[]", "the card of the pool is damaged: expected a mapping with task, "),
        (json.dumps({**CARD.plain(), "seed": "x"}), "the card of the pool is damaged: seed: should be a valid integer"),
        (
            json.dumps({**CARD.plain(), "shards": 0}),
            "the card of the pool is damaged: shards must be at least 1, got 0",
        ),
        (json.dumps({**CARD.plain(), "mean": [0.5]}), "the card of the pool is damaged: mean and std must have"),
        (json.dumps({**CARD.plain(), "classes": []}), "the card of the pool is damaged: classes must be at least one"),
        (
            json.dumps({**CARD.plain(), "image": [3, 16, -16]}),
            "the card of the pool is damaged: image must be (channels, height, width), each at least 1",
        ),
        (
            json.dumps({**CARD.plain(), "shards": 10**12}),
            "the card of the pool is damaged: shards: must be at most 1,024, got 1,000,000,000,000",
        ),
        ("[" * 10**5, "the card of the pool is damaged: nested too deep"),
        (
            json.dumps({**CARD.plain(), "task": "a\0b"}),
            "the card of the pool is damaged: has the character U+0000 in it",
        ),
        (json.dumps({**CARD.plain(), "sed": 1}), "the card of the pool is damaged: sed: no such field; did you mean"),
        (json.dumps({**CARD.plain(), "schema": 9}), "schema version 9, this dfkd-ray reads up to 1"),
    ],
)
def test_a_damaged_card_is_told(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / card.NAME).write_text(text)
    with pytest.raises(DataError) as refused:
        Pool.open(tmp_path)
    assert str(refused.value).startswith(f"{tmp_path / card.NAME}: {said}")


def test_of_another_task_or_teacher_both_values_are_named() -> None:
    right = (CARD.image, 5, CARD.mean, CARD.std, CARD.classes)
    assert CARD.of_another_task(*right) is None
    assert CARD.of_another_task(*right[:4]) is None, "a run that does not know the names of its classes"
    wrong = {
        "images (channels, height, width) (3, 16, 16) there, (1, 8, 8) here": ((1, 8, 8), *right[1:]),
        "a number of classes 5 there, 4 here": (CARD.image, 4, *right[2:]),
        "a class e there, x here": (*right[:4], ("a", "b", "c", "d", "x")),
        "mean (0.5, 0.5, 0.5) there, (0.0, 0.0, 0.0) here": (*right[:2], (0.0,) * 3, *right[3:]),
        "std (0.25, 0.25, 0.25) there, (1.0, 1.0, 1.0) here": (*right[:3], (1.0,) * 3, right[4]),
    }
    for said, seen in wrong.items():
        assert CARD.of_another_task(*seen) == f"is a pool for shapes: {said}"
    assert CARD.of_another_teacher(CARD.teacher.digest) is None
    assert CARD.of_another_teacher("x") == (
        "is a pool for shapes, made from the teacher toy with the weights 0123456789abcdef; those here are x"
    )


def test_any_flipped_bit_is_told(tmp_path: Path) -> None:
    """One in the mark of its seal apart, of which nothing is read."""
    card.write(tmp_path, CARD)
    path = tmp_path / card.NAME
    whole = path.read_bytes()
    mark = whole.index(b"sealed-sha256:")
    for place in {*range(len(whole))} - {*range(mark, mark + 14)}:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :])
        with pytest.raises(DataError, match=r"pool\.json: damaged: its checksum does not fit; "):
            Pool.open(tmp_path)
