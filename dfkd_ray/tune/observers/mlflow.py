"""MLflow: an experiment a study, a run a trial, found again by a tag.

A run of an earlier session is asked which points it has: servers and stores differ in what they do with a point that
comes twice.
"""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from dfkd_ray.tune.observers.sending import PATIENCE, About, Curve, Point

KEY = "dfkd_ray.key"  # the tag
IMAGES = "images"  # the folder of the pictures
STATUS = {"complete": "FINISHED", "pruned": "KILLED"}
_LONGEST = 500  # characters of a value that is a parameter
_AT_ONCE = 100  # parameters of one call


class MLflow:
    """Runs of the trials that run, by key: their id, and what they hold of what an earlier session has told."""

    def __init__(self, uri: str, about: About, artifacts: Path | None = None) -> None:
        """artifacts: the folder of what is no number; None: where the server, or MLflow itself, keeps such."""
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", str(PATIENCE))
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        logging.getLogger("mlflow").setLevel(logging.WARNING)
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self.client, self.about = MlflowClient(tracking_uri=uri), about
        self.experiment = self._experiment(about.name, None if artifacts is None else artifacts.as_uri())
        self._runs: dict[str, str] = {}
        self._old: dict[str, dict[str, set[int]]] = {}  # of runs that were there: by metric the steps, once asked

    def begin(self, curve: Curve) -> None:
        named = f"{self.about.ident}/{curve.key}"
        found = self.client.search_runs([self.experiment], f"tags.`{KEY}` = '{named}'", max_results=1)
        if found:
            self._old[curve.key] = {}
        started = int(1000 * (curve.started or time.time()))
        run = found[0] if found else self.client.create_run(self.experiment, started, {KEY: named}, curve.key)
        self._runs[curve.key] = run.info.run_id
        tags = [RunTag(f"dfkd_ray.{name}", value) for name, value in self.about.facts.items()]
        params = [Param(name, _text(value)) for name, value in curve.settings.items()]
        for start in range(0, len(params), _AT_ONCE):
            self.client.log_batch(run.info.run_id, params=params[start : start + _AT_ONCE], tags=tags)

    def point(self, curve: Curve, epoch: int, point: Point) -> None:
        self._log(curve, point.metrics, epoch, point.seconds)
        if point.picture is not None:
            self._keep(curve, epoch, point.picture)

    def end(self, curve: Curve) -> None:
        last = curve.at(curve.epoch)
        seconds = 0.0 if last is None else last.seconds
        self._log(curve, curve.final, curve.epoch, seconds)
        run = self._runs.pop(curve.key)
        self.client.set_tag(run, "dfkd_ray.state", curve.state)
        ended = int(1000 * (curve.started + seconds if curve.started else time.time()))
        self.client.set_terminated(run, STATUS.get(curve.state, "FAILED"), ended)
        self._old.pop(curve.key, None)

    def close(self) -> None:
        """Runs of trials that have not ended stay as they are: running."""

    def _log(self, curve: Curve, metrics: Mapping[str, float], epoch: int, seconds: float) -> None:
        at = int(1000 * (curve.started + seconds if curve.started else time.time()))
        new = [Metric(name, value, at, epoch) for name, value in metrics.items() if not self._holds(curve, name, epoch)]
        if new:
            self.client.log_batch(self._runs[curve.key], metrics=new)

    def _keep(self, curve: Curve, epoch: int, picture: bytes) -> None:
        """A file among the run's artifacts, which takes the place of the same one of an earlier session."""
        with TemporaryDirectory() as folder:
            file = Path(folder) / f"epoch_{epoch:04d}.png"
            file.write_bytes(picture)
            self.client.log_artifact(self._runs[curve.key], str(file), IMAGES)

    def _holds(self, curve: Curve, metric: str, epoch: int) -> bool:
        if (old := self._old.get(curve.key)) is None:
            return False
        if metric not in old:
            old[metric] = {each.step for each in self.client.get_metric_history(self._runs[curve.key], metric)}
        return epoch in old[metric]

    def _experiment(self, name: str, artifacts: str | None) -> str:
        if (found := self.client.get_experiment_by_name(name)) is None:
            try:
                return str(self.client.create_experiment(name, artifacts))
            except MlflowException:  # somebody else was faster
                if (found := self.client.get_experiment_by_name(name)) is None:
                    raise
        return str(found.experiment_id)


def open_tracker(place: str, about: About) -> MLflow:
    """A file inside the study's folder, and a folder beside it, where no URI is said."""
    if place:
        return MLflow(place, about)
    return MLflow(f"sqlite:///{about.folder / 'mlflow.db'}", about, about.folder / "mlflow")


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:_LONGEST]
