"""Cells that depend on how others ended: settings that an arm's own search has found, and seeds that are added."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from dfkd_ray.study.study import Budget
from dfkd_ray.tune.endings import Ending
from dfkd_ray.tune.history import History
from dfkd_ray.tune.search import Search
from tests.tune import toys
from tests.tune.ablations import TUNED, adaptive, cells, effects, note, run, study
from tests.tune.test_designed import ARMS, crossed, finish, jobs
from tests.tune.test_tuner import tuner

pytestmark = pytest.mark.usefixtures("no_fsync")


# ---- tuning


def test_each_arm_has_a_search_of_its_own_with_the_same_budget(tmp_path: Path) -> None:
    found = run(tmp_path, TUNED, toys.Parts(bend=1.0))
    searches = [(arm, 1000, 0, number) for number in range(6) for arm in ARMS]
    assert cells(found) == [*searches, *crossed(ARMS, range(3))]
    first = [trial.changes["x"] for trial in found.trials.values() if trial.tuning == 0]
    assert len(set(first)) == 1, "the same start"


@pytest.mark.parametrize("sampler", ["{name: tpe, startup: 3}", "random"])
def test_a_search_is_that_of_a_sweep_of_the_arm_alone(tmp_path: Path, sampler: str) -> None:
    work = toys.Parts(bend=1.0)
    found = run(tmp_path, {key: text.replace("{name: tpe, startup: 3}", sampler) for key, text in TUNED.items()}, work)
    made = found.study
    for arm in made.ablation.arms:  # type: ignore[union-attr]
        alone = Search(replace(made, ablation=None, budget=Budget(trials=6)))
        for trial in (t for t in found.trials.values() if t.arm == arm.name and t.tuning is not None):
            proposal = alone.propose()
            assert proposal is not None
            assert trial.changes == {**arm.changes, **proposal.changes}
            alone.tell(proposal.number, "complete", [work.value(trial.changes, 1000)], {}, None)


def test_the_best_setting_of_an_arm_is_run_with_all_seeds(tmp_path: Path) -> None:
    found = run(tmp_path, TUNED, toys.Parts(bend=1.0))
    chosen = {}
    for arm in ARMS:
        own = [trial for trial in found.trials.values() if trial.arm == arm]
        best = max((t for t in own if t.tuning is not None), key=lambda trial: trial.values or [])
        settings = [trial.changes for trial in own if trial.tuning is None]
        assert settings == [best.changes] * 3
        chosen[arm] = settings[0]["x"]
    assert chosen["without a"] > 0.5 > chosen["full"], "each arm at its own optimum: 0.8 and 0.2"


def test_lower_may_be_better(tmp_path: Path) -> None:
    found = run(tmp_path, TUNED | {"metric: val_accuracy": "metric: kl/noise"}, toys.Parts(bend=1.0))
    settings = {trial.arm: trial.changes["x"] for trial in found.trials.values() if trial.tuning is None}
    assert settings["without a"] > 0.5 > settings["full"]


def test_a_failed_tuning_trial_is_not_the_best(tmp_path: Path) -> None:
    with tuner(tmp_path, study(TUNED)) as c:
        for n in range(24):
            job = c.next_job()
            assert job is not None
            if job.arm == "full" and n >= 4:
                c.end(job, Ending("failed", f"no {n}"))
            else:
                finish(c, job)
        job = c.next_job()
        assert job is not None
        assert (job.arm, job.changes) == ("full", c.history.trials[0].changes)


def test_an_arm_that_no_setting_suits_is_not_run_and_not_forgotten(tmp_path: Path) -> None:
    """Its effect is lost in every pair; those of the other arms are told."""
    found = run(tmp_path, TUNED, toys.Parts(fails=(("without b", 1000),)))
    told = [cell for cell in cells(found) if cell[3] is None]
    assert told == crossed([arm for arm in ARMS if arm != "without b"], range(3))
    assert found.finished
    rows = effects(tmp_path)
    lost = rows["b on against off, the rest on"]
    assert (lost["pairs"], lost["lost"], lost["difference"]) == (0, 3, None)
    assert (rows["c on against off, the rest on"]["pairs"], rows["c on against off, the rest on"]["lost"]) == (3, 0)


def test_seeds_are_added_although_an_arm_cannot_be_tuned(tmp_path: Path) -> None:
    """Its interval stays unknown, so the others get all the seeds that the study allows."""
    text = TUNED["seeds: 3"].replace("seeds: 3", "seeds: {start: 3, max: 5, until: 1.0}")
    found = run(tmp_path, {"seeds: 3": text}, toys.Parts(fails=(("without b", 1000),)))
    assert {trial.seed for trial in found.trials.values() if trial.tuning is None} == set(range(5))


def test_an_arm_waits_for_its_own_search_alone(tmp_path: Path) -> None:
    with tuner(tmp_path, study(TUNED)) as c:
        out = jobs(c)
        assert len(out) == 24
        for job in out:
            if job.arm != "full":
                finish(c, job)
        following = jobs(c)
        assert [(job.arm, job.seed) for job in following] == [(arm, s) for s in range(3) for arm in ARMS[1:]]
        for job in out:
            finish(c, job)
        assert [(job.arm, job.seed) for job in jobs(c)] == [("full", 0), ("full", 1), ("full", 2)]


# ---- seeds that are added


def widest(history: History, seeds: int) -> float:
    """Of Student's intervals of all arms against the full method at level 1 - 0.05 / 3, in points; written out."""
    t = {3: 7.648804, 6: 3.534111, 8: 3.127552}[seeds]
    value = {(t.arm, t.seed): (t.values or [math.nan])[0] for t in history.trials.values()}
    spreads = [statistics.stdev(value["full", seed] - value[arm, seed] for seed in range(seeds)) for arm in ARMS[1:]]
    return 100 * 2 * t * max(spreads) / math.sqrt(seeds)


