"""Recorded trials and the surrogate that stands for others."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import pytest

from dfkd_ray import study as studies
from dfkd_ray.study import Study
from dfkd_ray.tune import recorded
from dfkd_ray.tune.recorded import ABSENT, Surrogate, features
from dfkd_ray.util import shipped, tables
from dfkd_ray.util.errors import StudyError
from tests.tune import recording, toys

SHIPPED = Path(__file__).parents[2] / "reports" / "example" / "mhad_random"
GOOD = {"x": 0.7, "kind": "good", "extra": 1.0}
BAD = {"x": 0.1, "kind": "bad"}
read = partial(recorded.read, method=dict)  # of a study whose method has nothing


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recording.write(tmp_path_factory.mktemp("record") / "toy", toys.study())


@pytest.fixture(scope="module")
def surrogate(record: Path) -> Surrogate:
    study = toys.study()
    return Surrogate(study, read(study, [record]))


def test_what_is_complete_is_read_as_it_was_reported(record: Path, tmp_path: Path) -> None:
    found = read(toys.study(), [record])
    assert (len(found.curves), found.others) == (40, 0)
    for changes, curve in zip(found.changes, found.curves):
        assert list(curve.values) == recording.curve(changes)
        assert list(curve.seconds) == pytest.approx([3.0 if changes["kind"] == "bad" else 2.0] * recording.EPOCHS)
    part = recording.write(tmp_path / "part", toys.study(), state=lambda n: "complete" if n % 2 else "pruned")
    assert (len(read(toys.study(), [part]).curves), read(toys.study(), [part]).others) == (20, 20)
    assert len(read(toys.study(), [record, part]).curves) == 60


def test_settings_as_numbers() -> None:
    space = toys.study().search
    assert features(space, {"x": 0.25, "kind": "good", "extra": 1.0}) == pytest.approx([0.25, 1, 0, 0.5])
    assert features(space, {"x": 1.0, "kind": "bad"}) == pytest.approx([1, 0, 1, ABSENT])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method: m": "method: other"}, "its method is m, not other"),
        ({"task: t": "task: digits"}, "its task is t, not digits"),
        ({"method: m": "method: m\nfixed: {y: 2}"}, "its y is None, not 2"),
        ({"x: {uniform: [0, 1]}": "z: {uniform: [0, 1]}"}, "only the record searches x and only the study searches z"),
    ],
)
def test_a_record_of_something_else_is_refused(record: Path, changes: dict[str, str], message: str) -> None:
    with pytest.raises(StudyError, match=re.escape(f"{record}: no record of toy: {message}")):
        read(toys.study(changes), [record])


def test_an_ablation_is_no_record(tmp_path: Path) -> None:
    text = toys.STUDY.replace("sampler: {name: tpe, startup: 3}\nstopper: {name: asha, grace: 1, reduction: 2}\n", "")
    arms = text.replace("budget: {trials: 8}", "arms: {on: {}, off: {part: 0}}\nseeds: 3\ndraws: 14")
    folder = recording.write(tmp_path / "arms", toys.study(text=arms))
    message = f"{folder}: no record of toy: it is of an ablation, whose arms are no settings of a search"
    with pytest.raises(StudyError, match=re.escape(message)):
        read(toys.study(), [folder])


def test_records_of_two_teachers_are_not_mixed(record: Path, tmp_path: Path) -> None:
    same = recording.write(tmp_path / "same", toys.study())
    other = recording.write(tmp_path / "other", toys.study(), task={**recording.TASK, "teacher": {"digest": "e"}})
    assert len(read(toys.study(), [record, same]).curves) == 80
    assert len(read(toys.study(), [other]).curves) == 40, "alone"
    message = f"{other}: no record of toy: its task, teacher, evaluation, precision or own code is not that of {record}"
    with pytest.raises(StudyError, match=re.escape(message)):
        read(toys.study(), [record, same, other])


@pytest.mark.parametrize(
    "row", [{"phase": "confirm", "changes": "{}"}, {"phase": "confirm"}, {"changed": "the teacher"}]
)
def test_what_confirms_a_winner_or_was_changed_is_left_out(record: Path, tmp_path: Path, row: dict[str, str]) -> None:
    folder = recording.write(tmp_path / "more", toys.study(), trials=7, row=row)
    found = read(toys.study(), [record, folder])
    assert (len(found.curves), found.others) == (40, 7)
    assert all("x" in changes for changes in found.changes)


def test_a_value_that_was_the_presets_and_is_named_now_is_the_same(tmp_path: Path) -> None:
    folder = recording.write(tmp_path / "old", toys.study(), method='{"source": {"lr": 0.01}}')
    named = {"method: m": "method: m\nfixed: {source.lr: 0.01}"}
    assert len(read(toys.study(named), [folder]).curves) == 40
    with pytest.raises(StudyError, match=re.escape("no record of toy: its source.lr is 0.01, not 0.005")):
        read(toys.study({"method: m": "method: m\nfixed: {source.lr: 0.005}"}), [folder])


def test_a_value_that_was_named_and_is_the_presets_now_is_the_same(tmp_path: Path) -> None:
    named = {"method: m": "method: m\nfixed: {source.lr: 0.01}"}
    folder = recording.write(tmp_path / "old", toys.study(named))
    found = recorded.read(toys.study(), [folder], lambda: {"source": {"lr": 0.01}})
    assert len(found.curves) == 40
    with pytest.raises(StudyError, match=re.escape("no record of toy: its source.lr is 0.01, not 0.005")):
        recorded.read(toys.study(), [folder], lambda: {"source": {"lr": 0.005}})


def test_what_is_too_little_or_unequal_is_refused(record: Path, tmp_path: Path) -> None:
    few = recording.write(tmp_path / "few", toys.study(), trials=5)
    message = f"{few}: too little to simulate from: 5\N{NO-BREAK SPACE}complete trials with val_accuracy, and it takes "
    with pytest.raises(StudyError, match=re.escape(message + str(recorded.FEWEST))):
        read(toys.study(), [few])
    with pytest.raises(StudyError, match="0\N{NO-BREAK SPACE}complete trials with kl/noise"):
        read(toys.study({"metric: val_accuracy": "metric: kl/noise"}), [record])
    with pytest.raises(StudyError, match=re.escape(f"{tmp_path / 'no' / 'trials.arrow'}: there is no such table")):
        read(toys.study(), [tmp_path / "no"])


@pytest.mark.parametrize(
    ("changes", "told"),
    [("[]", "AttributeError: 'list' object has no attribute 'get'"), ("{", "JSONDecodeError: "), ('{"x": "a"}', "")],
)
def test_tables_that_others_wrote_are_refused(tmp_path: Path, changes: str, told: str) -> None:
    folder = recording.write(tmp_path / "odd", toys.study())
    trials = tables.read(folder / "trials.arrow")
    rows = [row | {"changes": changes} for row in trials.to_pylist()]
    tables.write(tables.table("trials", rows, {"study": studies.plain(toys.study())}), folder / "trials.arrow")
    with pytest.raises(StudyError, match=re.escape(f"{folder}: no tables that this dfkd-ray writes ({told}")):
        read(toys.study(), [folder])


def test_the_truth_is_near_the_formula(surrogate: Surrogate) -> None:
    good, bad = surrogate.truth(GOOD, BAD)
    assert good == pytest.approx(recording.curve(GOOD)[-1], abs=0.08)
    assert bad < good - 0.2
    assert surrogate.explained > 0.6
    assert surrogate.noise < 0.12
    assert surrogate.drawn == sorted(surrogate.drawn)
    assert surrogate.median < good <= surrogate.best + 0.02
    assert 8 < surrogate.full < 12


def falling(changes: Any) -> list[float]:
    return [*recording.curve(changes)[:-1], 0.1]


def test_the_truth_is_where_the_study_looks(tmp_path: Path) -> None:
    folder = recording.write(tmp_path / "falling", toys.study(), values=falling)

    def truth(study: Study) -> float:
        return Surrogate(study, read(study, [folder])).truth(GOOD)[0]

    assert truth(toys.study()) == pytest.approx(0.1)
    at_best = truth(toys.study({"metric: val_accuracy": "metric: val_accuracy, at: best"}))
    assert at_best == pytest.approx(recording.curve(GOOD)[-2], abs=0.08)


def test_a_trial_is_the_mean_and_what_a_neighbour_has_left_over(surrogate: Surrogate) -> None:
    alone = [surrogate.run(GOOD, 1, Random(seed)) for seed in range(200)]
    assert alone[0] == surrogate.run(GOOD, 1, Random(0))
    mean = sum(curve.values[-1] for curve in alone) / len(alone)
    assert mean == pytest.approx(surrogate.truth(GOOD)[0], abs=0.03)
    assert list(alone[0].seconds) == pytest.approx([2.0] * recording.EPOCHS, abs=0.4)
    assert all(0 <= value <= 1 for curve in alone for value in curve.values)
    averaged = [surrogate.run(GOOD, 9, Random(seed)) for seed in range(200)]
    assert sum(averaged[0].seconds) == pytest.approx(9 * sum(alone[0].seconds))

    def spread(curves: list[recorded.Recording]) -> float:
        return sum((curve.values[-1] - mean) ** 2 for curve in curves) / len(curves)

    assert spread(averaged) < spread(alone) / 3


def test_the_record_that_ships_is_of_the_study_that_ships() -> None:
    found = read(studies.load(shipped.study_file("mhad")), [SHIPPED])
    assert {len(curve.values) for curve in found.curves} == {9}
    assert len({str(changes) for changes in found.changes}) == len(found.curves)
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 500_000
