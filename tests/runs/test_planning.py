from __future__ import annotations

from typing import Any

import pytest

from dfkd_ray import study
from dfkd_ray.methods.method import Schedule
from dfkd_ray.runs import planning
from dfkd_ray.runs.probe import StepSeconds
from dfkd_ray.runs.sizing import Place
from dfkd_ray.study.specs import Asha
from dfkd_ray.tune.duplicates import Duplicates
from dfkd_ray.tune.room import Node
from dfkd_ray.util.yamls import Document
from tests.stats.rule import told_among

SCHEDULE = Schedule(epochs=9, rounds=10, source_steps=2, student_steps=5, batch=64)
COST = StepSeconds(source_step=0.5, student_step=0.25, evaluation=1.0)
UNKNOWN = (
    "noise between seeds: not known, since no earlier study of this method and task has run a setting with two seeds: "
    "a sweep or an ablation with `seeds:` tells, or --from FOLDER names such a study"
)
TRIAL = 9 * (10 * (2 * 0.5 + 5 * 0.25) + 1.0)  # 211.5 s


def here(cpus: int, gpus: int = 0) -> Place:
    return Place([Node("here", {"CPU": cpus, "GPU": gpus})])


def lines(concurrency: int | None = 1, place: Place | None = None, **parts: Any) -> list[str]:
    raw = {
        "study": "a",
        "question": "Which?",
        "method": "noise_kd",
        "task": "gliders",
        "objective": {"metric": "val_accuracy"},
        "search": {"student_loss.kd.temperature": {"log": [1, 20]}, "schedule.batch": {"choice": [8, 16]}},
        "budget": {"trials": 6},
    }
    made = study.parse(Document({**raw, **parts}))
    return list(planning.describe(made, SCHEDULE, COST, concurrency, place=place))


def test_it_says_what_runs_and_what_it_costs() -> None:
    assert lines() == [
        "a: Which?",
        "method noise_kd, task gliders, sampler tpe, stopper none",
        "tpe draws the first 3 of 6 trials at random, its model proposes at most 3",
        UNKNOWN,
        "  student_loss.kd.temperature  log [1.0, 20.0]",
        "  schedule.batch               choice [8, 16]",
        "a trial: 9 epochs x 10 rounds, 180 source steps and 450 student steps of 64 images",
        "measured here: 0.500 s a source step, 0.250 s a student step, 1.00 s an evaluation: 4 min a trial",
        "6 trials, 1 at a time: at most 21 min of CPU, 21 min on the clock",
    ]
    assert COST.trial(SCHEDULE) == pytest.approx(TRIAL)


def test_it_says_where_there_are_fewer_settings_than_the_budget_pays_for() -> None:
    said = "the space has 2 settings, fewer than the budget of 6 trials"
    few = {"search": {"schedule.batch": {"choice": [8, 16]}}}
    assert said in lines(**few)
    assert said not in lines(budget={"trials": 2}, **few)
    assert not any("the space has" in line for line in lines())


def test_it_says_where_the_sampler_will_not_see_all_trials() -> None:
    said = "of more than 3000 ended trials tpe models the best 100 and an even sample of the others"
    many = {"search": {"student_loss.kd.temperature": {"log": [1, 20]}}}
    assert said in lines(budget={"trials": 3001}, **many)
    for sampler, trials in (("tpe", 3000), ("random", 9000)):
        assert said not in lines(budget={"trials": trials}, sampler={"name": sampler}, **many)


def test_with_several_seeds_the_budget_is_of_settings() -> None:
    several = lines(seeds=[0, 4, 5], stopper={"name": "asha", "grace": 3, "reduction": 3})
    assert several[3:5] == [
        "each setting with 3 seeds (0, 4, 5), 6 settings and at most 18 trials: its value is the mean",
        "a setting's later seeds are run while it may still come out ahead of the best one (racing, risk 0.05); once "
        "it cannot, it is left",
    ]
    clock = 18 * TRIAL / 60
    assert f"18 trials, 1 at a time: at most {clock:.0f} min of CPU, {clock:.0f} min on the clock" in several
    passed = 1 / 3  # of the one rung, after a third of the epochs
    asha = 6 * (1 / 3 + passed * 2 / 3 + passed * 2) * TRIAL / 60
    assert f"if asha keeps 1 in 3 at each rung: about {asha:.0f} min on the clock" in several
    assert not any("racing" in line for line in lines(seeds=2, racing=False))
    hours = lines(seeds=2, budget={"hours": 1})
    assert "each setting with 2 seeds (0, 1): its value is the mean" in hours
    assert "budget: no setting is started after 1 h; about 17 fit, 1 at a time" in hours


