"""The matrix of interactions: each cell against the table of effects."""

from __future__ import annotations

from dfkd_ray.report.chart import HELPS, HURTS
from dfkd_ray.report.charts.matrix import Matrix
from tests.report import ablations


def test_the_matrix_has_interactions_below_and_main_effects_on_the_diagonal() -> None:
    tables = ablations.factorial()
    assert tables.effects is not None
    by_name = {
        (row["kind"], row["component"]): row["difference"]
        for row in tables.effects.to_pylist()
        if row["metric"] == "val_accuracy"
    }
    names = ["mhad", "sfcl", "bn_prior"]
    wanted = {(row, row): by_name["main", row] for row in names}
    wanted |= {(b, a): by_name["interaction", f"{a} x {b}"] for i, a in enumerate(names) for b in names[i + 1 :]}
    assert {(row["row"], row["column"]): row["difference"] for row in Matrix.prepare(tables).to_pylist()} == wanted


def test_a_matrix_of_a_metric_that_is_better_when_low_turns_its_colours_and_not_its_numbers() -> None:
    study = {**ablations.factorial().study, "objective": {"metric": "kl/source", "mode": "min"}}
    found = Matrix.prepare(ablations.changed(ablations.factorial(), study=study)).to_pylist()
    assert {row["better"] + row["difference"] for row in found} == {0.0}
    assert {row["short"] for row in found if row["row"] == row["column"] == "mhad"} == {"helps"}


def test_the_matrix_says_what_its_numbers_are_aliased_with() -> None:
    notes = Matrix.notes(Matrix.prepare(ablations.fractional()))
    assert "cannot tell mhad x sfcl from bn_prior x adversarial" in notes[1]
    assert "sfcl x bn_prior x adversarial" not in notes[1]


def test_a_design_without_interactions_has_no_such_chart() -> None:
    assert not Matrix.applies(ablations.leave_one_out())
    assert Matrix.applies(ablations.factorial())


def test_colours_are_symmetric_about_nothing_and_cells_above_the_diagonal_are_empty() -> None:
    rows = Matrix.prepare(ablations.factorial())
    (heat,) = Matrix.draw(rows).data
    reach = max(abs(row["difference"]) for row in rows.to_pylist())
    assert (heat.zmin, heat.zmax) == (-reach, reach)
    assert [[cell is None for cell in line] for line in heat.z] == [
        [False, True, True],
        [False, False, True],
        [False, False, False],
    ]
    assert [heat.colorscale[i][1] for i in (0, -1)] == [HURTS, HELPS]


def test_a_difference_is_printed_in_its_cell_and_strong_where_it_is_told() -> None:
    rows = Matrix.prepare(ablations.factorial())
    notes = Matrix.draw(rows).layout.annotations
    names = ["mhad", "sfcl", "bn_prior"]
    for row in rows.to_pylist():
        own = [n.text for n in notes if (n.x, n.y) == (names.index(row["column"]), names.index(row["row"]))]
        number, verdict = own
        assert number.startswith("<b>") == row["told"]
        assert verdict == (row["short"] if row["told"] else "not told")
    assert any(row["told"] for row in rows.to_pylist())
    assert not all(row["told"] for row in rows.to_pylist())
