"""A study whose edited file has another confirmation, or other constraints: what is run, who wins, and after a kill."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.study import Study
from dfkd_ray.tune.confirm import confirmed
from dfkd_ray.tune.history import History, read_history
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.tune.standing import standing
from tests.tune import toys
from tests.tune.test_growing import Work, copied, go_on

pytestmark = pytest.mark.usefixtures("no_fsync")
TEXT = """
study: grown
method: m
task: t
objective: {metric: val_accuracy}
search:
  x: {uniform: [0, 1]}
sampler: random
budget: {trials: 6}
"""


def study(more: str) -> Study:
    return toys.study({}, f"{TEXT}{more}\n")


def grown(folder: Path, more: str) -> History:
    go_on(folder, lambda history: study(more))
    return read_history(folder)


def killed_anywhere(folder: Path, to: Path, same: Callable[[History], Any]) -> None:
    """After whatever record it is killed since its file was edited last, it comes to the same."""
    lines, kinds = (
        (folder / NAME).read_bytes().splitlines(keepends=True),
        [r["kind"] for r in read_records(folder / NAME)[0]],
    )
    edited = max(place for place, kind in enumerate(kinds, 1) if kind == "amended")
    for kept in range(edited, len(lines), 5):
        cut = to / str(kept)
        cut.mkdir(parents=True)
        (cut / NAME).write_bytes(b"".join(lines[:kept]) + lines[kept][:20])
        toys.resume(cut, Work())
        assert same(read_history(cut)) == same(read_history(folder)), f"killed after record {kept}"


def all_of(history: History) -> Mapping[str, Any]:
    trials = [(each.changes, each.seed, each.phase, each.state, each.values) for each in history.trials.values()]
    return {"trials": trials, "settings": history.settings.all, "confirmed": confirmed(history), "best": _best(history)}


def _best(history: History) -> tuple[int, list[float] | None] | None:
    best = history.best()
    return None if best is None else (best.number, best.values)


@pytest.fixture(scope="module")
def sure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of six trials, of which two are confirmed with four seeds."""
    folder = tmp_path_factory.mktemp("grown") / "sure"
    toys.start(study("confirm: {top: 2, seeds: 4}"), Work(), folder)
    return folder


@pytest.mark.parametrize(("less", "wanted"), [("{top: 1, seeds: 4}", 8), ("{top: 2, seeds: 3}", 9)])
def test_a_smaller_confirmation_is_complete_by_what_was_run(sure: Path, tmp_path: Path, less: str, wanted: int) -> None:
    history = grown(copied(sure, tmp_path / "less"), f"confirm: {less}")
    note = confirmed(history)
    assert note is not None
    assert (note["complete"], note["ended"], note["wanted"]) == (True, wanted, wanted)
    assert (len(history.trials), history.finished) == (6 + 12, True)


def test_a_confirmation_that_is_wanted_no_more_is_not_run_on_until_it_is_again(sure: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    folder.mkdir()
    lines = (sure / NAME).read_bytes().splitlines(keepends=True)
    ends = [place for place, record in enumerate(read_records(sure / NAME)[0], 1) if record["kind"] == "ended"]
    (folder / NAME).write_bytes(b"".join(lines[: ends[6 + 4]]))
    history = grown(folder, "")
    assert (len(history.trials), history.finished) == (6 + 5, True)
    assert (standing(folder).total, confirmed(history)) == (6 + 5, None), "nothing is left to wait for"
    history = grown(folder, "confirm: {top: 2, seeds: 4}")
    assert (len(history.trials), standing(folder).total) == (6 + 12, 6 + 12)
    assert confirmed(history) == confirmed(read_history(sure))
    before = history.best()
    history = grown(folder, "")
    assert (history.best(), confirmed(history)) == (before, confirmed(read_history(sure))), "what is known stays"


def bound(most: float, more: str) -> str:
    return f'constraints: {{sum: "<= {most}"}}\n{more}'


def test_what_fresh_seeds_say_is_judged_by_the_constraints_of_now(tmp_path: Path) -> None:
    """The defaults come to a sum of 2."""
    sure, control = "confirm: {top: 1, seeds: 3}", lambda history: (confirmed(history) or {})["control"]
    toys.start(study(bound(1.9, sure)), Work(), tmp_path / "s")
    assert control(read_history(tmp_path / "s"))["mean"] is None
    assert control(grown(tmp_path / "s", bound(4, sure)))["mean"] == pytest.approx(0.86 * 15 / 16 + 0.001 * 2)
    killed_anywhere(tmp_path / "s", tmp_path / "killed", all_of)
    history = grown(tmp_path / "s", bound(1.9, sure))
    assert (control(history)["mean"], control(history)["lost"]) == (None, 3)
    assert all(value is None for value in history.fresh.outcomes["defaults"].values())


def test_settings_that_were_outside_of_constraints_get_their_other_seeds_once_they_are_not(tmp_path: Path) -> None:
    several = "seeds: 3\nracing: false"
    toys.start(study(bound(1.9, several)), Work(), tmp_path / "s")
    before = read_history(tmp_path / "s")
    assert {each.state for each in before.settings.all.values()} == {"complete", "left"}
    history = grown(tmp_path / "s", bound(4, several))
    assert {(each.state, len(each.runs)) for each in history.settings.all.values()} == {("complete", 3)}
    best = history.best()
    assert best is not None
    assert best.values == [max((each.values or [0.0])[0] for each in history.settings.all.values())]
    assert before.settings.all[best.number].state == "left", "it shows"
    killed_anywhere(tmp_path / "s", tmp_path / "killed", all_of)


def test_settings_behind_one_that_is_outside_now_go_on(tmp_path: Path) -> None:
    toys.start(study(bound(4, "seeds: 3")), Work(), tmp_path / "s")
    before = read_history(tmp_path / "s")
    left = [n for n, setting in before.settings.all.items() if setting.state == "left"]
    second = max(left, key=lambda number: before.trials[number].changes["x"])
    history = grown(tmp_path / "s", bound(4 * before.trials[second].changes["x"] + 0.001, "seeds: 3"))
    best = history.best()
    assert best is not None
    assert (best.number, best.over) == (second, 3)
    assert {history.settings.all[number].state for number in left if number != second} == {"left"}, "they lose again"
    killed_anywhere(tmp_path / "s", tmp_path / "killed", all_of)