def of_arms(**arms: dict[str, Any]) -> study.Study:
    plain = {"study": "a", "method": "noise_kd", "task": "gliders", "objective": {"metric": "val_accuracy"}}
    return study.parse(Document({**plain, "arms": arms, "seeds": 3}))


def test_what_cannot_be_measured_is_left_out() -> None:
    made = of_arms(one={}, two={"schedule.batch": 8})
    measured = list(planning.describe(made, SCHEDULE, COST, 1))
    alone = list(planning.describe(made, SCHEDULE, None, 1))
    assert alone == measured[: len(alone)]
    assert alone[-1].startswith("a trial: 9 epochs x 10 rounds, ")
    assert measured[len(alone)].startswith("measured here: ")


def test_arms_of_several_lengths_cost_their_mean() -> None:
    made = of_arms(one={}, two={"schedule.epochs": 2})
    said = list(planning.describe(made, SCHEDULE, None, 2, each={"one": 80.0, "two": 40.0}))
    assert said[-2:] == [
        "measured here, a trial of each arm: one 80 s, two 40 s; mean 60 s",
        "6 trials, 2 at a time: at most 6 min of CPU, 3 min on the clock",
    ]
    assert not any(line.startswith("a trial: ") for line in said), "there is no one schedule"


def test_trials_at_a_time_share_the_clock_not_the_cost() -> None:
    assert lines(3)[-1] == "6 trials, 3 at a time: at most 21 min of CPU, 7 min on the clock"
    assert lines(100)[-1].startswith("6 trials, 6 at a time: ")
    gpu = lines(None, here(8, 1), resources={"cpu": 4, "gpu": 0.5})[-1]
    assert gpu == "6 trials, 2 at a time: at most 85 min of CPU, 11 min of GPU, 11 min on the clock"


@pytest.mark.parametrize(
    ("resources", "gpus", "at_once"),
    [
        ({"cpu": 2}, 0, 4),
        ({"cpu": 2, "gpu": 1}, 1, 1),
        ({"cpu": 2, "gpu": 0.25}, 1, 4),
        ({"cpu": 1, "gpu": 0.5}, 2, 4),
        ({"cpu": 4, "gpu": 0.25}, 2, 2),
    ],
)
def test_as_many_run_at_a_time_as_the_runner_would_start(resources: dict[str, float], gpus: int, at_once: int) -> None:
    """Of a machine with 8 CPUs, and GPUs or none."""
    assert lines(None, here(8, gpus), resources=resources)[-1].startswith(f"6 trials, {at_once} at a time: ")


def test_trials_of_a_cluster_are_on_one_node_each() -> None:
    cluster = Place([Node("a", {"CPU": 3}), Node("b", {"CPU": 3, "GPU": 1})], cluster=True)
    said = lines(None, cluster, resources={"cpu": 2})
    assert said[-1] == "6 trials, 1 at a time: at most 42 min of CPU, 21 min of GPU, 21 min on the clock", "gpu: auto"
    assert said[-2].startswith("measured on the cluster: 0.500 s a source step, ")
    assert lines(None, cluster, resources={"cpu": 2, "gpu": 0})[-1].startswith("6 trials, 2 at a time: ")
    *_, why, last = lines(None, cluster, resources={"cpu": 4})
    takes = "a trial takes 4 cpu, 1 gpu (resources), and the largest of 2 nodes has 3 cpu, 1 gpu"
    assert why == f"no trial fits on the cluster: {takes}"
    assert last.startswith("6 trials, 1 at a time: ")


def test_fused_trials_take_their_seconds_together() -> None:
    """4 and 2 of 6, where a step of each takes a second and three quarters: as measured, with 4 in step."""
    said = lines(None, here(8, 1), resources={"cpu": 4, "gpu": 1, "fuse": 4})
    assert said[-2].startswith("measured here, 4 trials in step with each other: 0.500 s a source step, ")
    assert said[-1] == (
        "6 trials, 4 at a time, 4 in a process: at most 28 min of CPU, 7 min of GPU, 7 min on the clock"
    )
    two = lines(None, here(8, 2), resources={"cpu": 4, "gpu": 1, "fuse": 4})[-1]
    assert two == "6 trials, 6 at a time, 4 in a process: at most 28 min of CPU, 7 min of GPU, 4 min on the clock"
    assert "about 68 fit, 4 at a time" in lines(4, budget={"hours": 1}, resources={"fuse": 4})[-1]
    asha = lines(4, stopper={"name": "asha", "grace": 3, "reduction": 3}, resources={"fuse": 4})[-1]
    assert asha == "asha may spare nothing of that: a process goes on until the last of its 4 trials has ended"
    *_, why, _ = lines(None, here(2), resources={"cpu": 4, "fuse": 2})
    assert why.startswith("no trial fits here: a process with 2 trials takes 4 cpu (resources), and this machine has 2")


