"""The page of a simulation, and what is said of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dfkd_ray import report
from dfkd_ray.report import simulation
from dfkd_ray.util import tables
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.words import for_terminal
from tests.report import simulations


def test_what_is_told_of_each_case() -> None:
    first, second = (tuple(map(for_terminal, row)) for row in simulation.told(simulations.table()))
    assert first[:5] == ("12 trials", "1", "random + none", "80.0 % [79.0, 81.0]", "–")
    assert second[3:] == (
        *("82.0 % [81.0, 83.0]", "+2.0 [+1.0, +3.0] points", "12.0, 2.5 stopped", "7 min 12 s", "+8.0 points"),
        "77.0 % for 4.5",
    )
    assert len(simulation.HEAD) == len(first)


@pytest.mark.parametrize(
    ("better", "mode", "said"),
    [
        (
            0.02,
            "max",
            "For what 12 trials cost: tpe <b> + asha finds most, 82.0 % [81.0, 83.0]; ahead of random + none, by "
            "+2.0 [+1.0, +3.0] points.",
        ),
        (
            0.005,
            "max",
            "For what 12 trials cost: tpe <b> + asha finds most, 80.5 % [79.5, 81.5]; not told from random + none, by "
            "+0.5 [-0.5, +1.5] points.",
        ),
        (
            0.02,
            "min",
            "For what 12 trials cost: none is ahead of random + none, which finds 80.0 % [79.0, 81.0].",
        ),
    ],
)
def test_the_answer(better: float, mode: str, said: str) -> None:
    assert [*map(for_terminal, simulation.answers(simulations.table(better, mode=mode)))] == [said]


def test_a_record_that_explains_little_is_warned_of() -> None:
    assert simulation.warnings(simulations.table(explained=simulation.ENOUGH)) == []
    (said,) = map(for_terminal, simulation.warnings(simulations.table(explained=-0.1, recorded=11)))
    assert said == (
        "The settings of 11 recorded trials explain 0.0 % of the variance of a trial that was not seen, less than "
        "30.0 %: most of this landscape is chance. Choose nothing by it; record more trials."
    )


def test_what_it_stands_on() -> None:
    known = {name: for_terminal(str(value)) for name, value in simulation.facts(simulations.table())}
    assert known["recorded"] == "40 complete trials in reports/old"
    assert known["left out"] == "2 trials not complete, changed or of a confirmation"
    assert known["explained"].startswith("73.1 % of their variance")
    assert known["left over"] == "5.0 points, standard deviation"
    assert known["not simulated"] == "gp + asha: gp models values"


def test_a_line_a_case_and_a_bar_at_its_end() -> None:
    rows = simulation.FoundForCost.prepare(simulations.table())
    drawn = simulation.FoundForCost.draw(rows)
    first, end, second, bar = drawn.data
    assert (list(first.x), list(second.x)) == ([12.0], [6.0, 12.0])
    assert list(end.x) == [12.0]
    assert list(bar.y) == pytest.approx([0.82])
    assert list(bar.error_y.array) == pytest.approx([0.01])
    assert second.name == "tpe &lt;b&gt; + asha"
    assert rows["panel"].to_pylist() == ["For what 12\N{NO-BREAK SPACE}trials cost"] * 3


@pytest.mark.parametrize("lacks", ["found", "explained"])
def test_a_table_of_something_else_is_refused(lacks: str, tmp_path: Path) -> None:
    made = simulations.table()
    if lacks in made.column_names:
        made = made.drop_columns([lacks])
    else:
        made = simulation.table(simulations.rows(), {k: v for k, v in simulations.NOTE.items() if k != lacks})
    tables.write(made, tmp_path / "simulation.arrow")
    message = f"{tmp_path}/simulation.arrow: not a table of a simulation: write it again with dfkd-ray simulate"
    with pytest.raises(StudyError, match=f"^{re.escape(message)}$"):
        report.build(tmp_path)


def test_the_page_is_built_from_the_table_alone(tmp_path: Path) -> None:
    tables.write(simulations.table(), tmp_path / "simulation.arrow")
    path = report.build(tmp_path)
    assert path == tmp_path / "simulation.html"
    page = path.read_text(encoding="utf-8")
    assert "tpe &lt;b&gt; + asha finds most" in page
    assert "tpe <b>" not in page
    assert "simulation.arrow" in page
    assert "Intervals are over simulated studies alone" in page


def test_of_a_first_case_that_has_found_nothing_no_other_is_told() -> None:
    rows = [simulations.row("a", 12.0, None), simulations.row("b", 12.0, 0.7), simulations.row("c", 12.0, 0.8)]
    (said,) = map(for_terminal, simulation.answers(simulation.table(rows, simulations.NOTE)))
    assert said.endswith(
        ": c finds most, 80.0 % [79.0, 81.0]; not compared with a, which has no complete trial in some study."
    )
