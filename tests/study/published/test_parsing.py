"""The file of a paper: what is refused, all of it at once, each with its line."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from dfkd_ray.study.published import Claim, PublishedTable
from dfkd_ray.study.published.parsing import tables
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import ConfigError

SOURCE = {"short": "X", "title": "On X", "authors": "A. B.", "venue": "a journal"}
WORDS = {key: key for key in ("number", "title", "metric", "task", "teacher", "student", "rows")}
DATA = {
    **WORDS,
    "columns": {"a": "first", "b": "second"},
    "cells": {"off": [10, None], "on": [12.5, 20]},
    "mark": "read",
    "not_run": "because",
}
RUN: dict[str, Any] = {
    **{key: value for key, value in DATA.items() if key != "not_run"},
    "method": "dfkd_fgvc",
    "arms": {"off": {"x.y": None}, "on": {}},
    "runs": {"a": {"task": "t", "student.arch": "s"}},
    "claims": [{"text": "on helps", "better": "on", "worse": "off"}],
}


def read(table: dict[str, Any], **more: Any) -> PublishedTable:
    text = yaml.safe_dump({"source": SOURCE, "tables": {"one": table}, **more}, sort_keys=False)
    return tables(yamls.loads(text, "x.yaml"), "x")["x/one"]


def complaints(table: dict[str, Any]) -> dict[str, str]:
    """Path in the table -> what is wrong there."""
    with pytest.raises(ConfigError) as caught:
        read(table)
    assert all(problem.file == "x.yaml" and problem.line for problem in caught.value.problems)
    return {problem.path.removeprefix("tables.one."): problem.message for problem in caught.value.problems}


def test_data_alone() -> None:
    table = read(DATA)
    assert (table.id, table.source.short, table.source.arxiv, table.unit) == ("x/one", "X", None, "points")
    assert [(cell.row, cell.column, cell.value) for cell in table.cells] == [
        ("off", "a", 10.0),
        ("on", "a", 12.5),
        ("on", "b", 20.0),
    ]
    assert not table.runnable
    assert table.not_run == "because"


def test_a_table_that_can_be_re_run() -> None:
    table = read(RUN)
    assert table.runnable
    assert table.claims == (Claim("on helps", {"on": 1.0, "off": -1.0}),)
    assert (table.value("off"), table.value("on")) == (10.0, 12.5), "the mean is over the columns with a run"
    assert table.value("on", "b") == 20.0


def test_the_forms_of_a_claim() -> None:
    cells = {name: [1, 2] for name in "pqrs"}
    arms: dict[str, Any] = {name: {} for name in "pqrs"}

    def weights(**claim: Any) -> dict[str, float]:
        return dict(read(RUN | {"cells": cells, "arms": arms, "claims": [{"text": "c", **claim}]}).claims[0].weights)

    assert weights(better="p", worse="q") == {"p": 1, "q": -1}
    assert weights(more=["p", "q"], less=["r", "s"]) == {"p": 1, "q": -1, "r": -1, "s": 1}
    assert weights(more=["p", "q"], less=["r", "q"]) == {"p": 1, "r": -1}, "what cancels is not there"
    assert weights(weights={"p": 1, "q": 1, "r": -2}) == {"p": 1, "q": 1, "r": -2}


FORMS = "say `better` and `worse`, or `more` and `less`, or `weights`"


@pytest.mark.parametrize(
    ("claim", "message"),
    [
        ({"better": "on"}, FORMS),
        ({"better": "on", "worse": "off", "more": ["on", "off"], "less": ["on", "off"]}, FORMS),
        ({}, FORMS),
        ({"better": "onn", "worse": "off"}, "no such arm: 'onn'; did you mean 'on'? (known: off, on)"),
        ({"better": "on", "worse": "on"}, "weights of a claim sum to 0 and are not all 0, got none"),
        ({"weights": {"on": 1.0}}, "weights of a claim sum to 0 and are not all 0, got on: 1"),
    ],
)
def test_a_claim_that_is_none(claim: dict[str, Any], message: str) -> None:
    assert complaints(RUN | {"claims": [{"text": "c", **claim}]}) == {"claims.0": message}


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"mark": "guessed"}, {"mark": "should be 'read' or 'secondary', got 'guessed'"}),
        ({"mark": "secondary"}, {"via": "say where a secondary value was read, and only there"}),
        ({"via": "a/b @1234567 README.md"}, {"via": "say where a secondary value was read, and only there"}),
        ({"mark": "secondary", "via": "README of a/b"}, {"via": "expected `OWNER/NAME @COMMIT path/of/file.py"}),
        ({"best_on_test": "its code"}, {"best_on_test": "expected `OWNER/NAME @COMMIT path/of/file.py"}),
        ({"cells": {"off": [1]}}, {"cells.off": "1 value for 2 columns"}),
        ({"cells": {"on": [1, 101]}}, {"cells.on": "from 0 to 100, got 101"}),
        ({"cells": {"off": ["ten", 1]}}, {"cells": "should be a valid number"}),
        ({"colums": {}}, {"colums": "no such field; did you mean 'columns'?"}),
        ({"not_run": ""}, {"not_run": "say why it cannot be re-run, or give `arms`"}),
        ({"method": "m", "runs": {"a": {"task": "t"}}}, {"method": "table with `arms`", "runs": "table with `arms`"}),
    ],
)
def test_data_with_mistakes(change: dict[str, Any], wrong: dict[str, str]) -> None:
    found = complaints(DATA | change)
    assert found.keys() == wrong.keys()
    assert all(message in found[path] for path, message in wrong.items())


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"not_run": "because"}, {"not_run": "is for a table without `arms`"}),
        ({"method": None}, {"arms": "need a `method` and `runs`"}),
        ({"runs": {}}, {"arms": "need a `method` and `runs`"}),
        ({"unit": "hours"}, {"unit": "a study compares in points, got hours"}),
        ({"arms": {"of": {}}, "claims": []}, {"arms.of": "no such row; did you mean 'off'?"}),
        ({"runs": {"c": {"task": "t"}}}, {"runs.c": "no such column"}),
        ({"runs": {"a": {}}}, {"runs.a": "needs a `task`"}),
        ({"runs": {"b": {"task": "t"}}}, {"cells.off": "has an arm and a run, and no value for b"}),
    ],
)
def test_a_re_run_with_mistakes(change: dict[str, Any], wrong: dict[str, str]) -> None:
    found = complaints(RUN | change)
    assert found.keys() == wrong.keys()
    assert all(message in found[path] for path, message in wrong.items())


def test_all_mistakes_of_a_file_come_at_once() -> None:
    broken = {"one": DATA | {"via": "x"}, "two": DATA | {"not_run": ""}, "three": {}, "four": 4}
    text = yaml.safe_dump({"source": {"title": "t"}, "tables": broken}, sort_keys=False)
    with pytest.raises(ConfigError) as caught:
        tables(yamls.loads(text), "x")
    paths = {problem.path for problem in caught.value.problems}
    assert {"source.short", "source.authors", "tables.one.via", "tables.two.not_run", "tables.four"} <= paths
    assert {f"tables.three.{key}" for key in ("number", "columns", "cells", "mark")} <= paths
    lines = [problem.line or 0 for problem in caught.value.problems]
    assert lines == sorted(lines)


@pytest.mark.parametrize("text", ["", "- a\n", "source: {}\n", "tables: 3\nsource: {}\n"])
def test_a_file_that_is_none(text: str) -> None:
    with pytest.raises(ConfigError):
        tables(yamls.loads(text), "x")
