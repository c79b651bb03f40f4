"""What the pairs of a plan can tell, and the seeds that published differences would take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray import study as studies
from dfkd_ray.runs import telling
from dfkd_ray.stats.power import smallest_lead
from dfkd_ray.study import published
from dfkd_ray.tune.earlier import Scatter
from dfkd_ray.util.yamls import Document
from tests.runs.test_planning import detectable
from tests.stats.rule import power_among, told_among

SWITCHES = {
    "mhad": {"off": {"student_loss.high_order": None}},
    "sfcl": {"off": {"student_loss.semantic_contrast": None}},
}
MEASURED = (0.02, "measured in reports/a")


def of(measured: telling.Spread | None = MEASURED, **parts: Any) -> list[str]:
    raw = {"study": "a", "method": "dfkd_fgvc", "task": "gliders", "objective": {"metric": "val_accuracy"}}
    raw |= {"components": SWITCHES, "design": "leave_one_out", "seeds": 5}
    return told(studies.parse(Document({**raw, **parts})), measured)


def told(study: studies.Study, measured: telling.Spread | None) -> list[str]:
    assert study.ablation is not None
    return list(telling.describe(study, study.ablation, measured))


def again(table: str, measured: telling.Spread | None, seeds: int = 5, **parts: Any) -> list[str]:
    raw = {**published.study(published.load(table), None, "gliders", seeds), "published": f"{table}#cub200", **parts}
    return told(studies.parse(Document(raw)), measured)


def test_three_seeds_are_advised_against_with_what_they_would_tell() -> None:
    now = power_among(3, told_among(5, 0.05, 2), 0.05, 2)
    assert 0.2 < now < 0.4
    assert of(seeds=3)[-1] == (
        f"better take 5 seeds (--seeds 5): an effect that 5 pairs tell with power 0.8, 3 tell with {now:.2f}"
    )
    for seeds in (5, 9):
        assert not any("better" in line for line in of(seeds=seeds))
    domain = {"search": {"student_loss.kd.temperature": {"log": [1, 20]}}, "draws": 2}
    assert of(seeds=2, **domain)[-1].startswith("better take 3 seeds (--seeds 3): an effect that 5 pairs tell")
    assert "no effect gets a p value" in of(seeds=2)[-1]


def test_looks_cost_what_they_cost() -> None:
    """Of 3, 6 and 12 seeds: a third of the level for each."""
    least, among, advice = of(seeds={"start": 3, "max": 12, "until": "told"})
    assert f"by itself: {2 * detectable(3, 0.05 / 3):.1f} points (spread 2.0 points" in least
    found = re.search(r"among 2 effects that scatter alike: ([\d.]+) points \(spread 2\.0 points", among)
    assert found
    assert float(found[1]) == pytest.approx(2 * told_among(3, 0.05 / 3, 2), rel=0.005, abs=0.05)  # it is drawn
    now = power_among(3, told_among(5, 0.05 / 3, 2), 0.05 / 3, 2)
    assert advice.startswith("better start with 5 seeds: an effect that 5 pairs tell with power 0.8, 3 tell with")
    assert advice.endswith(f"{now:.2f}")


def assert_fewest(seeds: str, effect: float, claims: int) -> None:
    """As many tell an effect, in standard deviations, with power 0.8, and one less does not; to half a per cent."""
    pairs = int(seeds.replace(",", ""))
    assert power_among(pairs, effect, 0.05, claims) >= 0.795
    assert pairs == 3 or power_among(pairs - 1, effect, 0.05, claims) <= 0.805


def test_a_published_difference_takes_so_many_seeds() -> None:
    """Three claims of two arms: 0.81, 1.87 and 1.06 points, where pairs scatter by 2."""
    head, *lines = again("dfkd_fgvc/table5", MEASURED)[-4:]
    assert head == (
        "seeds that would tell what was published with power 0.8 among 3 claims "
        "(spread 2.0 points, measured in reports/a):"
    )
    table = published.load("dfkd_fgvc/table5")
    for line, claim in zip(lines, table.claims):
        difference = published.printed(table, claim, "cub200")
        seeds = line.split()[0]
        assert_fewest(seeds, abs(difference) / 2, 3)
        assert line == f"  {seeds:>5}  {claim.text} ({difference:+.2f})"


def test_a_claim_of_four_rows_scatters_more() -> None:
    """sqrt(2) of two arms' spread, where four arms of equal spread are weighed by 1."""
    table = published.load("dfkd_fgvc/table3")
    claim = next(each for each in table.claims if len(each.weights) == 4)
    (line,) = [line for line in again("dfkd_fgvc/table3", MEASURED) if claim.text in line]
    difference = published.printed(table, claim, "cub200")
    assert_fewest(line.split()[0], abs(difference) / (2 * 2**0.5), len(table.claims))


def test_draws_are_pairs_too() -> None:
    domain = {"search": {"student_loss.kd.temperature": {"log": [1, 20]}}, "draws": 2}
    one, two = (again("dfkd_fgvc/table5", MEASURED, **parts)[-1].split()[0] for parts in ({}, domain))
    assert int(two) == -(-int(one) // 2)


def test_without_a_spread_of_accuracies_it_is_not_known_and_the_way_on_is_said() -> None:
    assert again("dfkd_fgvc/table5", None)[-1] == (
        "how many seeds would tell the published differences is not known: neither earlier trials nor the table "
        "say how far accuracies scatter. Run it with a few seeds and plan again, or state `spread: POINTS`"
    )


def test_a_study_of_no_table_has_no_published_difference() -> None:
    assert len(of()) == 2


SWEEP = {"search": {"student_loss.kd.temperature": {"log": [1, 20]}}, "budget": {"trials": 12}}


def swept(measured: Scatter | None, seeds: int = 1, **parts: Any) -> list[str]:
    raw = {"study": "a", "method": "dfkd_fgvc", "task": "gliders", "objective": {"metric": "val_accuracy"}}
    return list(telling.of_a_sweep(studies.parse(Document({**raw, **SWEEP, **parts})), measured, seeds))


def test_a_sweep_says_how_noisy_seeds_are_and_which_lead_it_finds() -> None:
    """The expected largest of 12 normal numbers is 1.62923 (David and Nagaraja, 2003)."""
    measured = Scatter(0.04, 9, 3, (Path("reports/a"), Path("reports/b")))
    noise, found = swept(measured)
    assert noise == (
        "noise between seeds: 4.0 points (standard deviation, 9 trials of 3 settings, in reports/a, reports/b)"
    )
    lead = 100 * smallest_lead(12, 0.04)
    assert found == (
        f"12 trials of 1 seed find the best setting with probability 0.8 where it leads all others by {lead:.1f} "
        "points; of settings that are equal the best one looks 6.5 points better than it is"
    )
    more = swept(measured, 4)[1]
    assert "12 settings of 4 seeds" in more
    assert f"by {lead / 2:.1f} points; of settings that are equal the best one looks 3.3 points" in more
    assert len(swept(measured, budget={"hours": 1})) == 1, "nobody knows how many trials there will be"
    assert swept(None)[0].startswith("noise between seeds: not known, since no earlier study of this method and task ")