@pytest.mark.parametrize("resources", [{"cpu": 16}, {"cpu": 1, "gpu": 0.5}])
def test_a_machine_that_is_too_small_is_planned_on_and_said_so(resources: dict[str, float]) -> None:
    """A study for a cluster is planned where it is written."""
    *_, said, trials = lines(None, here(8), resources=resources)
    share, has = ("1 cpu, 0.5 gpu", "8 cpu, 0 gpu") if "gpu" in resources else ("16 cpu", "8 cpu")
    assert said == f"no trial fits here: a trial takes {share} (resources), and this machine has {has}"
    assert trials.startswith("6 trials, 1 at a time: ")
    assert "no trial fits here" not in "".join(lines(2, resources=resources)), "who says how many knows the machine"


def test_what_the_stopper_may_spare_is_an_if() -> None:
    with_asha = lines(1, stopper={"name": "asha", "grace": 3, "reduction": 3})
    assert with_asha[:-1] == lines(1)[:1] + [line.replace("stopper none", "stopper asha") for line in lines(1)[1:]]
    # all run 3 epochs, a third of them 6 more: (3 + 6 / 3) / 9
    assert with_asha[-1] == f"if asha keeps 1 in 3 at each rung: about {6 * TRIAL * 5 / 9 / 60:.0f} min on the clock"
    too_late = lines(1, stopper={"name": "asha", "grace": 9, "reduction": 3})
    assert "asha stops nothing: it begins after epoch 9, and a trial has 9 (`grace`)" in too_late
    assert too_late[-1] == lines(1)[-1]


@pytest.mark.parametrize(
    ("grace", "reduction", "epochs", "share"),
    [
        (1, 2, 8, (1 + 1 / 2 + 2 / 4 + 4 / 8) / 8),
        (2, 3, 20, (2 + 4 / 3 + 12 / 9 + 2 / 27) / 20),
        (5, 3, 5, 1.0),
        (9, 4, 5, 1.0),
    ],
)
def test_the_share_of_epochs_that_asha_runs(grace: int, reduction: int, epochs: int, share: float) -> None:
    assert planning._asha_share(Asha(grace, reduction), epochs) == pytest.approx(share)


def test_a_grid_is_counted() -> None:
    search = {"schedule.batch": {"choice": [8, 16]}, "memory.reuse": {"int": [1, 3]}}
    assert lines(1, search=search, sampler="grid", budget={})[-1].startswith("6 trials, 1 at a time: ")
    assert lines(1, search=search, sampler="grid", budget={"trials": 4})[-1].startswith("4 trials, ")


def test_hours_are_a_budget_too() -> None:
    timed = lines(2, budget={"hours": 2})
    assert timed[-1] == "budget: no trial is started after 2 h; about 68 fit, 2 at a time"
    both = lines(2, budget={"hours": 2, "trials": 6})
    assert [line.partition(",")[0] for line in both[-2:]] == [timed[-1].partition(",")[0], "6 trials"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h"), (86400, "24.0 h")]
)
def test_times_are_written_as_one_says_them(seconds: float, text: str) -> None:
    assert planning._time(seconds) == text


# ---- ablations

SWITCHES = {
    "mhad": {"off": {"student_loss.high_order": None}},
    "sfcl": {"off": {"student_loss.semantic_contrast": None}},
    "kd": {"off": {"student_loss.kd.weight": 0.5}},
}


def ablation(measured: planning.Spread | None = None, duplicates: Duplicates | None = None, **parts: Any) -> list[str]:
    raw = {
        "study": "a",
        "method": "dfkd_fgvc",
        "task": "gliders",
        "objective": {"metric": "val_accuracy"},
        "components": SWITCHES,
        "design": "leave_one_out",
        "seeds": 5,
    }
    made = study.parse(Document({key: value for key, value in {**raw, **parts}.items() if value is not None}))
    return list(planning.describe(made, SCHEDULE, COST, 2, measured, duplicates))