def test_seeds_are_doubled_until_the_widest_interval_is_narrow_enough(tmp_path: Path) -> None:
    counts = []
    for until in (0.01, 9.0, 100.0):
        found = run(tmp_path / str(until), adaptive(until), toys.Parts(noise=0.02))
        count = len({trial.seed for trial in found.trials.values()})
        assert cells(found) == crossed(ARMS, range(count))
        assert all(widest(found, fewer) > until for fewer in (3, 6) if fewer < count)
        assert count == 8 or widest(found, count) <= until
        assert (note(tmp_path / str(until))["seeds"], note(tmp_path / str(until))["looks"]) == (
            [*range(count)],
            [3, 6, 8],
        )
        counts.append(count)
    assert counts == [8, 6, 3]


def test_a_seed_is_added_when_all_arms_have_ended_and_not_before(tmp_path: Path) -> None:
    with tuner(tmp_path, study(adaptive(0.01))) as c:
        out = jobs(c)
        assert [job.seed for job in out] == [0] * 4 + [1] * 4 + [2] * 4
        assert c.search.total == 12
        for job in out[:-1]:
            finish(c, job, toys.Parts(4, noise=0.02))
            assert c.next_job() is None
        finish(c, out[-1], toys.Parts(4, noise=0.02))
        assert [(job.arm, job.seed) for job in jobs(c)] == [(arm, seed) for seed in (3, 4, 5) for arm in ARMS]
        assert c.search.total == 24


def test_a_seed_is_added_when_all_its_draws_have_ended(tmp_path: Path) -> None:
    search = "\nsearch: {x: {uniform: [0, 1]}}\ndraws: 2"
    changes = {key: text + search for key, text in adaptive(0.01).items()}
    with tuner(tmp_path, study(changes)) as c:
        out = jobs(c)
        assert len(out) == 3 * 2 * 4
        for job in out[:-1]:
            finish(c, job, toys.Parts(4, noise=0.02))
            assert c.next_job() is None
        finish(c, out[-1], toys.Parts(4, noise=0.02))
        assert [(job.arm, job.seed) for job in jobs(c)] == [
            (arm, s) for s in (3, 4, 5) for _ in range(2) for arm in ARMS
        ]
