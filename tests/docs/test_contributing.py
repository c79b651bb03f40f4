"""CONTRIBUTING.md says what is so: the tree, the glossary, the floors, and the paths of what a change touches."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.docs.blocks import ROOT
from tests.test_architecture import FLOORS, PACKAGE, TREES

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
WORDS = 30  # of the glossary: a newcomer reads them in a minute


def section(title: str) -> str:
    _, _, rest = TEXT.partition(f"\n## {title}\n")
    assert rest, title
    return rest.partition("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of a section's table, without its head."""
    lines = [line for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_tree_has_every_entry_of_the_package_and_a_line_for_each() -> None:
    lines = section("The rooms").partition("```\n")[2].partition("```")[0].splitlines()
    told = dict(line.split(maxsplit=1) for line in lines[1:])
    there = (path for path in PACKAGE.iterdir() if path.name != "__pycache__")
    assert lines[0] == "dfkd_ray/"
    assert sorted(told) == sorted(f"{path.name}/" if path.is_dir() else path.name for path in there)
    assert len(told) == len(lines) - 1


def names() -> Iterator[str]:
    """What modules, classes, functions, fields and variables of the package are called."""
    for name, tree in TREES.items():
        yield name.rpartition(".")[2]
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                yield node.name
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id


def test_the_glossary_is_short_and_its_words_are_those_of_the_code() -> None:
    words = [word for word, _ in rows("Glossary")]
    assert 0 < len(words) <= WORDS
    assert len(set(words)) == len(words)
    used = {name.lower().replace("_", "") for name in names()}
    assert [word for word in words if not {word.replace(" ", ""), f"{word.replace(' ', '')}s"} & used] == []


def test_the_floors_are_those_that_the_tests_hold() -> None:
    told = [tuple(re.findall(r"`(\w+)`", floor)) for floor, _ in rows("Floors")]
    assert told == [floor for floor in FLOORS if not any(room.startswith("__") for room in floor)]


PATHS = [
    path
    for title in ("Glossary", "What a change touches", "The rooms", "Floors")
    for path in re.findall(r"`([\w.]+(?:/[\w.]+)+|[\w]+\.(?:toml|md))`", section(title))
]


def test_there_are_paths_to_hold() -> None:
    assert len(PATHS) > 30
    told = rows("What a change touches")
    assert all(len(cells) == 2 for cells in told)
    assert [change for (change, _), (other, _) in pairwise(told) if change == other] == []


@pytest.mark.parametrize("path", dict.fromkeys(PATHS))
def test_a_path_leads_somewhere(path: str) -> None:
    """`x` stands for any name: its folder is there, and holds files of that kind already."""
    where = ROOT / path
    if where.stem in ("x", "test_x"):
        pattern = where.name.replace("x", "*", 1) if where.stem == "x" else f"test_*{where.suffix}"
        assert any(where.parent.glob(pattern)), path
    else:
        assert where.exists(), path
