"""DomainNet in its publisher's layout, small."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from dfkd_ray import datasets
from dfkd_ray.datasets import HoldOut, Task
from dfkd_ray.datasets.domainnet import DOMAINS
from dfkd_ray.util.errors import DataError
from tests.datasets.trees import every, labelled, write_image


def tree(root: Path, domain: str) -> Task:
    """Nine images of axe, clock and zebra, which is no class of the task; every third is of the test split."""
    lists: dict[str, list[str]] = {"train": [], "test": []}
    for i in range(18):
        name = f"{domain}/{('axe', 'clock', 'zebra')[i % 3]}/{domain}_{i % 3:03d}_{i:06d}.jpg"
        write_image(root / name, 2 * i)
        lists["test" if i % 9 < 3 else "train"].append(f"{name} {(11, 64, 344)[i % 3]}")
    for which, rows in lists.items():
        (root / f"{domain}_{which}.txt").write_text("\n".join(rows) + "\n")
    task = datasets.load(f"domainnet_{domain}")
    return replace(task, classes=("clock", "axe"), image=(3, 8, 8), hold_out=HoldOut(train=2))


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("within", ["domainnet", ""])
def test_it_is_read_by_its_lists_and_other_classes_are_left_out(
    domain: str, within: str, tmp_path: Path, cache: Path
) -> None:
    task = tree(tmp_path / within, domain)
    found = every(task, tmp_path)
    assert {level: label for part in found.values() for level, label in part.items()} == {
        2 * i: (1, 0)[i % 3] for i in range(18) if i % 3 < 2
    }
    assert set(found["test"]) == {2 * i for i in range(18) if i % 9 < 3 and i % 3 < 2}
    assert len(found["val"]) == 2


def test_one_list_may_be_missing_and_what_is_missing_is_said(tmp_path: Path, cache: Path) -> None:
    task = tree(tmp_path, "sketch")
    (tmp_path / "sketch_train.txt").unlink()
    assert len(labelled(datasets.split(replace(task, hold_out=HoldOut(test=1)), "test", tmp_path))) == 3
    with pytest.raises(DataError, match=r"(?s)no images of domainnet_sketch.*sketch_train.txt and sketch_test.txt"):
        datasets.split(task, "test", tmp_path / "elsewhere")


@pytest.mark.parametrize("line", ["axe/sketch_1.jpg 3", "real/axe/a.jpg 3", "sketch/../a.jpg 3", "sketch 3"])
def test_a_line_of_another_form_is_named(tmp_path: Path, cache: Path, line: str) -> None:
    task = tree(tmp_path, "sketch")
    (tmp_path / "sketch_test.txt").write_text(f"sketch/axe/sketch_000_000000.jpg 11\n{line}\n")
    with pytest.raises(DataError, match=r"sketch_test.txt:2: expected `sketch/CLASS/FILE NUMBER`, got"):
        datasets.split(task, "test", tmp_path)
