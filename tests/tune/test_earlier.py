"""The spread of earlier ablations: of the right one, with every pair that it ran."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from pathlib import Path

import pytest

from dfkd_ray.study import Objective
from dfkd_ray.tune.earlier import beside, deviation, noise
from dfkd_ray.tune.history import History
from dfkd_ray.util.errors import StudyError
from tests.tune import toys
from tests.tune.ablations import PATH, TASK, TUNED, TWINS, history, run, study

pytestmark = pytest.mark.usefixtures("no_fsync")
NOISY = toys.Parts(noise=0.02)


def pooled(found: History, pairs: list[tuple[str, str]], divisor: float = 1.0) -> float:
    """Root mean square of the standard deviations of these arms' paired differences."""
    seeds = sorted({trial.seed for trial in found.trials.values() if trial.tuning is None})
    value = {
        (trial.arm, trial.seed): trial.values[0]
        for trial in found.trials.values()
        if trial.values and trial.tuning is None
    }
    variances = []
    for a, b in pairs:
        variances.append(statistics.variance(value[a, seed] - value[b, seed] for seed in seeds))
    return math.sqrt(statistics.mean(variances)) / divisor


def test_it_is_the_spread_of_the_paired_differences(tmp_path: Path) -> None:
    found = run(tmp_path, {}, NOISY)
    expected = pooled(found, [("full", f"without {name}") for name in "abc"])
    assert deviation(study(), [tmp_path]) == (pytest.approx(expected), tmp_path)


def test_tuning_trials_are_not_of_it(tmp_path: Path) -> None:
    found = run(tmp_path, TUNED, NOISY)
    expected = pooled(found, [("full", f"without {name}") for name in "abc"])
    assert deviation(study(), [tmp_path]) == (pytest.approx(expected), tmp_path)


def test_a_path_is_told_by_the_steps_that_it_took(tmp_path: Path) -> None:
    found = run(tmp_path, PATH, NOISY)
    expected = pooled(found, [("a", "none"), ("a + b", "a"), ("full", "a + b")])
    assert deviation(study(), [tmp_path]) == (pytest.approx(expected), tmp_path)


def test_arms_that_ran_as_others_do_not_hide_the_rest(tmp_path: Path) -> None:
    """In a factorial every effect has every arm in it, also those that another arm ran for."""
    run(tmp_path / "all", {"leave_one_out": "factorial"}, NOISY)
    expected = deviation(study(), [tmp_path / "all"])
    assert expected is not None
    twins = run(tmp_path / "twins", TWINS | {"leave_one_out": "factorial"}, NOISY)
    assert len({trial.arm for trial in twins.trials.values()}) == 8
    found = deviation(study(), [tmp_path / "twins"])
    assert found is not None
    assert 0.2 < found[0] / expected[0] < 2


def test_the_first_folder_that_fits(tmp_path: Path) -> None:
    quiet, noisy = tmp_path / "quiet", tmp_path / "noisy"
    run(quiet, {}, toys.Parts(noise=0.001))
    run(noisy, {}, NOISY)
    for first, second in ((quiet, noisy), (noisy, quiet)):
        found = deviation(study(), [tmp_path / "nothing", first, second])
        assert found is not None
        assert found[1] == first


@pytest.mark.parametrize(
    "change",
    [
        {"method: m": "method: other"},
        {"task: t": "task: other"},
        {"metric: val_accuracy": "metric: kl/noise"},
        {"{metric: val_accuracy}": "{metric: val_accuracy, at: best}"},
    ],
)
def test_another_method_task_or_objective_says_nothing(tmp_path: Path, change: dict[str, str]) -> None:
    run(tmp_path, change, NOISY)
    assert deviation(study(), [tmp_path]) is None
    assert deviation(study(change), [tmp_path]) is not None


def test_what_has_no_spread_to_tell(tmp_path: Path) -> None:
    toys.start(toys.study(), toys.Toy(), tmp_path / "sweep", task=TASK)
    run(tmp_path / "same", {}, toys.Parts(fails=tuple(("full", seed) for seed in (0, 1))))
    assert len(history(tmp_path / "same").trials) == 12
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "trials.arrow").write_text("no table")
    assert deviation(study(), [tmp_path / name for name in ("sweep", "same", "foreign")]) is None
    assert deviation(study(), []) is None


def test_noise_is_that_of_one_setting_over_seeds_in_all_studies(tmp_path: Path) -> None:
    """Two studies with the same arms: what an arm has in both counts once a seed."""
    one = run(tmp_path / "one", {}, NOISY)
    run(tmp_path / "same", {}, NOISY)
    arms: dict[str | None, list[float]] = {}
    for trial in one.trials.values():
        assert trial.values
        arms.setdefault(trial.arm, []).append(trial.values[0])
    expected = math.sqrt(statistics.mean(statistics.variance(values) for values in arms.values()))
    found = noise(study(), [tmp_path / "one", tmp_path / "same", tmp_path / "none"])
    assert found is not None
    assert found.deviation == pytest.approx(expected)
    assert (found.trials, found.settings) == (len(one.trials), len(arms))
    assert found.folders == (tmp_path / "one", tmp_path / "same")
    assert noise(study(), [tmp_path / "none"]) is None
    other = replace(study(), objective=(Objective("kl/noise"),))
    assert noise(other, [tmp_path / "one"]) is None, "another objective"


def test_the_folders_are_those_beside_the_studys_own_or_those_that_are_named(tmp_path: Path) -> None:
    for name in ("b", "a", "own"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "trials.arrow").touch()
    assert beside(tmp_path / "own") == [tmp_path / name for name in ("own", "a", "b")]
    with pytest.raises(StudyError, match=r"holds no study: there is no ledger"):
        beside(tmp_path / "own", [tmp_path / "a"])