def detectable(pairs: int, level: float) -> float:
    """The true effect, in standard deviations, that a paired t test finds with probability 0.8; by scipy's own t."""
    from scipy.optimize import brentq
    from scipy.stats import nct, t

    limit = t.ppf(1 - level / 2, pairs - 1)
    return float(brentq(lambda d: nct.sf(limit, pairs - 1, d * pairs**0.5) - 0.8, 0.1, 9))


def test_an_ablation_in_full() -> None:
    assert ablation((0.02, "measured in reports/a")) == [
        "a",
        "method dfkd_fgvc, task gliders",
        "design: leave_one_out, 4 arms",
        "arm           mhad  sfcl  kd",
        "full          on    on    on",
        "without mhad  off   on    on",
        "without sfcl  on    off   on",
        "without kd    on    on    off",
        "each effect is that of one component while the rest is on; its interactions with the rest are part of it",
        "5 seeds for each arm: 5 pairs",
        f"smallest effect told with power 0.8, by itself: {2 * detectable(5, 0.05):.1f} points "
        "(spread 2.0 points, measured in reports/a)",
        "smallest effect told with power 0.8, among 3 effects that scatter alike: "
        f"{2 * told_among(5, 0.05, 3):.1f} points (spread 2.0 points, measured in reports/a)",
        "a trial: 9 epochs x 10 rounds, 180 source steps and 450 student steps of 64 images",
        "measured here: 0.500 s a source step, 0.250 s a student step, 1.00 s an evaluation: 4 min a trial",
        "20 trials, 2 at a time: at most 70 min of CPU, 35 min on the clock",
    ]


def smallest(found: list[str]) -> list[str]:
    head = "smallest effect told with power 0.8, "
    return [line.removeprefix(head) for line in found if line.startswith(head)]


def test_without_a_spread_it_is_told_in_standard_deviations() -> None:
    unit = "standard deviations of a paired difference of two arms"
    assert smallest(ablation()) == [
        f"by itself: {detectable(5, 0.05):.2f} {unit}",
        f"among 3 effects that scatter alike: {told_among(5, 0.05, 3):.2f} {unit}",
    ]


def test_a_spread_that_is_stated_comes_before_one_that_was_measured() -> None:
    found = smallest(ablation((0.09, "measured in reports/a"), spread=1.5, seeds=4))
    assert found[0] == f"by itself: {1.5 * detectable(4, 0.05):.1f} points (spread 1.5 points, stated)"


def test_a_metric_that_is_no_share_has_its_own_unit() -> None:
    found = smallest(ablation((0.002, "measured in reports/a"), objective={"metric": "kl/noise"}))
    value = f"{0.002 * detectable(5, 0.05):.3g} nats (spread 0.002 nats, measured in reports/a)"
    assert found[0] == f"by itself: {value}"


def test_a_factorial_tells_main_effects_by_all_its_arms_and_in_a_family_of_their_own() -> None:
    """A mean of 4 arms minus a mean of 4 has half the spread of two arms; interactions are another family."""
    found = ablation(design="factorial", spread=2.0)
    assert "nothing is confounded; a main effect is a mean over all levels of the rest" in found
    assert smallest(found) == [
        f"by itself: {detectable(5, 0.05):.1f} points (spread 2.0 points, stated)",
        f"among 3 effects that scatter alike: {told_among(5, 0.05, 3):.1f} points (spread 2.0 points, stated)",
    ]


def test_what_is_confounded_is_said() -> None:
    found = ablation(design={"name": "fractional_factorial", "resolution": 3})
    assert "2^(3-1) of resolution III: 4 arms of 8" in found
    assert "generators: C = AB" in found
    assert "mhad cannot be told from sfcl x kd" in found
    assert found[-1].startswith("20 trials, ")


def test_one_comparison_needs_no_rule() -> None:
    found = ablation(components=None, design=None, arms={"one": {}, "two": {"schedule.batch": 8}}, spread=1.0)
    assert [line.partition(":")[0] for line in smallest(found)] == ["by itself"]
    assert "two  schedule.batch: 8" in found


def test_two_pairs_have_no_p_value_and_no_power() -> None:
    found = ablation(seeds=2, spread=1.0)
    assert "with fewer than 3 pairs no effect gets a p value" in found
    assert smallest(found) == []


