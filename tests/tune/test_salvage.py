"""What tables and cards know of trials; nothing of what is damaged, and no error."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.tune import salvage
from dfkd_ray.tune.curves import unpacked
from dfkd_ray.tune.history import History
from dfkd_ray.tune.ledger import NAME, read_records
from tests.tune import toys

ASHA = "stopper: {name: asha, grace: 1, reduction: 2}"
pytestmark = pytest.mark.usefixtures("no_fsync")


def test_nothing_is_known_of_an_empty_folder(tmp_path: Path) -> None:
    assert (salvage.asked(tmp_path), salvage.rows(tmp_path, {0: [1]})) == ({}, [])


def test_tables_know_what_was_asked_and_what_was_reported(tmp_path: Path) -> None:
    toys.start(toys.study(), toys.Toy(), tmp_path)
    trials = History(read_records(tmp_path / NAME)[0]).trials
    asked = salvage.asked(tmp_path)
    assert asked.keys() == trials.keys()
    for number, (planned, who) in asked.items():
        assert who == "trials.arrow"
        assert (planned["changes"], planned["seed"]) == (trials[number].changes, trials[number].seed)
    (row,) = salvage.rows(tmp_path, {3: [1]})
    assert (row["kind"], row["trial"], row["epoch"]) == ("row", 3, 1)
    assert dict(zip(*unpacked(row))) == trials[3].rows[1]["metrics"]
    assert (row["method"], row["fingerprint"]) == (trials[3].method, trials[3].fingerprint)


def test_of_what_is_damaged_nothing_is_taken(tmp_path: Path) -> None:
    toys.start(toys.study(), toys.Toy(), tmp_path)
    for path in tmp_path.glob("*.arrow"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    (tmp_path / "trials" / "0009").mkdir(parents=True)
    (tmp_path / "trials" / "0009" / "run.json").write_text("{}")
    assert (salvage.asked(tmp_path), salvage.rows(tmp_path, {3: [1]})) == ({}, [])


def test_whose_later_seed_a_trial_is_is_known(tmp_path: Path) -> None:
    several = {"budget: {trials: 8}": "budget: {trials: 2}\nseeds: 2\nracing: false", ASHA: "stopper: none"}
    toys.start(toys.study(several), toys.Toy(), tmp_path)
    asked = salvage.asked(tmp_path)
    assert [asked[number][0]["setting"] for number in range(4)] == [None, 0, None, 2]
