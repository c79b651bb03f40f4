"""The list of metrics: its facts, how it prints them, and that nothing else in the package has a list of its own."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from dfkd_ray import metrics
from dfkd_ray.util import tables
from dfkd_ray.util.words import NBSP

PACKAGE = Path(metrics.__file__).parent
FACTS = [  # name, better, unit, data-free
    ("val_accuracy", "max", "share", False),
    ("val_accuracy/median5", "max", "share", False),
    ("test_accuracy/last", "max", "share", False),
    ("test_accuracy/best", "max", "share", False),
    ("relative_accuracy/last", "max", "ratio of shares", False),
    ("relative_accuracy/best", "max", "ratio of shares", False),
    *((f"val_{name}", "max", "share", False) for name in ("miou", "delta1")),
    *((f"val_{name}/median5", "max", "share", False) for name in ("miou", "delta1")),
    *((f"test_{name}/{which}", "max", "share", False) for name in ("miou", "delta1") for which in ("last", "best")),
    *(
        (f"relative_{name}/{w}", "max", "ratio of shares", False)
        for name in ("miou", "delta1")
        for w in ("last", "best")
    ),
    ("val_rmse", "min", "that of the depth", False),
    ("val_rel", "min", "none", False),
    *((f"test_rmse/{which}", "min", "that of the depth", False) for which in ("last", "best")),
    *((f"test_rel/{which}", "min", "none", False) for which in ("last", "best")),
    ("agreement/source", "max", "share", True),
    ("agreement/noise", "max", "share", True),
    ("asked/source", "max", "share", True),
    ("kl/source", "min", "nats", True),
    ("kl/noise", "min", "nats", True),
    ("skipped/", "min", "count", False),
    ("agreement/dead_leaves", "max", "share", True),
    ("kl/dead_leaves", "min", "nats", True),
    ("correlation/source", "max", "coefficient", True),
    ("correlation/noise", "max", "coefficient", True),
    ("correlation/dead_leaves", "max", "coefficient", True),
    ("agreement/inverted", "max", "share", True),
    ("kl/inverted", "min", "nats", True),
    ("correlation/inverted", "max", "coefficient", True),
    ("class_entropy/source", "max", "share", True),
    ("uncertainty/source", "min", "share", True),
    ("image_distance/source", "max", "none", True),
    ("embedding_distance/source", "max", "none", True),
    ("outside", "min", "share", True),
    ("batchnorm/source", "min", "none", True),
    ("loss/", "min", "none", False),
    ("kept/memory", None, "share", False),
    ("lr/student", None, "none", False),
    ("best_epoch", None, "count", False),
    ("updates/student", None, "count", False),
    ("updates/source", None, "count", False),
    ("images/student", None, "count", False),
    ("seconds", "min", "seconds", False),
    ("peak_memory", "min", "bytes", False),
    ("parameters", "min", "count", False),
]


def test_the_rows() -> None:
    found = [(row.name, row.better, row.unit.name, row.data_free) for row in metrics.ROWS]
    assert sorted(found, key=lambda row: row[0]) == sorted(FACTS, key=lambda row: row[0])
    assert len({row.label for row in metrics.ROWS}) == len(metrics.ROWS)
    assert all(row.about for row in metrics.ROWS)


def test_a_loss_of_an_own_term_is_one_of_its_family() -> None:
    row = metrics.find(metrics.loss("student", "mine/part"))
    assert (row.name, row.label, row.better, row.fair) == ("loss/student/mine/part",) * 2 + ("min", False)
    assert row.needs == ""


@pytest.mark.parametrize("name", ["accuracy", "losses", "loss", "agreement/val", ""])
def test_a_metric_that_nobody_knows_keeps_its_name_and_has_no_unit(name: str) -> None:
    row = metrics.find(name)
    assert (row.name, row.label, row.better, row.unit, row.data_free) == (name, name, None, metrics.NONE, False)
    assert metrics.with_unit(name, 0.5) == "0.5"
    assert metrics.changed(name, 0.5) == "+0.5"
    assert metrics.within(name, -1.0, 2.0) == (-1.0, 2.0)


@pytest.mark.parametrize(
    ("name", "mode"), [("outside", "min"), ("class_entropy/source", "max"), ("loss/student/kd", "min")]
)
def test_which_way_is_better_follows_from_the_row(name: str, mode: str) -> None:
    assert metrics.better(name) == mode


def test_a_metric_of_older_tables_is_read_and_no_trial_reports_it() -> None:
    row = metrics.find("diversity")
    assert (row.unit, row.better, row.data_free) == (metrics.SHARE, "max", True)
    assert row.label == "Prediction diversity"
    assert row not in metrics.ROWS


KNOWN = (
    "agreement/dead_leaves, agreement/inverted, agreement/noise, agreement/source, asked/source, batchnorm/source, "
    "class_entropy/source, correlation/dead_leaves, correlation/inverted, correlation/noise, correlation/source, "
    "embedding_distance/source, image_distance/source, kl/dead_leaves, kl/inverted, kl/noise, kl/source, "
    "loss/SLOT/TERM, outside, uncertainty/source, val_accuracy, val_delta1, val_miou, val_rel, val_rmse"
)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        (
            "val_acuracy",
            f"no trial reports 'val_acuracy'; did you mean 'val_accuracy'? (known: {KNOWN}); "
            "a metric of your own needs `mode: max` or `mode: min`",
        ),
        (
            "bleu",
            f"no trial reports 'bleu' (known: {KNOWN}); a metric of your own needs `mode: max` or `mode: min`",
        ),
        ("lr/student", "lr/student is neither better high nor low: no study may select by it"),
    ],
)
def test_a_metric_without_a_better_way_is_refused_with_the_nearest_name(name: str, error: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(error)}$"):
        metrics.better(name)


@pytest.mark.parametrize(
    ("name", "value", "measured", "bare"),
    [
        ("val_accuracy", 0.7812, "78.1 %", "78.1"),
        ("outside", 0.0, "0.0 %", "0.0"),
        ("relative_accuracy/last", 1.0321, "103.2 %", "103.2"),
        ("kl/source", 0.012361, "0.01236 nats", "0.01236"),
        ("batchnorm/source", 12.3456, "12.35", "12.35"),
        ("updates/student", 12345.0, "12 345", "1.234e+04"),
        ("seconds", 400.0, "6 min 40 s", "400"),
        ("peak_memory", 1.34e9, "1.34 GB", "1.34e+09"),
        ("val_accuracy", None, "–", "–"),
        ("val_accuracy", math.nan, "–", "–"),
        ("kl/source", math.inf, "–", "–"),
    ],
)
def test_a_value_is_printed_in_its_unit(name: str, value: float | None, measured: str, bare: str) -> None:
    assert (metrics.with_unit(name, value).replace(NBSP, " "), metrics.without_unit(name, value)) == (measured, bare)


@pytest.mark.parametrize(
    ("name", "value", "signed", "unsigned", "points"),
    [
        ("val_accuracy", 0.352, "+35.2", "35.2", " points"),
        ("val_accuracy", -0.0123, "−1.2", "−1.2", " points"),
        ("val_accuracy", -0.0001, "0.0", "0.0", " points"),
        ("class_entropy/source", 0.05, "+5.0", "5.0", " points"),
        ("outside", 0.05, "+5.0", "5.0", " points"),
        ("relative_accuracy/last", 0.05, "+5.0", "5.0", " points"),
        ("kl/source", 0.0123456, "+0.0123", "0.0123", " nats"),
        ("kl/source", -1234.5, "−1.23e+03", "−1.23e+03", " nats"),
        ("batchnorm/source", 0.5, "+0.5", "0.5", ""),
        ("seconds", 3.0, "+3", "3", " s"),
        ("kl/source", None, "–", "–", " nats"),
        ("kl/source", math.nan, "–", "–", " nats"),
    ],
)
def test_differences_are_in_points_or_in_three_digits(
    name: str, value: float | None, signed: str, unsigned: str, points: str
) -> None:
    assert (metrics.difference(name, value), metrics.difference(name, value, signed=False)) == (signed, unsigned)
    assert metrics.changed(name, value) == f"{signed}{points}"


def test_intervals_of_differences_and_of_means() -> None:
    assert metrics.interval("val_accuracy", -0.01, 0.503) == "−1.0 to 50.3"
    assert metrics.interval("kl/noise", None, 1.0) == "–"
    assert metrics.within("val_accuracy", -0.2, 1.2) == (0.0, 1.0)
    assert metrics.within("val_accuracy", 0.2, 0.9) == (0.2, 0.9)
    assert metrics.within("relative_accuracy/best", -0.2, 1.2) == (0.0, 1.2)
    assert metrics.within("kl/noise", None, None) == (None, None)


def test_that_an_interval_was_cut_is_said() -> None:
    assert metrics.cut("val_accuracy", []) == ""
    assert metrics.cut("val_accuracy", ["a", "b"]).replace(NBSP, " ") == (
        "The intervals of a and b would leave what validation accuracy can be, 0.0 % to 100.0 %, and are cut there."
    )
    assert metrics.cut("kl/noise", ["fast"]).replace(NBSP, " ") == (
        "The interval of fast would leave what KL to the teacher, noise can be, 0 nats or more, and is cut there."
    )


@pytest.mark.parametrize(
    ("name", "inside", "headed"),
    [
        ("val_accuracy", "validation accuracy", "Validation accuracy (%)"),
        ("kl/source", "KL to the teacher, own images", "KL to the teacher, own images (nats)"),
        ("updates/source", "source updates", "Source updates"),
        ("Own metric", "Own metric", "Own metric"),
    ],
)
def test_a_metric_in_a_sentence_and_at_the_head_of_a_column(name: str, inside: str, headed: str) -> None:
    assert (metrics.inside(name), metrics.headed(name)) == (inside, headed)


# A new metric is one row and the function that computes it: nothing else spells its name.
def spelled(tree: ast.AST) -> Iterator[str]:
    """Texts of a module that begin as a metric's name does, docstrings aside."""
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    columns = {*tables.TRIALS.names, *tables.STEPS.names}
    names = {row.name for row in metrics.ROWS if not row.name.endswith("/")} - columns
    heads = tuple(f"{name.partition('/')[0]}/" for name in names | {metrics.LOSS} if "/" in name)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in docs:
            continue
        if node.value in names or (node.value.startswith(heads) and " " not in node.value):
            yield f"line {node.lineno}: {node.value}"


def test_no_other_module_spells_a_metrics_name() -> None:
    assert sorted(spelled(ast.parse("a = 'kl/source'\nb = f'loss/{a}'\nc = 'outside'\nd = 'seconds'"))) == [
        "line 1: kl/source",
        "line 2: loss/",
        "line 3: outside",
    ]
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        at = path.relative_to(PACKAGE).as_posix()
        if at != "metrics.py" and (names := list(spelled(ast.parse(path.read_text("utf-8"))))):
            found[at] = names
    assert found == {}


def test_the_quality_of_a_table_is_that_which_it_holds() -> None:
    assert metrics.quality(["val_accuracy", "kl/noise"]) is metrics.ACCURACY
    assert metrics.quality(["test_miou/last"]) is metrics.MIOU
    assert metrics.quality([]) is metrics.ACCURACY
    assert metrics.measure("rel").test_best == "test_rel/best"
    assert metrics.find("val_miou").of == ("segmentation",)
