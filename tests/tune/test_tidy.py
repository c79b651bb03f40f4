"""Folders go with the trials that nobody needs any more, and no end looks at all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dfkd_ray.tune.history import History
from dfkd_ray.tune.tidy import Tidier
from dfkd_ray.util import folders
from dfkd_ray.util.store import Store
from tests.tune import ablations
from tests.tune.test_history import MULTI, asked, ended, records, row
from tests.tune.toys import opening


def left(folder: Path) -> dict[int, list[str]]:
    return {n: sorted(path.name for path in folders.of_trial(folder, n).iterdir()) for n in folders.trials(folder)}


def make(folder: Path, number: int) -> None:
    place = folders.of_trial(folder, number)
    place.mkdir(parents=True)
    for name in ("student.safetensors", "checkpoint.pt", "checkpoint.pt.1"):
        (place / name).write_bytes(b"x")


def end(folder: Path, history: History, tidier: Tidier, number: int, state: str, values: list[float] | None) -> None:
    make(folder, number)
    history.apply(asked(number))
    history.apply(row(number, 1, 0.1))
    history.apply(ended(number, state, values))
    tidier.ended(number)


def test_of_one_objective_the_best_alone_keeps_its_folder_without_checkpoints(tmp_path: Path) -> None:
    history = History(records())
    tidier = Tidier(tmp_path, history)
    for number, (state, value) in enumerate([("complete", 0.5), ("pruned", 0.9), ("complete", 0.4), ("failed", None)]):
        end(tmp_path, history, tidier, number, state, None if value is None else [value])
        assert left(tmp_path) == {0: ["student.safetensors"]}
    end(tmp_path, history, tidier, 4, "complete", [0.6])
    assert left(tmp_path) == {4: ["student.safetensors"]}


def test_what_falls_off_the_front_goes(tmp_path: Path) -> None:
    history = History(records(MULTI))  # accuracy up, divergence down
    tidier = Tidier(tmp_path, history)
    for number, values in enumerate([[0.5, 0.5], [0.4, 0.4], [0.6, 0.9], [0.55, 0.4]]):
        end(tmp_path, history, tidier, number, "complete", values)
    assert sorted(left(tmp_path)) == [2, 3]


def test_leaders_of_a_search_that_goes_on_after_its_confirmation_keep_their_folders(tmp_path: Path) -> None:
    """The first confirmation has named trial 1; then better ones come, of which a second may name any."""
    history = History(
        records({"stopper: {name: asha, grace: 1, reduction: 2}": "stopper: none\nconfirm: {top: 2, seeds: 3}"})
    )
    tidier = Tidier(tmp_path, history)
    for number, value in enumerate([0.5, 0.6, 0.4]):
        end(tmp_path, history, tidier, number, "complete", [value])
    history.fresh.arms, history.fresh.first = {"trial 1": 1}, "trial 1"
    for number, value in ((3, 0.7), (4, 0.55), (5, 0.8)):
        end(tmp_path, history, tidier, number, "complete", [value])
    assert sorted(left(tmp_path)) == [1, 3, 5]


def test_an_ablation_keeps_every_complete_trial(tmp_path: Path) -> None:
    history = History([opening(ablations.study({}), {}, {}, 100.0)])
    tidier = Tidier(tmp_path, history)
    for number, state in enumerate(["complete", "failed", "complete"]):
        end(tmp_path, history, tidier, number, state, [0.1] if state == "complete" else None)
    assert left(tmp_path) == {0: ["student.safetensors"], 2: ["student.safetensors"]}


def test_what_a_killed_session_left_over_goes_when_the_next_begins(tmp_path: Path) -> None:
    told = [record for n in range(3) for record in (asked(n), row(n, 1, 0.1), ended(n, "complete", [0.1 * n]))]
    history = History([*records(), *told, asked(3)])
    for number in (0, 2, 3, 77):
        make(tmp_path, number)
    Tidier(tmp_path, history)
    assert {n: len(names) for n, names in left(tmp_path).items()} == {2: 1, 3: 3, 77: 3}, "3 runs, 77 is nobody's"


@pytest.mark.parametrize("trials", [10, 200])
def test_an_end_looks_at_no_more_folders_in_a_large_study(
    tmp_path: Path, trials: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = [record for n in range(trials) for record in (asked(n), row(n, 1, 0.1), ended(n, "complete", [0.1]))]
    history = History([*records(), *told])
    tidier = Tidier(tmp_path, history)
    looked: list[int] = []
    real = folders.of_trial
    monkeypatch.setattr(folders, "of_trial", lambda study, number: looked.append(number) or real(study, number))
    history.apply(asked(trials))
    history.apply(ended(trials, "complete", [0.2]))
    tidier.ended(trials)
    assert sorted(looked) == [0, trials], "the one that ended, and the one that was best before"


def test_a_store_is_tidied_alike_once_its_ledger_says_so_and_the_best_come_home(bucket: str, tmp_path: Path) -> None:
    """With a mirror that does things when the test tells it to."""
    held, acts = Store(bucket), list[Callable[[], None]]()
    mirror: Any = SimpleNamespace(store=held, later=acts.append)
    for number in range(3):
        for name in ("student.safetensors", "checkpoint-000001.pt"):
            held.put(f"trials/{number:04d}/{name}", b"x")
    history = History(records())
    tidier = Tidier(tmp_path, history, mirror)
    for number, (state, value) in enumerate([("complete", 0.5), ("pruned", 0.9), ("complete", 0.6)]):
        history.apply(asked(number))
        history.apply(row(number, 1, 0.1))
        history.apply(ended(number, state, [value]))
        tidier.ended(number)
    assert len(held.names()) == 6, "the ledger is not there yet"
    for act in acts:
        act()
    assert held.names() == ["trials/0002/student.safetensors"]
    assert left(tmp_path)[2] == ["student.safetensors"]
    held.put("trials/0001/student.safetensors", b"x")
    Tidier(tmp_path, history, mirror)
    acts[-2]()
    assert held.names() == ["trials/0002/student.safetensors"], "what a killed session left over goes as well"
