"""What a damaged ledger costs, and that the study goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfkd_ray.tune.history import History
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.tune.repair import Repaired, repair
from dfkd_ray.tune.trials import LOST
from dfkd_ray.util import folders
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.sealed import seal_json
from tests.tune import toys


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("whole")
    toys.start(toys.study({"budget: {trials: 8}": "budget: {trials: 5}"}), toys.Toy(), folder)
    return (folder / NAME).read_bytes()


def lines_of(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.splitlines()]


def place(data: bytes, kind: str, trial: int, epoch: int | None = None) -> int:
    """The line (from 0) of a record."""
    wanted = {"kind": kind, "trial": trial, **({} if epoch is None else {"epoch": epoch})}
    return next(i for i, record in enumerate(lines_of(data)) if wanted.items() <= record.items())


def broken(folder: Path, data: bytes, *numbers: int) -> bytes:
    """The ledger in a folder, with a bit flipped in the middle of these lines (from 0)."""
    lines = [bytearray(line) for line in data.splitlines(keepends=True)]
    for number in numbers:
        lines[number][-30] ^= 1
    folder.mkdir(exist_ok=True)
    (folder / NAME).write_bytes(b"".join(lines))
    return b"".join(lines)


def mended(folder: Path) -> tuple[Repaired, History]:
    """Repaired, and read again as whoever resumes does."""
    done = repair(folder)
    records, size = read_records(folder / NAME)
    assert size == (folder / NAME).stat().st_size
    again = repair(folder)
    assert (again.original, again.aside) == (None, []), "what is repaired is whole"
    return done, History(records)


def test_a_whole_ledger_and_a_torn_tail_are_left_alone(tmp_path: Path, whole: bytes) -> None:
    for data in (whole, whole + b'{"kind":"row","ti', b""):
        (tmp_path / NAME).write_bytes(data)
        done = repair(tmp_path)
        assert (done.original, done.damaged, done.aside) == (None, None, [])
        assert (tmp_path / NAME).read_bytes() == data
    assert sorted(path.name for path in tmp_path.iterdir()) == [NAME, "ledger.lock"]


def test_a_lost_epoch_is_said_and_its_bytes_are_kept(tmp_path: Path, whole: bytes) -> None:
    at = place(whole, "row", 0, 2)
    data = broken(tmp_path, whole, at)
    done, history = mended(tmp_path)
    assert sorted(history.trials[0].rows) == [1, 3, 4]
    assert history.trials[0].state == "complete"
    assert [(number, why) for number, why, _ in done.aside] == [
        (at + 1, 'damaged; it reads as "row" of trial 0, epoch 2: its numbers are lost')
    ]
    assert done.told == ["trial 0 lacks epoch 2"]
    assert (tmp_path / "ledger.original-1.jsonl").read_bytes() == data
    (aside,) = (tmp_path / "ledger.damaged-1.jsonl").read_text().splitlines()
    assert json.loads(aside)["line"] == at + 1
    assert json.loads(aside)["bytes"].encode("latin-1") == data.splitlines()[at]


def test_a_trial_whose_end_is_lost_ends_again_without_a_step(tmp_path: Path, whole: bytes) -> None:
    broken(tmp_path, whole, place(whole, "ended", 0))
    done, history = mended(tmp_path)
    assert history.trials[0].state == "running"
    assert "it runs again where its last epoch does not tell how it ended" in done.aside[0][1]
    assert done.told == ["to be run on by `resume`: trial 0"]
    toys.resume(tmp_path, toys.Toy(raises_at=1, only=(0,)))
    there = History(read_records(tmp_path / NAME)[0]).trials
    assert (there[0].state, there[0].values) == ("complete", History(lines_of(whole)).trials[0].values)


def test_a_trial_whose_last_epoch_is_lost_runs_again_to_the_same_values(tmp_path: Path, whole: bytes) -> None:
    broken(tmp_path, whole, place(whole, "row", 0, 4))
    done, history = mended(tmp_path)
    assert history.trials[0].state == "running"
    assert done.aside[1][1] == "the end of trial 0, whose last epoch is lost: it runs again"
    toys.resume(tmp_path, toys.Toy())
    there, before = History(read_records(tmp_path / NAME)[0]).trials[0], History(lines_of(whole)).trials[0]
    assert (there.state, there.values, sorted(there.rows)) == ("complete", before.values, [1, 2, 3, 4])


def test_what_was_asked_for_comes_from_the_tables(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / NAME).write_bytes(whole)
    toys.resume(tmp_path, toys.Toy())  # writes the tables
    broken(tmp_path, whole, place(whole, "asked", 1))
    done, history = mended(tmp_path)
    assert "trial 1: what was asked for is taken from trials.arrow" in done.told
    before = History(lines_of(whole)).trials
    for number, trial in history.trials.items():
        assert (trial.changes, trial.seed, trial.rows) == (
            before[number].changes,
            before[number].seed,
            before[number].rows,
        )


def test_a_trial_of_which_nothing_is_known_keeps_its_place(tmp_path: Path, whole: bytes) -> None:
    broken(tmp_path, whole, place(whole, "asked", 1))
    done, history = mended(tmp_path)
    assert (history.trials[1].state, history.trials[1].reason) == ("failed", LOST)
    assert [trial.number for trial in history.trials.values()] == [0, 1, 2, 3, 4]
    assert "trial 1 is lost: nobody knows what was asked for" in done.told
    assert {why for _, why, _ in done.aside[1:]} == {
        f'"{kind}" of trial 1, which is lost' for kind in ("started", "row", "ended")
    } & {why for _, why, _ in done.aside}
    from dfkd_ray import tune

    assert tune.resume(tmp_path, lambda history, how: (toys.Toy(), {"provenance": {}}), failed=True).failed == 1, (
        "with no settings"
    )


def test_the_number_of_a_lost_last_trial_is_given_again(tmp_path: Path, whole: bytes) -> None:
    broken(tmp_path, whole, place(whole, "asked", 4))
    checkpoint = folders.of_trial(tmp_path, 4) / "checkpoint.pt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.write_bytes(b"of the lost one")
    _, history = mended(tmp_path)
    assert sorted(history.trials) == [0, 1, 2, 3]
    assert not checkpoint.exists()
    toys.resume(tmp_path, toys.Toy())
    assert sorted(History(read_records(tmp_path / NAME)[0]).trials) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.replace(b"\n", b"\r"),
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.decode().replace("\n", "\r\n").encode("utf-16"),
        lambda data: data.decode().encode("utf-16-be"),
        lambda data: data[:-1] + b"\x0b",
        lambda data: data.replace(b"\n", b"\x0b", 3),
    ],
    ids=["CR LF", "CR", "BOM", "UTF-16", "UTF-16-BE", "the last line end", "three line ends"],
)
def test_what_was_converted_is_brought_back(tmp_path: Path, whole: bytes, change: Callable[[bytes], bytes]) -> None:
    (tmp_path / NAME).write_bytes(change(whole))
    done, _ = mended(tmp_path)
    assert (done.aside, done.damaged) == ([], None)
    assert (tmp_path / NAME).read_bytes() == whole
    assert (tmp_path / "ledger.original-1.jsonl").read_bytes() == change(whole)


def test_without_the_first_record_there_is_nothing_to_go_on_with(tmp_path: Path, whole: bytes) -> None:
    data = broken(tmp_path, whole, 0)
    says = (
        f"{tmp_path / NAME}: the first record, the study itself, is lost, so it cannot be continued; take the file "
        f"from a copy. What its tables know: dfkd-ray report {tmp_path}"
    )
    with pytest.raises(StudyError, match=f"^{re.escape(says)}$"):
        repair(tmp_path)
    assert (tmp_path / NAME).read_bytes() == data
    (tmp_path / NAME).write_bytes(b"garbage")
    with pytest.raises(
        StudyError, match=r"no record of a ledger can be read in it; .*; nothing of it can be repaired$"
    ):
        repair(tmp_path)
    with pytest.raises(StudyError, match=r"holds no study to repair: there is no ledger\.jsonl$"):
        repair(tmp_path / "nowhere")


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_lines_are_damaged_a_history_is_left_that_goes_on(
    tmp_path_factory: pytest.TempPathFactory, whole: bytes, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("any")
    count = len(whole.splitlines())
    numbers = data.draw(st.sets(st.integers(1, count - 1), min_size=1, max_size=6))
    broken(folder, whole, *numbers)
    done, history = mended(folder)
    assert {number - 1 for number, _, _ in done.aside} >= numbers
    assert [*history.trials] == [*range(len(history.trials))]
    toys.resume(folder, toys.Toy())
    after = History(read_records(folder / NAME)[0])
    assert after.finished
    before = History(lines_of(whole)).trials
    for number, trial in after.trials.items():
        if (
            trial.state == "complete"
            and trial.changes == before[number].changes == history.trials.get(number, trial).changes
        ):
            assert trial.values == before[number].values


def test_lost_epochs_of_a_trial_that_has_ended_come_from_the_tables(tmp_path: Path, whole: bytes) -> None:
    (tmp_path / NAME).write_bytes(whole)
    toys.resume(tmp_path, toys.Toy())  # writes the tables
    broken(tmp_path, whole, place(whole, "row", 0, 2))
    done, history = mended(tmp_path)
    assert done.told == ["trial 0: epoch 2 is taken from steps.arrow"]
    before = History(lines_of(whole)).trials[0]
    assert sorted(history.trials[0].rows) == [1, 2, 3, 4]
    assert history.trials[0].rows[2]["metrics"] == before.rows[2]["metrics"]
    assert history.trials[0].rows[2]["seconds"] == before.rows[2]["seconds"]


def test_what_was_asked_for_comes_from_the_card_of_the_run_where_no_table_knows(tmp_path: Path, whole: bytes) -> None:
    before = History(lines_of(whole)).trials[1]
    broken(tmp_path, whole, place(whole, "asked", 1))
    card = folders.of_trial(tmp_path, 1) / folders.CARD
    card.parent.mkdir(parents=True, exist_ok=True)
    card.write_bytes(seal_json({"trial": 1, "changes": dict(before.changes), "seed": before.seed, "arm": None}))
    done, history = mended(tmp_path)
    assert "trial 1: what was asked for is taken from its run.json" in done.told
    assert (history.trials[1].changes, history.trials[1].seed) == (before.changes, before.seed)


def test_the_ledger_of_a_study_in_a_store_is_left_alone(tmp_path: Path, whole: bytes) -> None:
    data = broken(tmp_path, whole, 3)
    (tmp_path / "store.url").write_text("s3://bucket/mhad\n")
    said = "is the copy of s3://bucket/mhad, whose ledger is never changed: to go on without what is damaged, copy"
    with pytest.raises(
        StudyError, match=f"^{tmp_path} {said} {tmp_path} without store.url, and repair and resume that$"
    ):
        repair(tmp_path)
    assert (tmp_path / NAME).read_bytes() == data


SEVERAL = {
    "budget: {trials: 8}": "budget: {trials: 2}\nseeds: 2\nracing: false",
    "stopper: {name: asha, grace: 1, reduction: 2}": "stopper: none",
}


@pytest.mark.parametrize(("kind", "trial"), [("settled", 0), ("ended", 1), ("asked", 1)])
def test_a_setting_with_several_seeds_settles_anew_where_that_is_lost(tmp_path: Path, kind: str, trial: int) -> None:
    toys.start(toys.study(SEVERAL), toys.Toy(), tmp_path)
    data = (tmp_path / NAME).read_bytes()
    expected = History(read_records(tmp_path / NAME)[0])
    broken(tmp_path, data, place(data, kind, trial))
    mended(tmp_path)
    toys.resume(tmp_path, toys.Toy())
    found = History(read_records(tmp_path / NAME)[0])
    assert found.settings.all == expected.settings.all
    assert [(t.seed, t.setting, t.values) for t in found.trials.values()] == [
        (t.seed, t.setting, t.values) for t in expected.trials.values()
    ]
