from __future__ import annotations

import re
from html import unescape

from dfkd_ray.report import ablation
from dfkd_ray.util.words import MINUS, NBSP
from tests.report import ablations
from tests.report.ablations import effect, with_effects
from tests.report.writing import written


def plain(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).replace(NBSP, " ").split())


def test_the_table_of_effects_has_all_that_a_reader_needs() -> None:
    row = effect(
        "mhad", 0.352, t_low=0.18, t_high=0.48, boot_low=0.25, boot_high=0.45, p_t=0.001, p_wilcoxon=0.0625, lost=1
    )
    text = plain(written(ablation.effect_tables(with_effects(row))))
    assert "Effects on validation accuracy, points" in text
    assert (
        "mhad on against off, the rest on +35.2 20.2 to 50.2 0.002 helps 5 1 18.0 to 48.0 25.0 to 45.0 0.001 0.062"
        in text
    )
    assert (
        "95 % interval p Verdict Pairs Lost Student's interval, by itself Bootstrap interval p (t) p (Wilcoxon)" in text
    )
    assert "Aliased" not in text


def test_what_is_missing_is_a_dash_and_sorts_last() -> None:
    few = effect("mhad", None, p_holm=None, verdict="too few pairs to tell")
    html = written(ablation.effect_tables(with_effects(few)))
    assert '<td class="n" data-sort="">–</td>' in html
    assert "too few pairs to tell" in html


def test_aliases_and_estimates_are_marked() -> None:
    text = plain(written(ablation.effect_tables(ablations.fractional())))
    assert "Aliased with" in text
    assert "Shapley value of mhad, estimated" in text
    assert re.search(r"interaction mhad x sfcl .* bn_prior x adversarial", text)


def test_other_metrics_are_folded_and_say_that_less_is_better() -> None:
    html = written(ablation.effect_tables(ablations.leave_one_out()))
    first, folded = html.split("<details>")
    assert "Effects on validation accuracy" in first
    assert "Effects on test accuracy, last epoch, points" in folded
    assert "Effects on KL to the teacher, own images, nats, less is better" in folded


def test_the_arms_have_mean_deviation_n_and_failures() -> None:
    text = plain(written(ablation.arm_tables(ablations.leave_one_out())))
    assert re.search(r"without sfcl 4 1 \d\d\.\d ± \d\.\d \d\d\.\d to \d\d\.\d", text)
    assert (
        "without sfcl: 1 of 5 trials failed (seed 1): loss/student/total is not finite at epoch 3. "
        "Its pairs count as lost in every effect that needs this arm."
    ) in text


def test_the_arms_stand_in_the_order_of_their_means() -> None:
    text = plain(written(ablation.arm_tables(ablations.by_hand())))
    table = text[text.index("The arms, best mean first") : text.index("in Markdown")]
    found = re.findall(r"(both|order_2 & 50%|order 1) 5 \d+ (\d\d\.\d) ±", table)
    assert len(found) == 3
    assert [float(mean) for _, mean in found] == sorted((float(mean) for _, mean in found), reverse=True)
    assert found[-1][0] == "order 1"


def test_twins_and_reused_trials_are_stated() -> None:
    text = plain(written(ablation.arm_tables(ablations.by_hand())))
    assert "order 3 is both: the same method, run once." in text
    assert "2 trials of earlier studies stand for trials of this one: trial 0 (both, seed 0) from reports/first" in text
    assert "order 3 (= both)" in text


def test_an_arm_that_got_more_says_so_in_words_and_equal_arms_say_that() -> None:
    text = plain(written(ablation.arm_tables(ablations.by_hand())))
    assert "order 1 got more student updates than the least: 486 against 324, 1.50 times as many." in text
    assert text.count("than the least") == 1
    assert "Every arm was given the same" not in text
    assert "Every arm was given the same" in plain(written(ablation.arm_tables(ablations.leave_one_out())))


def test_arms_that_got_the_same_more_are_told_in_one_sentence() -> None:
    tables = ablations.by_hand()
    rows = tables.trials.to_pylist()
    for row in rows:
        row["final"] = [("updates/source", 0.0 if row["arm"] == "both" else 432.0)]
    text = plain(written(ablation.arm_tables(ablations.replaced(tables, rows))))
    assert "order 1 and order_2 & 50% got more source updates than the least: 432 against 0." in text
    assert text.count("than the least") == 1


def test_an_arm_says_its_time_a_round_and_its_memory() -> None:
    tables = ablations.by_hand()
    rows = tables.trials.to_pylist()
    own = [row for row in rows if row["arm"] == "order 1"]
    for row in own:
        row |= {"seconds": 90.0, "epochs": 9, "method": '{"schedule": {"rounds": 5}}', "peak_memory": 700_000_000}
    own[0]["peak_memory"] = 1_234_000_000
    text = plain(written(ablation.arm_tables(ablations.replaced(tables, rows))))
    assert "Time Time per round Peak memory Time, all trials" in text
    assert re.search(r"order 1 [\d ,]+ 1 min 30 s 2\.0 s 1\.23 GB ", text)


def test_budgets_are_compared_over_the_pairs_that_all_arms_completed() -> None:
    """Draws may differ in length: an arm that lost its short draw has got no more than the others."""
    rows = ablations.fractional().trials.to_pylist()
    for row in rows:
        row["final"] = [("updates/student", 100.0 if row["draw"] == 0 else 300.0)]
    first = next(row for row in rows if row["arm"] == "none" and row["draw"] == 0)
    first |= {"state": "failed", "objectives": []}
    tables = ablations.fractional()
    text = plain(written(ablation.arm_tables(ablations.replaced(tables, rows))))
    assert "Every arm was given the same" in text


def test_the_tables_to_paste_stand_on_the_page_escaped() -> None:
    html = written(ablation.arm_tables(ablations.by_hand()))
    assert "order\\_2 \\&amp; 50\\% &amp; $" in html
    assert html.count('<pre class="paste"') == 2


def test_the_design_stands_as_it_was_told() -> None:
    html = written(ablation.design(ablations.factorial()))
    assert "nothing is confounded" in html
    assert "mhad + sfcl      on    on    off" in html


def test_tuning_is_stated_and_counted_apart() -> None:
    one = ablations.leave_one_out()
    rows = one.trials.to_pylist()
    rows.append({**rows[0], "trial": 99, "tuning": 0, "seconds": 1000.0, "objectives": [0.99]})
    tuned = ablations.replaced(one, rows, study={**one.study, "tune": {"trials": 8, "seed": 1000}})
    assert "a search of its own of 8 trials, which count for no effect" in plain(written(ablation.design(tuned)))
    text = plain(written(ablation.arm_tables(tuned)))
    assert "Tuning trials" in text
    assert "99.0" not in text


def test_a_difference_that_rounds_to_nothing_has_no_sign() -> None:
    text = plain(written(ablation.effect_tables(with_effects(effect("mhad", -0.0001, low=-0.2, high=0.2)))))
    assert f"0.0 {MINUS}20.0 to 20.0" in text


def test_no_interval_of_an_accuracy_leaves_0_to_100_and_it_is_said_where_it_was_cut() -> None:
    """0.9 once and 1.0 four times: mean 0.98, half width 2.776445 x 0.02, so 0.9245 to 1.0355."""
    cut = "The interval of full would leave what validation accuracy can be, 0.0 % to 100.0 %, and is cut there."
    text = plain(written(ablation.arm_tables(ablations.near_the_top())))
    assert "full 5 0 98.0 ± 4.5 92.4 to 100.0" in text
    assert cut in text
    assert "cut there" not in plain(written(ablation.arm_tables(ablations.leave_one_out())))
