"""Weights & Biases: a group a study, a run a trial. `WANDB_MODE=offline` writes into the study's folder.

Online the server says from which step a run goes on. Offline a run that has not ended is written anew from the ledger.
"""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

import wandb
from PIL import Image

from dfkd_ray.tune.observers.sending import PATIENCE, About, Curve, Point

PROJECT = "dfkd-ray"
_FAILED, _UNFINISHED = 1, 130  # exit codes of a run


class WandB:
    """The runs of the trials that run, and the first step that each lacks."""

    def __init__(self, place: str, about: About) -> None:
        if wandb.setup().settings.mode == "online" and not wandb.login(prompt=False, verify=False):
            raise ValueError("nobody is logged in: wandb login, or set WANDB_API_KEY, or WANDB_MODE=offline")
        self.entity, _, self.project = place.rpartition("/")
        self.about = about
        self._runs: dict[str, Any] = {}
        self._from: dict[str, int] = {}

    def begin(self, curve: Curve) -> None:
        ident = f"{self.about.ident}-{curve.key}"
        for left in self.about.folder.glob(f"wandb/offline-run-*-{ident}"):
            shutil.rmtree(left)
        quiet = wandb.Settings(silent=True, console="off", init_timeout=PATIENCE, x_disable_stats=True, save_code=False)
        run = wandb.init(
            entity=self.entity or None,
            project=self.project or PROJECT,
            id=ident,
            name=curve.key,
            group=f"{self.about.name}-{self.about.ident}",
            config={**self.about.facts, "settings": dict(curve.settings)},
            dir=_made(self.about.folder),
            resume="allow",
            reinit="create_new",
            settings=quiet,
        )
        self._runs[curve.key], self._from[curve.key] = run, run.step

    def point(self, curve: Curve, epoch: int, point: Point) -> None:
        if epoch >= self._from[curve.key]:
            told = {**point.metrics, "seconds": point.seconds, **_images(point.picture)}
            self._runs[curve.key].log(told, step=epoch, commit=True)

    def end(self, curve: Curve) -> None:
        run = self._runs[curve.key]
        run.summary.update({**curve.final, "state": curve.state})
        run.finish(exit_code=_FAILED if curve.state == "failed" else 0)
        del self._runs[curve.key]

    def close(self) -> None:
        while self._runs:
            self._runs.popitem()[1].finish(exit_code=_UNFINISHED)


def open_tracker(place: str, about: About) -> WandB:
    """Without a project: one that all studies share."""
    return WandB(place, about)


def _images(picture: bytes | None) -> dict[str, Any]:
    return {} if picture is None else {"images": wandb.Image(Image.open(BytesIO(picture)))}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder
