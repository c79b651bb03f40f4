"""Who leads an ablation of arms by hand, told from its trials anew."""

from __future__ import annotations

import statistics

import pytest

from dfkd_ray.report import finding, sections, standings
from dfkd_ray.report.view import Tables
from dfkd_ray.util.words import NBSP
from tests.report import ablations
from tests.report.ablations import values
from tests.report.writing import written


def said(tables: Tables) -> str:
    return standings.sentence(tables).replace(NBSP, " ")


def test_the_first_arm_has_its_interval_and_the_second_the_difference_pair_by_pair() -> None:
    tables = ablations.by_hand()
    second, both = values(tables, "order_2 & 50%"), values(tables, "both")
    apart = [100 * (a - b) for a, b in zip(second, both)]
    t = 2.776  # Student's quantile of 4 degrees of freedom, two-sided 95 %
    mean, half = statistics.fmean(apart), t * statistics.stdev(apart) / 5**0.5
    found = standings.lead(tables)
    assert found is not None
    assert 100 * found.ahead.low == pytest.approx(mean - half, abs=0.01)
    top = f"order_2 & 50% is first: validation accuracy {100 * statistics.fmean(second):.1f} % (95 % interval "
    assert said(tables).startswith(top)
    assert f"both = order 3 is second, {mean:.1f} points behind pair by pair (95 % interval " in said(tables)
    assert said(tables).endswith(", n = 5): cannot be told apart at this budget."), "the study had asked for it"


def test_two_that_the_study_did_not_compare_have_no_verdict() -> None:
    tables = ablations.by_hand()
    rows = [row | {"state": "failed"} if row["arm"] == "both" else row for row in tables.trials.to_pylist()]
    text = said(ablations.replaced(tables, rows))
    assert "order 1 is second" in text
    assert text.endswith("picked for being first and second, so without a verdict.")


def test_less_may_be_better() -> None:
    one = ablations.by_hand()
    tables = ablations.changed(one, study={**one.study, "objective": {"metric": "val_accuracy", "mode": "min"}})
    found = standings.lead(tables)
    assert found is not None
    assert found.first.name == "order 1"
    assert found.ahead.mean is not None
    assert found.ahead.mean > 0


def test_components_have_effects_not_a_first_arm_and_without_a_value_nobody_leads() -> None:
    assert said(ablations.leave_one_out()) == ""
    assert said(ablations.unfinished()) == ""
    tables = ablations.by_hand()
    none = ablations.replaced(tables, [row | {"state": "failed"} for row in tables.trials.to_pylist()])
    assert said(none) == ""
    alone = [row for row in tables.trials.to_pylist() if row["arm"] == "both"]
    assert said(ablations.replaced(tables, alone)).endswith(", n = 5).")


def test_the_page_leads_with_the_first_arm() -> None:
    tables = ablations.by_hand()
    html = written(sections.summary(tables)).replace(NBSP, " ")
    assert html.index("order_2 &amp; 50% is first") < html.index("against both")
    numbers = finding.numbers(tables)
    assert numbers.shown[0].note == "order_2 & 50%, mean of 5"
    assert numbers.shown[1].name == "Effects told apart"


def test_of_many_arms_the_first_ones_and_the_reference_have_a_colour() -> None:
    eight, four = standings.styled(ablations.factorial()), standings.styled(ablations.leave_one_out())
    assert [place for _, place in four] == [0, 1, 2, 3]
    assert sorted(place for _, place in eight if place is not None) == [0, 1, 2, 3], "full is among the first"
    named = {arm.name: place for arm, place in eight}
    assert named[standings.reference(ablations.factorial()).name] is not None  # type: ignore[union-attr]
