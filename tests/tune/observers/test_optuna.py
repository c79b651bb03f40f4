"""A storage of Optuna, on SQLite and on a PostgreSQL server, read by Optuna and by SQL."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.trial import TrialState

from dfkd_ray.tune import launch
from dfkd_ray.tune.growing import amended
from dfkd_ray.tune.history import History, read_history
from dfkd_ray.tune.observers import optuna as storages
from dfkd_ray.tune.observers.sending import About, Curve
from dfkd_ray.tune.options import Options
from tests.tune import toys
from tests.tune.observers import killed

pytestmark = pytest.mark.usefixtures("no_fsync")


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sqlite") / "toy"
    killed.run(folder, "optuna")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL server of one's own, on a free port of this machine; its URL with a password. As root it runs as
    the user `nobody`, since it refuses root."""
    pytest.importorskip("psycopg")
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    programs = [shutil.which(name) or (str(found[-1] / name) if found else None) for name in ("initdb", "pg_ctl")]
    if None in programs:
        pytest.skip("PostgreSQL is not installed")
    initdb, pg_ctl = map(str, programs)
    user = pwd.getpwnam("nobody").pw_uid if os.getuid() == 0 else None
    folder = Path("/tmp" if user else tmp_path_factory.getbasetemp()) / f"dfkd-postgres-{os.getpid()}"
    folder.mkdir()
    (folder / "password").write_text("open sesame")
    if user is not None:
        for path in (folder, folder / "password"):
            os.chown(path, user, -1)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def call(*words: str) -> None:
        done = subprocess.run(words, user=user, cwd=folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    data = str(folder / "data")
    call(initdb, "-D", data, "-U", "dfkd", "-A", "scram-sha-256", "--pwfile", str(folder / "password"), "--no-sync")
    settings = f"-h 127.0.0.1 -p {port} -c unix_socket_directories='' -c fsync=off"
    try:
        with (folder / "log").open("wb") as log:
            words = [pg_ctl, "-D", data, "-o", settings, "-w", "start"]
            subprocess.run(words, user=user, cwd=folder, stdout=log, stderr=log, timeout=60, check=True)
        yield f"postgresql://dfkd:open%20sesame@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([pg_ctl, "-D", data, "-m", "immediate", "stop"], user=user, cwd=folder, capture_output=True)
        shutil.rmtree(folder)


def assert_it_is_the_study(folder: Path, url: str) -> None:
    """What optuna-dashboard reads of a storage, against the ledger."""
    points = killed.in_the_ledger(folder)
    study = optuna.load_study(study_name="toy", storage=url)
    assert study.direction == optuna.study.StudyDirection.MAXIMIZE
    assert study.metric_names == ["val_accuracy"]
    assert {study.user_attrs[name] for name in ("method", "task")} == {"m", "t"}
    assert [trial.number for trial in study.trials] == [0, 1, 2]
    for trial in study.trials:
        wanted = {epoch: told["val_accuracy"] for (number, epoch), told in points.items() if number == trial.number}
        assert (trial.state, trial.intermediate_values) == (TrialState.COMPLETE, wanted)
        assert trial.value == wanted[4]
        assert trial.datetime_start is not None
        assert trial.datetime_complete is not None
        assert trial.params.keys() - {"extra"} == {"x", "kind"}
        assert trial.params["kind"] in ("good", "bad")
        assert trial.distributions["x"] == optuna.distributions.FloatDistribution(0, 1)
        assert trial.distributions["kind"] == optuna.distributions.CategoricalDistribution(["good", "bad"])
        assert trial.user_attrs["test_accuracy/last"] == killed.final(folder)[trial.number]["test_accuracy/last"]
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(sqlalchemy.text("select trial_id, step from trial_intermediate_values")).fetchall()
    engine.dispose()
    assert Counter(map(tuple, rows)).total() == len(set(map(tuple, rows))) == 12


def test_after_kill_and_resume_the_study_is_there(sqlite: Path) -> None:
    assert_it_is_the_study(sqlite, f"sqlite:///{sqlite / 'optuna.db'}")


def test_after_kill_and_resume_it_is_in_postgresql_and_the_password_is_nowhere(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The ledger keeps no password: a resume has it from Optuna's own variable, or says what it lacks."""
    folder = tmp_path / "toy"
    killed.kill(folder, f"optuna:{server}")
    toys.resume(folder, toys.Toy())
    told = capfd.readouterr().err
    assert told.startswith("warning: optuna: the ledger keeps no password, and has postgresql://REDACTED@127.0.0.1:"), (
        told
    )
    assert "say --track optuna:... again, or set OPTUNA_STORAGE; the work goes on, and what is missing is " in told
    monkeypatch.setenv("OPTUNA_STORAGE", server)
    toys.resume(folder, toys.Toy())
    assert capfd.readouterr().err == ""
    assert_it_is_the_study(folder, server.replace("postgresql:", "postgresql+psycopg:"))
    for path in (path for path in folder.rglob("*") if path.is_file()):
        assert b"sesame" not in path.read_bytes(), path


def optuna_study(folder: Path, name: str = "toy") -> list[Any]:
    return optuna.load_study(study_name=name, storage=f"sqlite:///{folder / 'optuna.db'}").trials


def test_states_are_those_of_the_study(tmp_path: Path) -> None:
    """Stopped, failed and run again, complete; a choice that Optuna cannot hold stands as text."""
    text = {"budget: {trials: 8}": "budget: {trials: 6, give_up_after: 0}", "[good, bad]": "[good, {a: 1}]"}
    wrong = toys.Toy(raises_at=2, only=(1,))
    toys.start(toys.study(text), wrong, tmp_path, track=("optuna",))
    trials = optuna_study(tmp_path)
    assert trials[1].state == TrialState.FAIL
    assert trials[1].user_attrs["reason"].startswith("TrialFailed: the loss is not finite at epoch 2")
    assert {trial.state for trial in trials} == {TrialState.FAIL, TrialState.COMPLETE, TrialState.PRUNED}
    stopped = next(trial for trial in trials if trial.state == TrialState.PRUNED)
    assert stopped.value == stopped.intermediate_values[stopped.last_step]
    assert {trial.params["kind"] for trial in trials} == {'"good"', '{"a": 1}'}
    launch.resume(tmp_path, lambda history, options: (toys.Toy(), {"provenance": {}}), failed=True)
    again = optuna_study(tmp_path)
    assert [trial.user_attrs["key"] for trial in again[6:]] == ["trial-0001-2"]
    assert again[1].state == TrialState.FAIL
    assert again[6].params == again[1].params
    assert again[6].state.is_finished()


def test_what_ended_before_it_heard_of_it_has_the_time_of_its_end(tmp_path: Path) -> None:
    """All else is as of a study that it was told of while it ran."""
    told: list[list[Any]] = []
    for name, first, then in (("live", ("optuna",), ()), ("late", (), ("optuna",))):
        wrong = toys.Toy(raises_at=2, only=(1,))
        toys.start(toys.study({"trials: 8": "trials: 6, give_up_after: 0"}), wrong, tmp_path / name, track=first)
        summary = toys.resume(tmp_path / name, toys.Toy(), track=then)
        assert summary is not None
        told.append(optuna_study(tmp_path / name))
    live, late = told
    for one, other in zip(live, late, strict=True):
        assert (one.number, one.state, one.values) == (other.number, other.state, other.values)
        assert (one.params, one.intermediate_values) == (other.params, other.intermediate_values)
        same = one.user_attrs.keys() - {"calls"}  # by the toy, of its own files
        assert {name: one.user_attrs[name] for name in same} == {name: other.user_attrs[name] for name in same}
        row = read_history(tmp_path / "late").trials[other.number]
        assert other.duration.total_seconds() == pytest.approx(row.seconds or 0.0, abs=1e-5)
        assert other.datetime_start.timestamp() == pytest.approx(row.started, abs=1e-5)
    assert {trial.state for trial in late} >= {TrialState.FAIL, TrialState.COMPLETE}


def test_a_choice_that_became_wider_is_an_attribute_of_later_trials(tmp_path: Path) -> None:
    toys.start(toys.study({"trials: 8": "trials: 2"}), toys.Toy(), tmp_path, track=("optuna",))
    wider = toys.study({"trials: 8": "trials: 4", "[good, bad]": "[good, bad, best]"})

    def make(history: History, options: Options) -> tuple[toys.Toy, dict[str, Any]]:
        grown = amended(tmp_path, history, wider, {})
        assert grown is not None
        history.apply(grown.record(history, {}, 0.0))
        return toys.Toy(), {"provenance": {}}

    launch.resume(tmp_path, make)
    trials = optuna_study(tmp_path)
    assert ["kind" in trial.params for trial in trials] == [True, True, False, False]
    assert all("kind" in trial.user_attrs and "x" in trial.params for trial in trials[2:])


def test_an_ablation_has_its_arms(tmp_path: Path) -> None:
    toys.start(
        toys.study(text=toys.ABLATION.replace("seeds: 3", "seeds: 2")), toys.Parts(), tmp_path, track=("optuna",)
    )
    trials = optuna_study(tmp_path, "parts")
    assert Counter(trial.params["arm"] for trial in trials) == {
        "full": 2,
        "without a": 2,
        "without b": 2,
        "without c": 2,
    }
    assert {trial.user_attrs["seed"] for trial in trials} == {0, 1}


def test_a_failed_trial_outside_of_the_space_of_now_is_no_obstacle(tmp_path: Path) -> None:
    storage = storages.open_tracker("", About("toy", "0" * 8, tmp_path, study=toys.study()))
    storage.begin(Curve("trial-0000", {"x": 7.0, "kind": "bad"}, 0, lambda epoch: None))
    storage.close()
    (trial,) = optuna_study(tmp_path)
    assert (trial.params, trial.user_attrs["x"]) == ({"kind": "bad"}, 7.0)


def test_another_study_of_the_same_name_has_a_place_of_its_own(tmp_path: Path) -> None:
    study = toys.study({"budget: {trials: 8}": "budget: {trials: 1}"})
    url = f"sqlite:///{tmp_path / 'all.db'}"
    for name in ("a", "b"):
        toys.start(study, toys.Toy(), tmp_path / name, track=(f"optuna:{url}",))
    names = optuna.get_all_study_names(url)
    assert len(names) == 2
    assert names[0] == "toy"
    assert names[1].startswith("toy-")
    tracker = storages.open_tracker(url, About("toy", names[1].removeprefix("toy-"), tmp_path, study=study))
    assert tracker.study.study_name == names[1], "found again"
