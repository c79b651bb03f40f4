"""What stands under the design of an ablation as a warning, and where."""

from __future__ import annotations

import pytest

from dfkd_ray.report.caveats import caveats
from dfkd_ray.report.view import Tables
from dfkd_ray.util.words import NBSP
from tests.report import ablations


def told(tables: Tables) -> str:
    return " ".join(caveats(tables)).replace(NBSP, " ")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fractional factorial", "Intervals speak of the 2 draws that were run"),
        (
            "fractional factorial",
            "Seeds were added until no interval was wider than 1 points, or there were 6: effects",
        ),
        ("fractional factorial", "looked at with 3 and 6 of them. The level is split over the 2 looks, whether or not"),
        (
            "fractional factorial",
            "intervals have a level of 97.5 % each and p values are multiplied by 2, so that 95 %",
        ),
        ("path", "a chosen step looks larger than it is"),
    ],
)
def test_caveats_stand_where_they_apply(name: str, said: str) -> None:
    assert said in told(ablations.STUDIES[name]())
    assert said not in told(ablations.leave_one_out())


def test_seeds_may_be_added_until_all_is_told_and_older_tables_have_not_paid_for_it() -> None:
    one = ablations.fractional()
    added = ablations.changed(one, study={**one.study, "seeds": {"start": 3, "max": 6, "until": "told"}})
    assert "Seeds were added until every effect was told apart, or there were 6" in told(added)
    older = ablations.changed(one, ablation={key: value for key, value in one.ablation.items() if key != "looks"})
    assert "95 % intervals that are chosen so cover the truth less" in told(older)
