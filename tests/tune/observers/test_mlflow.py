"""A store of MLflow, read by MLflow's own client."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.tune.observers.sending import About, Curve, Point
from tests.tune import toys
from tests.tune.observers import killed

MlflowClient: Any = pytest.importorskip("mlflow.tracking").MlflowClient


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that was killed and gone on with. MLflow takes seconds to make its tables."""
    folder, before = tmp_path_factory.mktemp("mlflow") / "toy", tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{before}").search_experiments()
    folder.mkdir()
    shutil.copy(before, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        killed.run(folder, "mlflow")
    return folder


def test_after_kill_and_resume_each_point_is_there_once(study: Path) -> None:
    wanted = {(n, name, e, v) for (n, e), told in killed.in_the_ledger(study).items() for name, v in told.items()}
    wanted |= {(n, name, 4, v) for n, told in killed.final(study).items() for name, v in told.items()}
    with sqlite3.connect(study / "mlflow.db") as store:
        rows = store.execute(
            "select r.name, m.key, m.step, m.value from metrics m join runs r on r.run_uuid = m.run_uuid"
        ).fetchall()
    found = Counter((int(name.removeprefix("trial-")), *rest) for name, *rest in rows)
    assert found == Counter(wanted)


def test_the_images_of_a_run_are_among_its_files(study: Path) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{study / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("toy")
    for run in client.search_runs([experiment.experiment_id]):
        (file,) = client.list_artifacts(run.info.run_id, "images")
        assert file.path == "images/epoch_0001.png"
        (held,) = (study / "mlflow" / run.info.run_id).glob("artifacts/images/*")
        assert killed.pixels(held.read_bytes()) == killed.pixels(toys.PNG)


def test_a_run_has_the_settings_and_the_state_of_its_trial(study: Path) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{study / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("toy")
    runs = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    assert [run.info.run_name for run in runs] == ["trial-0000", "trial-0001", "trial-0002"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {run.data.tags["dfkd_ray.state"] for run in runs} == {"complete"}
    assert {"kind", "x", "seed"} <= set(runs[0].data.params)
    assert runs[0].data.tags["dfkd_ray.method"] == "m"


def test_what_a_run_of_before_holds_is_not_sent_to_any_store(study: Path) -> None:
    """Whatever the store makes of a point that comes twice: none does."""
    from dfkd_ray.tune.observers import mlflow

    curve = Curve("teacher", {}, 2, lambda e: Point({"a": float(e)}, e), 100.0)
    about = About("again", "12345678", study)
    first, second = mlflow.open_tracker("", about), mlflow.open_tracker("", about)
    first.begin(curve)
    first.point(curve, 1, Point({"a": 1.0}, 1))
    second.begin(curve)
    sent: list[int] = []
    send = second.client.log_batch

    def told(run: str, metrics: Sequence[Any]) -> None:
        sent.extend(each.step for each in metrics)
        send(run, metrics)

    second.client.log_batch = told  # type: ignore[method-assign]
    for epoch in (1, 2):
        second.point(curve, epoch, Point({"a": float(epoch)}, epoch))
    assert sent == [2]
