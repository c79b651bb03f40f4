"""What outlives a killed trial: its checkpoint, its best student, its rows; and what it leaves when it ends."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dfkd_ray.methods import config
from dfkd_ray.metrics import QUALITY
from dfkd_ray.runs.card import RunCard
from dfkd_ray.runs.depot import CHECKPOINT, Depot
from dfkd_ray.runs.rings import Rings
from dfkd_ray.stats import degenerate
from dfkd_ray.teachers.weights import CARD
from dfkd_ray.train.run import Run
from dfkd_ray.tune.work import Row
from dfkd_ray.util import generations
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.every import Every
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.folders import STUDENTS
from dfkd_ray.util.sealed import BLANK, KEY, seal

CURVE = "curve.json"
EACH_EPOCH = Every()


class Checkpoint:
    """Keeps a run in `folder`, where it is found again by whoever opens the same run there; None keeps nothing.

    inputs: what else decides the run, by digests: one of other inputs is refused, unless these were `accepted`.
    every: how often it is saved, and after the last epoch. depot: of what is in the folder, where that lies in a store.
    """

    def __init__(
        self,
        run: Run,
        folder: Path | None,
        inputs: Mapping[str, str | None] = {},
        accepted: bool = False,
        every: Every = EACH_EPOCH,
        depot: Depot | None = None,
    ) -> None:
        self.run, self.folder, self.inputs, self.accepted = run, folder, inputs, accepted
        self.every, self.depot = every, depot
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            self.rings = Rings(folder, None if depot is None else depot.fetch)
        self._saved = 0, 0.0  # epochs and seconds when it was saved last
        self.best: dict[str, Tensor] = {}
        self.best_epoch, self.best_value = 0, -math.inf
        self.curve: list[float] = []  # validation accuracy, or what stands for it, an epoch each
        self.rows: list[Row] = []  # all of them: a resumed trial reports them again

    @property
    def seconds(self) -> float:
        return self.rows[-1].seconds if self.rows else 0.0

    def note(self, epoch: int, metrics: Mapping[str, float], metric: str, sign: float) -> None:
        """Remember the student if it is the best so far by the study's first objective (never by the test split).

        While there was no value to choose by, the newest is the best; on degenerate images there is no data-free one.
        """
        self.curve.append(metrics.get(QUALITY[self.run.setting.teacher.targets].val, math.nan))
        value = sign * metrics.get(metric, math.nan)
        if degenerate.guarded([metric]) and degenerate.reasons(metrics):
            value = math.nan
        unjudged = math.isnan(value) and self.best_value == -math.inf
        if value > self.best_value or unjudged or not self.best:
            self.best_epoch = epoch
            self.best_value = -math.inf if math.isnan(value) else value
            self.best = {key: value.detach().clone() for key, value in self.run.student.state_dict().items()}

    def save(self, row: Row) -> None:
        """Write the checkpoint in one atomic step, before the row is reported: it is reported again after a resume.

        The one before stays beside it.
        """
        self.rows.append(row)
        if self.folder is None:
            return
        self._leave_curve(row)
        if row.last:
            self.write()
        elif self.every.due(row.epoch - self._saved[0], row.seconds - self._saved[1]):
            self._write()
        elif self.depot is not None:
            self.depot.keep(None, self.rings.used)

    def write(self) -> None:
        """The same at once, of a run that may stand in the middle of an epoch; it is where it is wanted then."""
        if self.folder is not None:
            self._write()
        if self.depot is not None:
            self.depot.finish()

    def _write(self) -> None:
        assert self.folder is not None
        run = self.run.state_dict()
        state = {
            "of": self._of,
            "run": {**run, "memory": self.rings.split(run["memory"])},
            "best": (self.best, self.best_epoch, self.best_value),
            "curve": self.curve,
            "rows": [vars(row) for row in self.rows],
        }
        generations.write(self.folder / CHECKPOINT, lambda file: torch.save(state, file))
        self.rings.prune()
        self._saved = self._reached
        if self.depot is not None:
            self.depot.keep(self._saved[0], self.rings.used)

    @property
    def _reached(self) -> tuple[int, float]:
        """Epochs and seconds."""
        return (self.rows[-1].epoch, self.seconds) if self.rows else (0, 0.0)

    def restore(self, device: torch.device) -> list[Row]:
        """Go on from the newest sound checkpoint, if there is one: the rows up to its epoch."""
        if self.folder is None:
            return []
        path = self.folder / CHECKPOINT

        def load(each: Path) -> Any:
            state = torch.load(each, map_location=device, weights_only=True)
            if other := self._other(state["of"]):
                raise DataError(f"{path}: a checkpoint of another run: {other}")
            state["run"]["memory"] = self.rings.join(state["run"]["memory"])
            return state

        state = generations.read(path, load)
        if state is None:
            return []
        self.run.load_state_dict(state["run"])
        self.best, self.best_epoch, self.best_value = state["best"]
        self.curve = state["curve"]
        self.rows = [Row(**row) for row in state["rows"]]
        self._saved = self._reached
        if self.depot is not None:
            self.depot.restored(self._saved[0], self.rings.used)
        return self.rows

    @property
    def _of(self) -> dict[str, Any]:
        return {"fingerprint": config.fingerprint(self.run.method), "seed": self.run.seed, **self.inputs}

    def _other(self, of: Mapping[str, Any]) -> str:
        """How a checkpoint of that is none of this run; of accepted inputs the seed alone has to be the same."""
        own = {"seed": self.run.seed} if self.accepted else self._of
        return "; ".join(f"{name} {of.get(name)} there, {own[name]} here" for name in own if of.get(name) != own[name])

    def _leave_curve(self, row: Row) -> None:
        """What was measured so far, and the epoch's picture, for whoever looks into the folder."""
        assert self.folder is not None
        told = [{"epoch": r.epoch, "seconds": r.seconds, "metrics": r.metrics, "final": r.final} for r in self.rows]
        with atomic_write(self.folder / CURVE) as file:
            file.write(json.dumps(told).encode())
        if row.picture is not None:
            with atomic_write(self.folder / f"images_{row.epoch:04d}.webp") as file:
                file.write(row.picture)

    def export(self, card: RunCard, final: Mapping[str, float]) -> None:
        """The student of the last and of the best epoch, as safetensors, sealed, each with its card in its header."""
        from safetensors.torch import save

        if self.folder is None:
            return
        students = {"last": self.run.student.state_dict(), "best": self.best}
        for which, name in STUDENTS.items():
            state = {key: value.cpu().contiguous() for key, value in students[which].items()}
            told = json.dumps({**card.student(which, final), KEY: BLANK})  # type: ignore[arg-type]
            with atomic_write(self.folder / name) as file:
                file.write(seal(save(state, {CARD: told})))
