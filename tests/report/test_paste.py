from __future__ import annotations

import re
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfkd_ray.report import paste
from dfkd_ray.report.arms import Spread
from dfkd_ray.report.view import Tables
from tests.report import ablations
from tests.report.studies import noted


def numbers(tables: Tables) -> dict[str, list[float]]:
    """arm -> mean, deviation of validation and test, and n: from the rows of the trials alone."""
    rows = tables.trials.to_pylist()
    alike = {arm["name"]: arm["runs_as"] or arm["name"] for arm in tables.note["ablation"]["arms"]}
    out = {}
    for name, runs_as in alike.items():
        own = [row for row in rows if row["arm"] == runs_as and row["state"] == "complete"]
        columns = [[row["objectives"][0] for row in own], [dict(row["final"])["test_accuracy/last"] for row in own]]
        out[name] = [100 * f(column) for column in columns for f in (statistics.fmean, statistics.stdev)] + [len(own)]
    return out


def rows_of(text: str, separator: str, pattern: str) -> list[tuple[str, list[float]]]:
    """The rows of a table as (name, numbers in them)."""
    lines = [line for line in text.splitlines() if re.search(pattern, line)]
    cells = [[cell.strip() for cell in re.split(separator, line.strip().strip("|"))] for line in lines]
    return [(name, [float(n) for cell in more for n in re.findall(r"-?\d+\.?\d*", cell)]) for name, *more in cells]


@pytest.mark.parametrize("name", ["leave one out", "factorial", "path", "arms by hand"])
def test_both_tables_hold_the_numbers_of_the_trials(name: str) -> None:
    tables = ablations.STUDIES[name]()
    wanted = [[pytest.approx(v, abs=0.051) for v in row] for row in numbers(tables).values()]
    grid = paste.arm_table(tables)
    in_markdown = rows_of(paste.markdown(grid), r"(?<!\\)\|", r"^\| .* ± ")
    in_latex = rows_of(paste.latex(grid), r"(?<!\\)&", r"\\pm")
    assert [values for _, values in in_markdown] == wanted
    assert [values for _, values in in_latex] == wanted
    assert [re.sub(r"\\(.)", r"\1", arm) for arm, _ in in_markdown] == list(numbers(tables))
    assert [unescaped(arm) for arm, _ in in_latex] == list(numbers(tables))


LONG = {"textbackslash": "\\", "textasciitilde": "~", "textasciicircum": "^", "textless": "<", "textgreater": ">"}


def unescaped(text: str) -> str:
    """What LaTeX would set: written from its own rules, not from the module's table."""
    named = re.sub(r"\\(text[a-z]+)\{\}", lambda m: {**LONG, "textbar": "|"}[m[1]], text)
    return re.sub(r"\\([&%$#_{}])|\{([\[*])\}", lambda m: m[1] or m[2], named)


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\\", exclude_categories=("C", "Z")), min_size=1)


@settings(deadline=None, max_examples=60)
@given(TEXT)
def test_a_name_of_any_characters_comes_back_from_latex(name: str) -> None:
    row = paste.latex(one(name)).splitlines()[-3]
    assert unescaped(row.partition(" & $50.0")[0]) == name
    assert not re.search(r"(?<!\\)[%#$_^~&]", row.partition(" & $50.0")[0])


@settings(deadline=None, max_examples=60)
@given(TEXT)
def test_a_name_of_any_characters_stays_one_cell_of_markdown(name: str) -> None:
    row = paste.markdown(one(name)).splitlines()[2]
    assert len(re.split(r"(?<!\\)\|", row)) == 5
    assert re.sub(r"\\(.)", r"\1", row.partition(" | 50.0")[0].removeprefix("| ")) == name


def one(name: str) -> paste.ArmTable:
    return paste.ArmTable((paste.StudyColumns(("val_accuracy",)),), ((name, ((Spread(3, 0.5, 0.01),),)),), ())


def test_a_backslash_and_an_argument_of_a_line_end_are_harmless() -> None:
    for name, set_as in (("a\\b", r"a\textbackslash{}b"), ("[2pt] x", "{[}2pt] x"), ("*a", "{*}a")):
        assert f"\n{set_as} & $50.0" in paste.latex(one(name))


def test_what_failed_and_what_is_missing_is_said() -> None:
    tables = ablations.leave_one_out()
    for text in (paste.markdown(paste.arm_table(tables)), paste.latex(paste.arm_table(tables))):
        assert "Failed trials, not in the means: without sfcl (1)." in text
    none = [{**row, "state": "failed", "objectives": [], "final": []} for row in tables.trials.to_pylist()[:1]]
    empty = paste.arm_table(ablations.with_trials(none))
    assert "| full | 0 |" in paste.markdown(empty)
    assert "full & 0 \\\\" in paste.latex(empty)


def test_a_metric_of_fewer_trials_says_its_own_n() -> None:
    rows = ablations.leave_one_out().trials.to_pylist()
    rows[0] = {**rows[0], "final": []}
    text = paste.markdown(paste.arm_table(ablations.with_trials(rows)))
    assert re.search(r"\| full \| [\d.]+ ± [\d.]+ \| [\d.]+ ± [\d.]+ \(n = 4\) \| 5 \|", text)


def test_a_metric_that_is_no_share_is_not_in_per_cent() -> None:
    tables = ablations.changed(ablations.leave_one_out(), study=noted(objective="kl/source")["study"])
    text = paste.markdown(paste.arm_table(tables))
    assert "| KL to the teacher, own images (nats) |" in text
    assert "| Test accuracy, last epoch (%) |" in text
