"""A sweep with several seeds: what is run, what its sampler is told, who wins, and that a crash changes nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfkd_ray.study import Study
from dfkd_ray.tune import by_setting, launch
from dfkd_ray.tune.confirm import total
from dfkd_ray.tune.history import History, read_history
from dfkd_ray.tune.ledger import Ledger
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.search import Search
from dfkd_ray.tune.trials import CONFIRM
from dfkd_ray.tune.tuner import Tuner
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util import folders
from dfkd_ray.util.errors import TrialFailed
from tests.tune import toys
from tests.tune.crashing import dies
from tests.tune.test_confirm import Lucky
from tests.tune.test_tuner import row, tuner

pytestmark = pytest.mark.usefixtures("no_fsync")
ASHA, BUDGET = "stopper: {name: asha, grace: 1, reduction: 2}", "budget: {trials: 8}"


def study(more: str = "seeds: 3", stopper: str = "stopper: none", budget: str = BUDGET) -> Study:
    return toys.study({BUDGET: f"{budget}\n{more}", ASHA: stopper})


def ran(made: Study, folder: Path, work: Any = None) -> History:
    toys.start(made, work or Lucky(), folder)
    return read_history(folder)


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("seeded") / "raced"
    toys.start(study(), Lucky(), folder)
    return folder


def by_first(history: History) -> dict[int, list[tuple[int, float]]]:
    """Setting -> (seed, value) of each of its trials, by what their records say alone."""
    found: dict[int, list[tuple[int, float]]] = {}
    for trial in history.trials.values():
        if trial.phase is None:
            first = trial.number if trial.setting is None else trial.setting
            found.setdefault(first, []).append((trial.seed, (trial.values or [math.nan])[0]))
    return found


def test_every_setting_begins_with_the_first_seed_and_only_those_that_could_win_have_all(raced: Path) -> None:
    history = read_history(raced)
    found = by_first(history)
    assert history.searched == len(found) == 8
    assert all([seed for seed, _ in own] == [0, 1, 2][: len(own)] for own in found.values())
    assert {len(own) for own in found.values()} == {1, 2, 3}, "this study shows all of them"
    for number in found:
        first = history.trials[number]
        assert all(history.trials[each].changes == first.changes for each in history.settings.all[number].runs)
    states = {number: setting.state for number, setting in history.settings.all.items()}
    assert states == {number: "complete" if len(own) == 3 else "left" for number, own in found.items()}


def test_the_winner_is_the_best_mean_of_those_with_every_seed(raced: Path) -> None:
    history = read_history(raced)
    means = {number: np.mean([v for _, v in own]) for number, own in by_first(history).items() if len(own) == 3}
    best = history.best()
    assert best is not None
    assert best.number == max(means, key=means.__getitem__)
    assert best.values == pytest.approx([means[best.number]])
    own = [value for _, value in by_first(history)[best.number]]
    assert best.errors == pytest.approx([np.std(own, ddof=1) / math.sqrt(3)])
    assert (best.over, best.final["test_accuracy/last"]) == (3, pytest.approx(means[best.number]))
    kept = [path for path in (raced / folders.TRIALS).iterdir() if any(path.iterdir())]
    assert kept == [folders.of_trial(raced, best.number)], "the student of its first seed"


def test_a_setting_is_left_by_the_rule_that_is_written_down(raced: Path) -> None:
    """The rule once more, by numpy: the noise of all settings that were complete by then, the best of them."""
    from scipy.stats import t

    history = read_history(raced)
    whole: dict[int, list[float]] = {}
    for number, own in by_first(history).items():
        values = [value for _, value in own]
        for done in range(1, 3):
            if len(whole) < 2:
                continue
            y = np.asarray([*whole.values()])
            rest = y - y.mean(1, keepdims=True) - y.mean(0, keepdims=True) + y.mean()
            free = (len(y) - 1) * 2
            noise = math.sqrt((rest**2).sum() / free)
            best = y[y.mean(1).argmax()]
            ahead = np.mean(np.asarray(values[:done]) - best[:done])
            goes_on = ahead + t.ppf(0.95, free) * noise * math.sqrt(2 * (1 / done - 1 / 3)) >= 0
            assert goes_on == (len(values) > done), (number, done)
            if not goes_on:
                told = history.settings.all[number].told
                assert told == pytest.approx([best.mean() + ahead]), "as far behind the best as it was, pair by pair"
                break
        if len(values) == 3:
            whole[number] = values


def test_the_sampler_is_told_each_setting_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, str, Any]] = []
    tell = Search.tell
    monkeypatch.setattr(Search, "tell", lambda self, *of: [told.append(of[:3]), tell(self, *of)])
    history = ran(study(), tmp_path / "s")
    assert [number for number, _, _ in told] == list(range(8))
    assert [state for _, state, _ in told] == ["complete"] * 8
    assert [values for _, _, values in told] == [each.told for each in history.settings.all.values()]
    again = Search(history.study)
    again.rebuild(history)
    assert [t.values for t in again._optuna.get_trials()] == [values for _, _, values in told]


def test_without_a_race_all_settings_have_all_seeds_and_the_same_proposals(tmp_path: Path) -> None:
    history = ran(study("seeds: [4, 2]\nracing: false", budget="budget: {trials: 4}"), tmp_path / "s")
    assert [(t.setting, t.seed, t.place) for t in history.trials.values()] == [
        (setting, seed, place) for place in range(4) for setting, seed in ((None, 4), (2 * place, 2))
    ]
    assert all(each.told == each.values for each in history.settings.all.values())
    assert total(history, 4) == 8


def test_a_crash_at_any_record_changes_nothing(raced: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = read_history(raced)
    kinds = [record["kind"] for record in records(raced)]
    settled = [place for place, kind in enumerate(kinds, 1) if kind == "settled"]
    for k in (settled[2] - 1, settled[2], settled[2] + 1, settled[-1] - 1):  # around the end of a setting
        folder = tmp_path / str(k)
        dies(monkeypatch, partial(toys.start, study(), Lucky(), folder), k - 1)
        toys.resume(folder, Lucky())
        found = read_history(folder)
        assert [(t.changes, t.seed, t.values) for t in found.trials.values()] == [
            (t.changes, t.seed, t.values) for t in expected.trials.values()
        ]
        assert found.settings.all == expected.settings.all


def records(folder: Path) -> list[dict[str, Any]]:
    with Ledger(folder) as ledger:
        return list(ledger.records)


def test_a_stopped_first_seed_ends_its_setting_and_no_later_seed_is_stopped(tmp_path: Path) -> None:
    history = ran(study("seeds: 2\nracing: false", stopper=ASHA), tmp_path / "s")
    pruned = [t for t in history.trials.values() if t.state == "pruned"]
    assert pruned
    assert {t.setting for t in pruned} == {None}
    for trial in pruned:
        setting = history.settings.all[trial.number]
        assert (setting.runs, setting.state, setting.told) == ([trial.number], "pruned", trial.values)
        assert (setting.rung, setting.reason) == (trial.rung, trial.reason)
    again = Search(history.study)
    again.rebuild(history)
    optuna = {trial.number: trial for trial in again._optuna.get_trials()}
    assert {optuna[t.place].state.name for t in pruned} == {"PRUNED"}
    assert all(optuna[t.place].intermediate_values == {t.epoch: (t.values or [0])[0]} for t in pruned)


@dataclass(frozen=True)
class Failing(Lucky):
    """Seed 1 of one setting fails until it is mended."""

    mended: bool = False

    def epochs(self, job: Job) -> Iterator[Row]:
        if job.trial == 4 and not self.mended:
            raise TrialFailed("it diverged\nsomewhere")
        yield from super().epochs(job)


def test_a_setting_of_which_a_seed_has_failed_has_failed_until_it_is_run_again(tmp_path: Path) -> None:
    made = study("seeds: 3\nracing: false", budget="budget: {trials: 3}")
    history = ran(made, tmp_path / "s", Failing())
    setting = history.settings.all[3]
    assert (setting.runs, setting.state, setting.values) == ([3, 4], "failed", None)
    assert setting.reason == "failed with seed 1: TrialFailed: it diverged"
    assert history.trials[3].state == "complete"
    again = Search(history.study)
    again.rebuild(history)
    assert [t.state.name for t in again._optuna.get_trials()] == ["COMPLETE", "FAIL", "COMPLETE"]
    work = Failing(mended=True)
    launch.resume(tmp_path / "s", lambda history, options: (work, {"provenance": {}}), Options(), failed=True)
    history = read_history(tmp_path / "s")
    setting = history.settings.all[3]
    assert (setting.state, [history.trials[n].seed for n in setting.runs]) == ("complete", [0, 1, 2])
    assert total(history, 3) == len(history.trials) == 9


def test_seeds_run_side_by_side_where_nothing_may_leave_them_out(tmp_path: Path) -> None:
    with tuner(tmp_path / "a", study("seeds: 2\nracing: false")) as c:
        jobs = [c.next_job() for _ in range(4)]
        assert [(job.trial, job.seed) for job in jobs if job] == [(0, 0), (1, 1), (2, 0), (3, 1)]
        assert jobs[0] is not None
        assert jobs[1] is not None
        assert jobs[0].changes == jobs[1].changes
        finished(c, jobs[1], 0.5)
        assert [t.state.name for t in c.search._optuna.get_trials()] == ["RUNNING"] * 2
        finished(c, jobs[0], 0.7)
        assert c.search._optuna.get_trials()[0].values == [0.6]
    with tuner(tmp_path / "b", study("seeds: 2")) as c:
        jobs = [c.next_job() for _ in range(2)]
        assert [(job.trial, job.seed) for job in jobs if job] == [(0, 0), (1, 0)], "one after another in a race"
        assert jobs[1] is not None
        finished(c, jobs[1], 0.5)
        job = c.next_job()
        assert job is not None
        assert (job.trial, job.seed, c.history.trials[2].setting) == (2, 1, 1), "before another setting begins"


def test_what_waits_for_its_turn_is_left_once_another_is_far_ahead(tmp_path: Path) -> None:
    """Two settings tell the noise; a third and a fourth have their first seed, then the fourth comes out far ahead."""
    with tuner(tmp_path, study("seeds: 2")) as c:
        for value in (0.50, 0.51, 0.60, 0.62):
            job = c.next_job()
            assert job is not None
            finished(c, job, value)
        third, fourth = c.next_job(), c.next_job()
        assert third is not None
        assert fourth is not None
        finished(c, fourth, 0.9)
        last = c.next_job()
        assert last is not None
        assert (last.trial, c.history.trials[6].setting) == (6, 5)
        finished(c, third, 0.7)
        assert {*c.history.settings.open} == {4, 5}, "the third may still win, and waits for room"
        finished(c, last, 0.9)
        assert [*c.history.settings.open] == []
        assert c.history.settings.all[4].reason == "left after 1 of 2 seeds: too far behind trial 5, pair by pair"


def finished(c: Tuner, job: Job, value: float, **more: Any) -> None:
    c.started(job)
    for epoch in range(1, 5):
        c.report(job, row(epoch, value, last=epoch == 4, **more))


def test_of_several_objectives_those_that_all_lose_are_left(tmp_path: Path) -> None:
    goals = {"{metric: val_accuracy}": "[{metric: val_accuracy}, {metric: kl/noise, mode: min}]"}
    made = toys.study({**goals, BUDGET: f"{BUDGET}\nseeds: 3", ASHA: "stopper: none"})
    seen = {  # setting -> (validation accuracy, KL) of each seed
        0: [(0.80, 0.50), (0.82, 0.52), (0.81, 0.51)],
        1: [(0.60, 0.30), (0.62, 0.32), (0.62, 0.31)],
        2: [(0.50, 0.60), (0.0, 0.0), (0.0, 0.0)],  # behind both
        3: [(0.85, 0.90), (0.86, 0.93), (0.87, 0.92)],  # the most accurate
    }
    with tuner(tmp_path, made) as c:
        for _ in range(10):
            job = c.next_job()
            assert job is not None
            trial = c.history.trials[job.trial]
            accuracy, kl = seen[trial.place][job.seed]
            c.started(job)
            for epoch in range(1, 5):
                c.report(job, Row(epoch, 1.0, {"val_accuracy": accuracy, "kl/noise": kl}, last=epoch == 4))
        settings = [*c.history.settings.all.values()]
        assert [each.state for each in settings] == ["complete", "complete", "left", "complete"]
        assert settings[2].reason == "left after 1 of 3 seeds: too far behind trial 0, pair by pair"
        assert settings[2].told == pytest.approx([0.81 - 0.3, 0.51 + 0.1])
        assert [trial.number for trial in c.history.front()] == [0, 3, 7]
        assert c.history.front()[0].values == pytest.approx([0.81, 0.51])


def test_degenerate_and_unmet_trials_end_their_setting(tmp_path: Path) -> None:
    bound = {BUDGET: f'{BUDGET}\nseeds: 2\nracing: false\nconstraints: {{seconds: "<= 4"}}', ASHA: "stopper: none"}
    with tuner(tmp_path, toys.study(bound)) as c:
        first, second = c.next_job(), c.next_job()
        assert first is not None
        assert second is not None
        finished(c, first, 0.9)
        c.started(second)
        for epoch in range(1, 5):
            c.report(second, Row(epoch, 2.0 * epoch, {"val_accuracy": 0.9, "kl/noise": 0.1}, last=epoch == 4))
        assert c.history.settings.all[0].state == "complete"
        assert c.history.best() is None, "its second seed is outside"
        told = by_setting.told(c.study, c.history, c.history.trials[0])
        assert (told.state, told.values, told.excesses) == ("complete", [0.9], {"seconds": 4.0})
        job = c.next_job()
        assert job is not None
        c.started(job)
        for epoch in range(1, 5):
            c.report(job, Row(epoch, 2.0 * epoch, {"val_accuracy": 0.9, "kl/noise": 0.1}, last=epoch == 4))
        setting = c.history.settings.all[2]
        assert (setting.state, setting.runs) == ("left", [2])
        assert setting.reason == "outside of the constraints with seed 0: seconds not <= 4"


def test_a_winner_over_seeds_is_confirmed_by_others(tmp_path: Path) -> None:
    history = ran(study("seeds: [0, 7]\nconfirm: {top: 2, seeds: 3}", budget="budget: {trials: 4}"), tmp_path / "s")
    assert {t.seed for t in history.trials.values() if t.phase == CONFIRM} == {8, 9, 10}
    won = next(number for number in history.fresh.arms.values() if number is not None)
    found = next(each for each in noted(history)["settings"] if each["trial"] == won)
    assert found["searched"] == pytest.approx((history.settings.all[won].values or [0.0])[0])
    assert history.finished
    assert total(history, 4) == len(history.trials)


def noted(history: History) -> Mapping[str, Any]:
    from dfkd_ray.tune.confirm import confirmed

    found = confirmed(history)
    assert found is not None
    return found
