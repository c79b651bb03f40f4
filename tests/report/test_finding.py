from __future__ import annotations

import re
from typing import Any

import pytest

from dfkd_ray.report import finding
from dfkd_ray.report.effects import TOO_FEW
from dfkd_ray.report.view import Tables
from dfkd_ray.util.words import NBSP
from tests.report import ablations
from tests.report.ablations import effect, with_effects
from tests.report.writing import written

OPEN = "cannot be told apart at this budget"


def said(tables: Tables) -> str:
    return finding.sentence(tables).replace(NBSP, " ")


def of(*rows: dict[str, Any], **note: Any) -> str:
    return said(with_effects(*rows, **note))


def test_the_sentence_that_a_paper_would_print() -> None:
    mhad = effect("mhad", 0.352, low=0.201, high=0.503)
    assert of(mhad, effect("sfcl", 0.004, verdict=OPEN, p_holm=0.8)) == (
        "Without mhad, validation accuracy falls by 35.2 points (95 % interval 20.1 to 50.3, n = 5, p = 0.002); "
        "sfcl cannot be told apart at this budget."
    )


def test_what_hurts_is_named_apart_behind_what_helps_and_its_interval_is_turned() -> None:
    prior = effect("bn_prior", -0.12, low=-0.2, high=-0.04, verdict="hurts", p_holm=0.0004)
    text = of(prior, effect("mhad"), effect("sfcl", verdict=OPEN), effect("kd", verdict=OPEN))
    assert text.index("Without mhad, validation accuracy falls") < text.index("without bn_prior, it rises")
    assert "it rises by 12.0 points (95 % interval 4.0 to 20.0, n = 5, p < 0.001), so bn_prior hurts" in text
    assert text.endswith("; neither sfcl nor kd can be told apart at this budget.")
    assert "mhad helps" not in text


@pytest.mark.parametrize(
    ("rest", "begins"),
    [
        ("the rest off", "With mhad alone, validation accuracy rises by 35.2 points (95 %"),
        ("mean over the rest", "With mhad, validation accuracy rises by 35.2 points on average over the rest (95 %"),
        ("sfcl, kd on", "With mhad on top of sfcl, kd, validation accuracy rises by 35.2 points (95 %"),
    ],
)
def test_what_the_rest_was_is_part_of_the_claim(rest: str, begins: str) -> None:
    assert of(effect("mhad", contrast=f"mhad on against off, {rest}")).startswith(begins)


def test_levels_and_arms_by_hand_are_compared_in_the_words_of_their_contrast() -> None:
    text = of(
        effect("order", contrast="order 3 against 1, the rest on"),
        effect("plain", -0.1, contrast="plain against both", verdict="hurts"),
    )
    assert text.startswith("order 3 against 1, the rest on: validation accuracy is 35.2 points higher (95 %")
    assert "; plain against both: it is 10.0 points lower (95 %" in text


def test_where_less_is_better_the_verdict_is_said_with_the_direction() -> None:
    study = {**ablations.leave_one_out().study, "objective": {"metric": "kl/source"}}
    rows = [effect("mhad", -0.4217, metric="kl/source"), effect("sfcl", 0.3, verdict="hurts", metric="kl/source")]
    text = of(*rows, study=study)
    assert text.startswith("Without mhad, KL to the teacher, own images rises by 0.422 nats (95 % interval 0.272 to")
    assert "), so mhad helps; without sfcl, it falls by 0.3 nats (" in text
    assert text.endswith("so sfcl hurts.")


def test_an_interaction_is_told_only_where_its_verdict_tells_it() -> None:
    both = effect("mhad x sfcl", 0.078, kind="interaction", contrast="half of: ...")
    assert "; mhad and sfcl do more together than their effects add up to, by 7.8 points (95 %" in of(
        effect("mhad"), both
    )
    assert "together" not in of(effect("mhad"), {**both, "verdict": OPEN})
    assert "do less together" in of(effect("mhad"), {**both, "difference": -0.078, "verdict": "hurts"})


def test_lost_pairs_and_aliases_weaken_the_claim_in_the_same_brackets() -> None:
    text = of(effect("mhad", lost=2, aliases=["sfcl x kd", "a x b x c"]))
    assert "n = 5, p = 0.002, 2 pairs lost, aliased with sfcl x kd and a x b x c)" in text


def test_shapley_values_make_no_claim_of_their_own() -> None:
    assert of(effect("mhad"), effect("sfcl", kind="shapley", contrast="Shapley value of sfcl")).count("%") == 1


def test_many_comparisons_are_counted_and_the_largest_spelled_out() -> None:
    wins = [effect(f"c{i}", 0.1 + 0.01 * i) for i in range(6)]
    open_ones = [effect(f"o{i}", 0.0, verdict=OPEN) for i in range(5)]
    text = of(*wins, *open_ones, effect("few", None, verdict=TOO_FEW, pairs=1))
    assert re.findall(r"ithout (c\d)", text) == ["c3", "c4", "c5"]
    assert "; 3 more comparisons help; 5 of 12 comparisons cannot be told apart at this budget" in text
    assert text.endswith("; few has too few pairs to tell.")


def test_what_is_open_is_not_said_of_one_component_against_another() -> None:
    names = ("a", "b", "c")
    assert of(*(effect(n, 0.0, verdict=OPEN) for n in names)) == "none of a, b and c can be told apart at this budget."
    few = [effect(name, None, verdict=TOO_FEW, pairs=2) for name in names]
    assert of(*few) == "a, b and c have too few pairs to tell."
    assert of(few[0]) == "a has too few pairs to tell."


def test_a_component_with_two_open_effects_is_named_by_its_contrasts() -> None:
    contrasts = ["mhad on against off, the rest on", "mhad on against off, the rest off"]
    text = of(*(effect("mhad", 0.0, contrast=contrast, verdict=OPEN) for contrast in contrasts))
    assert text == f"neither {contrasts[0]} nor {contrasts[1]} can be told apart at this budget."


def test_no_effect_yet_is_said_plainly_and_a_running_study_says_so_far() -> None:
    assert said(ablations.unfinished()) == (
        "No pair of trials has ended in every arm yet, so there is no effect to tell."
    )
    assert of(effect("mhad"), finished=False).startswith("So far: without mhad, validation accuracy falls")


def test_twins_are_no_finding() -> None:
    text = said(ablations.by_hand())
    assert text.endswith("order_2 & 50% against both cannot be told apart at this budget; "
                         "order 3 against both compares a method with itself.")  # fmt: skip


def test_no_claim_is_stronger_than_its_verdict() -> None:
    for make in ablations.STUDIES.values():
        tables = make()
        spelled = len(re.findall(r"95.% interval", finding.sentence(tables)))
        told = [e for e in tables.effects.to_pylist() if e["metric"] == "val_accuracy"]  # type: ignore[union-attr]
        decided = [e for e in told if e["verdict"] in ("helps", "hurts") and e["kind"] != "shapley"]
        assert spelled <= len(decided)


def test_the_big_numbers_count_what_was_told_and_name_the_whole_method() -> None:
    html = written(finding.numbers(ablations.leave_one_out())).replace(NBSP, " ")
    assert ">2 of 3<" in html
    assert "full, mean of 5" in html
    assert "19 complete, 1 failed" in html