def test_draws_are_pairs_and_a_domain_is_shown() -> None:
    found = ablation(search={"student_loss.kd.temperature": {"log": [1, 20]}}, draws=2, spread=1.0)
    assert "5 seeds x 2 draws for each arm: 10 pairs" in found
    assert smallest(found)[0].startswith(f"by itself: {detectable(10, 0.05):.1f} points")
    assert "  student_loss.kd.temperature  log [1.0, 20.0]" in found
    assert found[-1].startswith("40 trials, ")


def test_tuning_is_counted() -> None:
    found = ablation(search={"student_loss.kd.temperature": {"log": [1, 20]}}, tune={"trials": 7})
    assert "before that 7 tuning trials of each arm, with seed 1000" in found
    assert found[-1].startswith(f"{4 * (5 + 7)} trials, ")


def test_seeds_that_may_be_added_are_counted_apart() -> None:
    found = ablation(seeds={"start": 3, "max": 10, "until": 1.5})
    assert "3 seeds for each arm, up to 10 until intervals are within 1.5 points: 3 pairs" in found
    assert found[-2].startswith("12 trials, 2 at a time: ")
    assert found[-1] == f"with all 10 seeds: 40 trials, {40 * TRIAL / 2 / 60:.0f} min on the clock"


def test_a_path_says_how_far_it_may_go() -> None:
    found = ablation(design="path", spread=1.0)
    assert "3 rounds, at most 7 arms; these are the arms of the first round" in found
    assert found[-1].startswith(f"at most {7 * 5} trials, ")
    assert smallest(found)[1].startswith("among 3 effects that scatter alike: ")


# ---- arms that are not run


def test_arms_that_are_one_method_are_said_and_not_counted() -> None:
    """Known by fingerprint alone: `off` sets what is the default anyway."""
    found = ablation(None, Duplicates([], {"without kd": "full"}, {}), seeds={"start": 3, "max": 6, "until": 1.0})
    assert "the same method, run once: full, without kd" in found
    assert found[-2].startswith(f"{3 * 3} trials, ")
    assert found[-1].startswith(f"with all 6 seeds: {3 * 6} trials, ")


def test_arms_with_the_same_changes_are_counted_once_whether_looked_at_or_not() -> None:
    order = {"path": "student_loss.high_order.order", "levels": [2, 3]}
    parts: dict[str, Any] = {"components": {"mhad": SWITCHES["mhad"], "order": order}, "design": "factorial"}
    for duplicates in (None, Duplicates([], {"order=3": "none"}, {})):
        found = ablation(None, duplicates, **parts)
        assert [line for line in found if "run once" in line] == ["the same changes, run once: none, order=3"]
        assert found[-1].startswith(f"{3 * 5} trials, ")


def test_tuning_trials_of_twins_are_not_counted_either() -> None:
    search = {"student_loss.kd.temperature": {"log": [1, 20]}}
    found = ablation(None, Duplicates([], {"without sfcl": "full"}, {}), search=search, tune={"trials": 7})
    assert found[-1].startswith(f"{3 * (5 + 7)} trials, ")


def test_what_a_path_leaves_out_of_its_first_round_is_said_and_not_counted() -> None:
    found = ablation(None, Duplicates([], {"sfcl": "none"}, {"kd": "kd.weight: odd"}), design="path")
    assert "left out of the first round, since it is no method: kd: kd.weight: odd" in found
    assert "the same method, run once: none, sfcl" in found
    assert found[-1].startswith(f"at most {(7 - 2) * 5} trials, ")


def test_a_path_to_a_method_says_from_where_to_where() -> None:
    parts = {
        "high_order": {"levels": {"in": {}, "out": {"student_loss.high_order": None}}, "on": "out", "off": "in"},
        "epochs": {"levels": {"9": {}, "4": {"schedule.epochs": 4}}, "on": "4", "off": "9"},
    }
    found = ablation(components=parts, design={"name": "path", "to": "noise_kd"})
    assert found[2:10] == [
        "design: path, 3 arms",
        "arm             high_order  epochs",
        "none            in          9",
        "high_order=out  out         9",
        "epochs=4        in          4",
        "from dfkd_fgvc (the arm none) to noise_kd (the arm full)",
        "  high_order: student_loss.high_order from in to out",
        "  epochs: schedule.epochs from 9 to 4",
    ]
    assert "2 rounds, at most 4 arms; these are the arms of the first round" in found
