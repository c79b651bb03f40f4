"""What an ablation's trials add up to: effects that are known, what was lost, seeds in force, and the path walked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.tune import analysis
from dfkd_ray.tune.history import History
from tests.stats.rule import verdicts_of
from tests.tune import toys
from tests.tune.ablations import PATH, TWINS, adaptive, cells, effects, note, run, study
from tests.tune.toys import opening

pytestmark = pytest.mark.usefixtures("no_fsync")
MIN = {"metric: val_accuracy": "metric: kl/noise"}


def told(
    changes: Mapping[str, str], values: Mapping[str, Sequence[float | str | None]], alike: Mapping[str, str] = {}
) -> History:
    """A history in which each arm has these values, by seed; None: it failed; a word: the trial is in that state."""
    history = History([opening(study(changes), {}, {}, 0.0, alike)])
    given = [(arm, seed, value) for arm, each in values.items() for seed, value in enumerate(each)]
    for number, (arm, seed, value) in enumerate(given):
        history.apply(asked(number, arm, seed))
        if isinstance(value, str):
            continue
        metrics = {"val_accuracy": value, "kl/noise": value} if value is not None else {}
        state = "failed" if value is None or not math.isfinite(value) else "complete"
        row = {"epoch": 1, "seconds": 1.0, "metrics": metrics, "last": True, "final": {}}
        history.apply({"kind": "row", "time": 0.0, "trial": number, **row})
        end = {"state": state, "reason": None, "rung": None, "final": {}}
        history.apply({"kind": "ended", "time": 0.0, "trial": number, "values": [value], **end})
    return history


def asked(number: int, arm: str, seed: int, **more: Any) -> dict[str, Any]:
    head = {"kind": "asked", "time": 0.0, "trial": number, "changes": {}, "attrs": {}, "study_attrs": {}}
    return {**head, "arm": arm, "seed": seed, "draw": 0, "tuning": None, **more}


# ---- effects


def test_a_factorial_tells_what_the_parts_do(tmp_path: Path) -> None:
    """Main effects and the interaction as the toy has them, Shapley values as its formula says; all pairs, all arms."""
    run(tmp_path, {"leave_one_out": "factorial"})
    a, b, c = toys.ALONE.values()
    half = toys.TOGETHER / 2
    found = {(row["component"], row["kind"]): row for row in effects(tmp_path).values()}
    expected = {
        ("a", "main"): a + half,  # b is on in half of the arms
        ("b", "main"): b + half,
        ("c", "main"): c,
        ("a x b", "interaction"): half,  # half of the effect of a with b minus that without b
        ("a x c", "interaction"): 0.0,
        ("b x c", "interaction"): 0.0,
        ("a", "shapley"): a + half,
        ("b", "shapley"): b + half,
        ("c", "shapley"): c,
    }
    assert {key: row["difference"] for key, row in found.items()} == pytest.approx(expected, abs=1e-12)
    assert {(row["pairs"], row["lost"]) for row in found.values()} == {(3, 0)}


def test_both_ends_show_where_parts_interact(tmp_path: Path) -> None:
    run(tmp_path, {"leave_one_out": "leave_one_out+add_one_in"})
    found = {name: row["difference"] for name, row in effects(tmp_path).items() if row["kind"] == "simple"}
    assert found == pytest.approx(
        {
            "a on against off, the rest on": 0.14,
            "b on against off, the rest on": 0.09,
            "c on against off, the rest on": -0.02,
            "a on against off, the rest off": 0.10,
            "b on against off, the rest off": 0.05,
            "c on against off, the rest off": -0.02,
        }
    )


def test_effects_are_told_of_the_objective_first_then_of_the_rest_and_of_the_test_split_last(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert analysis.compared(found) == {"val_accuracy": "max", "kl/noise": "min", "test_accuracy/last": "max"}
    lower = effects(tmp_path, "kl/noise")["a on against off, the rest on"]
    assert lower["difference"] == pytest.approx(-0.14)
    test = effects(tmp_path, "test_accuracy/last")["a on against off, the rest on"]
    assert test["difference"] == pytest.approx(0.14)
    assert effects(tmp_path, "loss/student/total") == {}, "no loss is better or worse than another"


def test_verdicts_know_which_way_is_better(tmp_path: Path) -> None:
    run(tmp_path, {"seeds: 3": "seeds: 8"} | MIN, toys.Parts(noise=0.001))
    verdicts = {row["component"]: row["verdict"] for row in effects(tmp_path, "kl/noise").values()}
    assert verdicts == {"a": "helps", "b": "helps", "c": "hurts"}
    assert {row["component"]: row["verdict"] for row in effects(tmp_path).values()} == verdicts


def test_failed_and_nan_trials_are_lost_and_counted(tmp_path: Path) -> None:
    found = run(
        tmp_path,
        {"seeds: 3": "seeds: 5"},
        toys.Parts(fails=(("without a", 1), ("without a", 3)), nans=(("full", 4), ("without b", 0))),
    )
    assert found.in_state("failed") == 4
    rows = {row["component"]: row for row in effects(tmp_path).values()}
    assert {name: (row["pairs"], row["lost"]) for name, row in rows.items()} == {"a": (2, 3), "b": (3, 2), "c": (4, 1)}
    assert rows["a"]["verdict"] == "too few pairs to tell"
    assert rows["a"]["p_t"] is rows["a"]["p_wilcoxon"] is rows["a"]["p_holm"] is None
    assert rows["c"]["difference"] == pytest.approx(-0.02)


def test_an_arm_that_always_fails_is_in_the_table(tmp_path: Path) -> None:
    run(tmp_path, {}, toys.Parts(fails=(("without c", None),)))
    row = effects(tmp_path)["c on against off, the rest on"]
    assert (row["pairs"], row["lost"], row["difference"], row["verdict"]) == (0, 3, None, "too few pairs to tell")


# ---- outcomes


def test_only_pairs_that_have_ended_in_all_arms_count() -> None:
    history = told({}, {"full": [0.5, 0.6, "running"], "without a": [0.4, None, 0.3], "without b": [0.4, 0.5, 0.6]})
    names = ["full", "without a", "without b"]
    assert analysis.outcomes(history, "val_accuracy", names) == {
        "full": {(0, 0): 0.5, (1, 0): 0.6},
        "without a": {(0, 0): 0.4, (1, 0): None},
        "without b": {(0, 0): 0.4, (1, 0): 0.5},
    }
    assert analysis.outcomes(history, "val_accuracy", [*names, "without c"]) == {n: {} for n in [*names, "without c"]}
    assert analysis.outcomes(history, "val_accuracy", []) == {}


def test_a_tuning_trial_is_no_outcome() -> None:
    history = told({}, {"full": [0.5]})
    history.trials[0].tuning = 0
    assert analysis.outcomes(history, "val_accuracy", ["full"]) == {"full": {}}


def test_arms_of_one_method_have_one_outcome_whichever_was_run() -> None:
    history = told(TWINS, {"without same": [0.5], "without a": [0.4]}, alike={"without same": "full"})
    found = analysis.outcomes(history, "val_accuracy", ["full", "without a", "without same"])
    assert found == {"full": {(0, 0): 0.5}, "without a": {(0, 0): 0.4}, "without same": {(0, 0): 0.5}}


@pytest.mark.parametrize(
    ("metric", "value"), [("val_accuracy", 0.9), ("kl/noise", 0.2), ("best_epoch", 1.0), ("absent", None)]
)
def test_which_value_of_a_trial_is_its_outcome(metric: str, value: float | None) -> None:
    """The objective as the study asks for it, here at its best epoch; the rest at the last, or as taken at the end."""
    history = History([opening(study({"{metric: val_accuracy}": "{metric: val_accuracy, at: best}"}), {}, {}, 0.0)])
    history.apply(asked(0, "full", 0))
    for epoch, accuracy in enumerate((0.9, 0.8), 1):
        row = {"seconds": 1.0, "metrics": {"val_accuracy": accuracy, "kl/noise": 1 - accuracy}}
        history.apply({"kind": "row", "time": 0.0, "trial": 0, "epoch": epoch, **row})
    end = {"state": "complete", "reason": None, "rung": None, "final": {"best_epoch": 1.0}}
    history.apply({"kind": "ended", "time": 0.0, "trial": 0, "values": [0.9], **end})
    found = analysis.outcomes(history, metric, ["full"])["full"][0, 0]
    assert found == (None if value is None else pytest.approx(value))


# ---- seeds


def test_no_seed_is_added_while_one_is_being_run() -> None:
    wide = [0.1, 0.9, 0.5]
    values = {"full": wide, "without a": [0.5] * 3, "without b": [0.5] * 3, "without c": [0.5] * 3}
    # Three effects, each the same, none told: judged among three, at a third of the level since there are three looks.
    _, (half, *_) = verdicts_of([[100 * (value - 0.5) for value in wide]] * 3, 0.05 / 3)
    assert analysis.seeds_in_force(told(adaptive(round(2 * half) - 1.0), values)) == (0, 1, 2, 3, 4, 5)
    assert analysis.seeds_in_force(told(adaptive(round(2 * half) + 1.0), values)) == (0, 1, 2)
    assert analysis.seeds_in_force(told(adaptive(1.0), values | {"without c": [0.5, 0.5, "running"]})) == (0, 1, 2)
    assert analysis.seeds_in_force(told({}, values)) == (0, 1, 2)


def test_an_interval_that_is_unknown_is_wide() -> None:
    values: dict[str, list[float | None]] = {arm: [0.5] * 4 for arm in ("full", "without a", "without b")}
    assert analysis.seeds_in_force(told(adaptive(1.0), values | {"without c": [None] * 4})) == (0, 1, 2, 3, 4, 5)


def test_seeds_are_added_until_every_effect_is_told_or_there_are_no_more() -> None:
    clear = {"full": [0.90, 0.91, 0.92], "without a": [0.10, 0.12, 0.11], "without b": [0.2, 0.2, 0.21]}
    until = adaptive("told")
    open_one = clear | {"without c": [0.91, 0.90, 0.92]}
    assert analysis.seeds_in_force(told(until, clear | {"without c": [0.3, 0.32, 0.31]})) == (0, 1, 2)
    assert analysis.seeds_in_force(told(until, open_one)) == (0, 1, 2, 3, 4, 5)
    for times, seeds in ((2, 8), (3, 8)):
        values = {arm: (list(each) * times)[:8] for arm, each in open_one.items()}
        assert analysis.seeds_in_force(told(until, values)) == tuple(range(seeds))


def test_the_looks_are_paid_for_by_every_interval_and_p_value() -> None:
    values = {"full": [0.90, 0.91, 0.92], "without a": [0.1, 0.12, 0.1]}
    values |= {arm: [0.5, 0.52, 0.54] for arm in ("without b", "without c")}
    one, all_looks = (
        {e.component: e for e in analysis.all_effects(told(changes, values), 0) if e.metric == "val_accuracy"}
        for changes in ({}, adaptive("told"))  # of 3, 6 and 8 seeds
    )
    for component, effect in one.items():
        assert all_looks[component].p_t == effect.p_t
        assert all_looks[component].p_holm == pytest.approx(min(1.0, 3 * (effect.p_holm or 0.0)))
    a, paid = one["a"], all_looks["a"]
    # Student's t of 2 degrees of freedom has a closed form
    t_95, t_98_3 = ((2 * p - 1) / math.sqrt(2 * p * (1 - p)) for p in (1 - 0.05 / 2, 1 - 0.05 / 6))
    half, wider = ((e.t_high or 0.0) - (e.difference or 0.0) for e in (a, paid))
    assert wider / half == pytest.approx(t_98_3 / t_95)


# ---- paths

FIRST = {"none": [0.1, 0.1, 0.1], "a": [0.2, 0.3, 0.2], "b": [0.3, 0.3, 0.3], "c": [0.1, 0.2, 0.1]}


def chosen(values: Mapping[str, Sequence[Any]], changes: Mapping[str, str] = {}) -> tuple[tuple[str, ...], list[str]]:
    steps, wanted = analysis.walked(told({**PATH, **changes}, values))
    return steps, [arm.name for arm in wanted]


def test_the_step_with_the_best_mean_is_taken() -> None:
    assert chosen({}) == ((), list(FIRST))
    assert chosen(FIRST) == (("b",), [*FIRST, "a + b", "b + c"])
    second = FIRST | {"a + b": [0.1, 0.1, 0.1], "b + c": [0.0, 0.2, 0.2]}
    assert chosen(second) == (("b", "c"), [*second, "full"]), "though b alone was better: a path goes to its end"
    assert chosen(second | {"full": [0.1, 0.1, 0.1]}) == (("b", "c", "a"), [*second, "full"])


def test_a_path_goes_down_where_lower_is_better() -> None:
    assert chosen(FIRST, MIN)[0] == ("c",)


def test_a_candidate_that_fails_is_judged_by_its_other_pairs_and_one_that_always_fails_is_not_taken() -> None:
    assert chosen(FIRST | {"b": [None, 0.3, math.nan]})[0] == ("b",)
    assert chosen(FIRST | {"b": [None, None, math.nan]})[0] == ("a",)


def test_where_all_candidates_fail_the_path_ends() -> None:
    failed: dict[str, Any] = {arm: [None] * 3 for arm in "abc"}
    assert chosen(FIRST | failed) == ((), list(FIRST))
    assert chosen(FIRST | {"a + b": [None] * 3, "b + c": [None] * 3}) == (("b",), [*FIRST, "a + b", "b + c"])


def test_the_start_of_a_path_is_no_step() -> None:
    assert chosen(FIRST | {"none": [0.9, 0.9, 0.9]})[0] == ("b",)
    assert chosen(FIRST | {"none": [None] * 3})[0] == ("b",)


def test_a_round_that_has_not_ended_decides_nothing() -> None:
    assert chosen(FIRST | {"c": [0.1, 0.2, "running"]}) == ((), list(FIRST))


def test_the_effects_of_a_path_are_those_of_its_steps(tmp_path: Path) -> None:
    found = run(tmp_path, PATH)
    assert {name: row["difference"] for name, row in effects(tmp_path).items()} == pytest.approx(
        {
            "a on against off, the rest off": 0.10,
            "b on against off, a on": 0.05 + toys.TOGETHER,
            "c on against off, a, b on": -0.02,
        }
    )
    first = History([opening(found.study, {}, {}, 0.0)])
    assert analysis.all_effects(first) == []
    assert analysis.arms_of(first) == ((), ())


def test_a_path_that_is_cut_short_tells_the_steps_that_it_took(tmp_path: Path) -> None:
    run(tmp_path, PATH, toys.Parts(fails=(("a + b", None), ("a + c", None))))
    assert note(tmp_path)["chosen"] == ["a"]
    assert list(effects(tmp_path)) == ["a on against off, the rest off"]


def test_lower_is_better_on_a_whole_path(tmp_path: Path) -> None:
    found = run(tmp_path, PATH | MIN)
    assert {cell[0] for cell in cells(found)} == {"none", "a", "b", "c", "a + b", "a + c", "full"}
    assert note(tmp_path)["chosen"] == ["a", "b", "c"]
