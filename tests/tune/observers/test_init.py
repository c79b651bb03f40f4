"""Who listens hears of each epoch and of each end once, whatever happens to the process in between."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.tune.curves import unpacked
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.tune.observers import PLACES, Observer, Progress
from dfkd_ray.tune.trials import Trial
from dfkd_ray.util.errors import StudyError
from tests.tune import toys

pytestmark = pytest.mark.usefixtures("no_fsync")
FEW = {"budget: {trials: 8}": "budget: {trials: 3}"}


class Listener(Observer):
    """Writes down what it hears, where it outlives the process: a tracker."""

    def __init__(self, heard: list[Any], name: str = "tracker") -> None:
        self.heard, self.name = heard, name

    def start(self, study: Progress) -> None:
        self.study = study
        self.heard.append(("start", len(study.history.trials), study.total, study.max_epochs))

    def begin(self, trial: Trial) -> None:
        self.heard.append(("begin", trial.number))

    def row(self, trial: Trial, epoch: int) -> None:
        self.heard.append(("row", trial.number, epoch, trial.rows[epoch]["metrics"]["val_accuracy"]))

    def end(self, trial: Trial) -> None:
        self.heard.append(("end", trial.number, trial.state, trial.values))

    def finish(self) -> None:
        self.heard.append(("finish",))

    def close(self) -> None:
        self.heard.append(("close",))


def in_the_ledger(folder: Path) -> list[Any]:
    """What there is to hear of a study, from its records alone."""
    out: list[Any] = []
    for record in read_records(folder / NAME)[0]:
        if record["kind"] == "row":
            metrics = dict(zip(*unpacked(record)))
            out.append(("row", record["trial"], record["epoch"], metrics["val_accuracy"]))
        elif record["kind"] == "ended":
            out.append(("end", record["trial"], record["state"], record["values"]))
        elif record["kind"] == "finished":
            out.append(("finish",))
    return out


def told(heard: list[Any]) -> list[Any]:
    return [each for each in heard if each[0] in ("row", "end", "finish")]


def test_a_listener_hears_the_ledger_in_its_order(tmp_path: Path) -> None:
    heard: list[Any] = []
    toys.start(toys.study(FEW), toys.Toy(), tmp_path, Listener(heard))
    assert heard[0] == ("start", 0, 3, 4)
    assert heard[-1] == ("close",)
    assert told(heard) == in_the_ledger(tmp_path)
    assert [each[1] for each in heard if each[0] == "begin"] == [0, 1, 2]


class Crash(BaseException):
    pass


@pytest.mark.parametrize("stop", [1, 2, 5, 6])
def test_after_a_crash_nothing_is_told_twice_or_lost(tmp_path: Path, stop: int) -> None:
    """The process ends within what it says of the stop-th event: that one is told again, and no other."""
    heard: list[Any] = []

    class Ends(Listener):
        def row(self, trial: Trial, epoch: int) -> None:
            if len(told(self.heard)) == stop:
                raise Crash
            super().row(trial, epoch)

    with pytest.raises(Crash):
        toys.start(toys.study(FEW), toys.Toy(), tmp_path, Ends(heard))
    missed = in_the_ledger(tmp_path)[len(told(heard)) :]
    assert len(missed) == 1, "the record was in the ledger, and nobody has heard of it"
    toys.resume(tmp_path, toys.Toy(), Listener(heard))
    assert told(heard) == in_the_ledger(tmp_path)


def test_who_was_not_there_is_told_all_and_who_keeps_nothing_begins_with_what_is_there(tmp_path: Path) -> None:
    toys.start(toys.study(FEW), toys.Toy(), tmp_path)
    assert not (tmp_path / PLACES).exists(), "nobody has a place to keep"
    late: list[Any] = []
    screen: list[Any] = []
    toys.resume(tmp_path, toys.Toy(), Listener(late), Listener(screen, name=""))
    assert told(late) == in_the_ledger(tmp_path)[: len(told(late))]
    assert {each[1] for each in told(late) if each[0] == "end"} == {0, 1, 2}
    assert screen[0] == ("start", 3, 3, 4)
    assert told(screen) == [("finish",)], "the study is finished again, and no more"
    again: list[Any] = []
    toys.resume(tmp_path, toys.Toy(), Listener(again))
    assert told(again) == [("finish",)]


def test_a_listener_that_fails_is_told_on_and_the_study_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    heard: list[Any] = []

    class Broken(Listener):
        def row(self, trial: Trial, epoch: int) -> None:
            super().row(trial, epoch)
            raise ValueError("no network")

    summary = toys.start(toys.study(FEW), toys.Toy(), tmp_path, Broken(heard))
    assert (summary.finished, summary.failed) == (True, 0)
    assert told(heard) == in_the_ledger(tmp_path)
    warned = "warning: tracker: no network; the study goes on, and the ledger has it all\n"
    assert capsys.readouterr().err == warned, "once"


def test_all_are_closed_where_the_study_fails(tmp_path: Path) -> None:
    heard: list[Any] = []
    with pytest.raises(StudyError, match="have all failed alike"):
        toys.start(toys.study(), toys.Toy(raises_at=1), tmp_path, Listener(heard))
    assert heard[-1] == ("close",)


@pytest.mark.parametrize("text", ["", "[1]", '{"tracker": "x"}'])
def test_places_that_cannot_be_read_are_no_places(tmp_path: Path, text: str) -> None:
    toys.start(toys.study(FEW), toys.Toy(), tmp_path)
    (tmp_path / PLACES).write_text(text)
    heard: list[Any] = []
    toys.resume(tmp_path, toys.Toy(), Listener(heard))
    assert told(heard) == in_the_ledger(tmp_path), "better told again than never"
    assert json.loads((tmp_path / PLACES).read_text())["tracker"] == len(read_records(tmp_path / NAME)[0])
