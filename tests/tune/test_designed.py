"""What an ablation runs, and in which order: whole pairs, the same draws, each method once, a path in rounds."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.tune.tuner import Tuner
from dfkd_ray.tune.work import Job
from tests.tune import toys
from tests.tune.ablations import DRAWS, PATH, TWINS, cells, effects, note, run, study
from tests.tune.test_tuner import tuner

pytestmark = pytest.mark.usefixtures("no_fsync")
ARMS = ["full", "without a", "without b", "without c"]


def crossed(arms: list[str], seeds: Any, draws: int = 1) -> list[tuple[str, int, int, None]]:
    return [(arm, seed, draw, None) for seed, draw, arm in product(seeds, range(draws), arms)]


def finish(c: Tuner, job: Job, work: toys.Parts | None = None) -> None:
    """Run one job of a tuner to its end."""
    c.started(job)
    for row in (work or toys.Parts(max_epochs=4)).epochs(job):
        c.report(job, row)


def jobs(c: Tuner) -> list[Job]:
    """All that can be started now."""
    out = []
    while (job := c.next_job()) is not None:
        out.append(job)
    return out


def test_whole_pairs_come_first(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert cells(found) == crossed(ARMS, range(3))
    assert [trial.changes for trial in found.trials.values()][:4] == [{}, {"a": 0}, {"b": 0}, {"c": 0}]
    assert found.in_state("complete") == 12
    assert found.finished


def test_seeds_are_those_that_were_listed(tmp_path: Path) -> None:
    assert cells(run(tmp_path, {"seeds: 3": "seeds: [7, 0, 40]"})) == crossed(ARMS, (7, 0, 40))


def test_hours_end_an_ablation_after_whole_pairs_as_far_as_they_go(tmp_path: Path) -> None:
    now = [0.0]
    with tuner(tmp_path, study({"seeds: 3": "seeds: 3\nbudget: {hours: 1}"}), ticks=lambda: now[0]) as c:
        for _ in range(5):
            job = c.next_job()
            assert job is not None
            finish(c, job)
        now[0] = 3601.0
        assert c.next_job() is None
        assert cells(c.history) == crossed(ARMS, range(3))[:5]


# ---- draws


def test_all_arms_have_the_same_draws(tmp_path: Path) -> None:
    found = run(tmp_path / "one", DRAWS)
    assert cells(found) == crossed(ARMS, range(2), draws=2)
    points: dict[int, list[Any]] = {0: [], 1: []}
    for trial in found.trials.values():
        own = {} if trial.arm == "full" else {str(trial.arm).rpartition(" ")[2]: 0}
        drawn = {path: value for path, value in trial.changes.items() if path not in own}
        assert set(drawn) == {"x", "y"}
        assert trial.changes == own | drawn
        points[trial.draw].append(drawn)
    assert all(point == drawn[0] for drawn in points.values() for point in drawn)
    assert points[0][0] != points[1][0]
    again = run(tmp_path / "two", DRAWS)
    assert [t.changes for t in again.trials.values()] == [t.changes for t in found.trials.values()]
    other = run(tmp_path / "three", DRAWS | {"design": "sampler: {name: random, seed: 1}\ndesign"})
    assert other.trials[0].changes != found.trials[0].changes


def test_an_effect_is_of_seed_and_draw(tmp_path: Path) -> None:
    """Four pairs of two seeds and two draws; what a draw adds to all arms cancels."""
    run(tmp_path, DRAWS, toys.Parts(bend=0.1))
    found = effects(tmp_path)
    assert {row["pairs"] for row in found.values()} == {4}
    assert found["b on against off, the rest on"]["difference"] == pytest.approx(0.09)
    assert found["b on against off, the rest on"]["standard_error"] == 0


# ---- arms that are one method


def test_twins_are_run_once_and_share_their_outcomes(tmp_path: Path) -> None:
    found = run(tmp_path, TWINS)
    assert found.alike == {"without same": "full"}
    assert cells(found) == crossed(ARMS, range(3))
    row = effects(tmp_path)["same on against off, the rest on"]
    assert (row["pairs"], row["lost"], row["difference"]) == (3, 0, 0.0)
    assert {arm["name"]: arm["runs_as"] for arm in note(tmp_path)["arms"]} == {
        **dict.fromkeys(ARMS),
        "without same": "full",
    }


def test_twins_on_a_path_are_run_once_too(tmp_path: Path) -> None:
    """`same` changes nothing, whatever else is on: no round runs it again."""
    found = run(tmp_path, PATH | TWINS)
    names = [trial.arm for trial in found.trials.values() if trial.seed == 0]
    assert names == ["none", "a", "b", "c", "a + b", "a + c", "a + b + c"]
    told = effects(tmp_path)["same on against off, a, b on"]
    assert (told["pairs"], told["difference"]) == (3, 0.0)
    run_as = {arm["name"]: arm["runs_as"] for arm in note(tmp_path)["arms"]}
    assert {name: other for name, other in run_as.items() if other} == {
        "same": "none",
        "a + same": "a",
        "a + b + same": "a + b",
        "full": "a + b + c",
    }


# ---- a path


def test_a_path_goes_by_rounds(tmp_path: Path) -> None:
    found = run(tmp_path, PATH)
    rounds = [["none", "a", "b", "c"], ["a + b", "a + c"], ["full"]]
    assert cells(found) == [cell for arms in rounds for cell in crossed(arms, range(3))]
    assert note(tmp_path)["chosen"] == ["a", "b", "c"]


def test_a_round_begins_when_the_one_before_has_ended(tmp_path: Path) -> None:
    with tuner(tmp_path, study(PATH)) as c:
        out = jobs(c)
        assert len(out) == 12
        assert c.search.total == 21, "at most: 3 seeds of 1 + 3 + 2 + 1 arms"
        for job in out[:-1]:
            finish(c, job)
            assert c.next_job() is None
        finish(c, out[-1])
        assert {job.arm for job in jobs(c)} == {"a + b", "a + c"}


def test_a_path_has_the_same_draws_in_all_rounds(tmp_path: Path) -> None:
    found = run(tmp_path, PATH | DRAWS)
    for draw in range(2):
        points = {trial.changes["x"] for trial in found.trials.values() if trial.draw == draw}
        assert len(points) == 1
    assert len(found.trials) == 7 * 2 * 2
