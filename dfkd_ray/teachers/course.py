"""The course of a teacher's training: what one epoch does, and all that a killed process must find again."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dfkd_ray.datasets.task import Task, TeachRecipe, normalise
from dfkd_ray.datasets.training import Training
from dfkd_ray.nets.precision import LossScaler, autocast, check_precision
from dfkd_ray.util import generations
from dfkd_ray.util.choices import Precision
from dfkd_ray.util.errors import DataError, TrialFailed
from dfkd_ray.util.seeding import stream
from dfkd_ray.util.words import counted

Tick = Callable[[int, int], None]  # (steps done, of how many)


class TeacherEpoch(NamedTuple):
    """What `teach` reports after each epoch: number from 1, of how many, mean loss, fraction right, seconds so far."""

    epoch: int
    epochs: int
    loss: float
    val_accuracy: float
    seconds: float


class Course:
    """A net on its way to a teacher. The epoch with the best validation accuracy is kept, the later one of equals.

    precision: see `nets.precision`. The weights stay float32.
    """

    def __init__(self, task: Task, net: nn.Module, count: int, seed: int, precision: Precision) -> None:
        self.task, self.recipe, self.net, self.seed, self.precision = task, task.recipe, net, seed, precision
        self.device = next(net.parameters()).device
        check_precision(precision, self.device)
        self.optimiser = _optimiser(self.recipe, net)
        self.count, self.steps = count, math.ceil(count / self.recipe.batch) * self.recipe.epochs
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimiser, self.steps)
        self.scaler = LossScaler(precision, self.device)
        self.rng = torch.Generator().manual_seed(seed)
        self.epochs: list[TeacherEpoch] = []
        self.best: dict[str, Tensor] = {}
        self.best_epoch, self.best_accuracy = 0, -1.0

    def train(self, training: Training, tell: Callable[[int], None]) -> float:
        """One epoch of steps, each of them told; returns the mean loss. Dropout draws from a stream of its own."""
        self.net.train()
        total = torch.zeros((), device=self.device)
        order = torch.randperm(self.count, generator=self.rng)
        try:
            with stream(self.seed, "teach", len(self.epochs)):
                for index in torch.split(order, self.recipe.batch):
                    total += self._step(training.draw(index, self.rng), training.labels[index]) * len(index)
                    tell(self.schedule.last_epoch)
        except torch.OutOfMemoryError:
            what = f"a batch of {counted(self.recipe.batch, 'image')} does not fit the memory of {self.device}"
            raise TrialFailed(f"{what}: lower recipe.batch") from None
        mean = float(total) / self.count
        if not math.isfinite(mean):
            raise TrialFailed(f"the loss of {self.task.name} is {mean}: lower recipe.lr ({self.recipe.lr})")
        return mean

    def _step(self, images: Tensor, labels: Tensor) -> Tensor:
        images, labels = (_sent(tensor, self.device) for tensor in (images, labels))
        x = normalise(self.task, images).contiguous(memory_format=torch.channels_last)
        with autocast(self.precision, self.device):
            logits = self.net(x)
        loss = self._loss(logits.float(), labels)
        self.optimiser.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()  # type: ignore[no-untyped-call]
        moved = self.scaler.unscale(self.optimiser)
        if moved:
            self.optimiser.step()
        # where the very first step overflows, torch takes the two for called in the wrong order
        with nullcontext() if moved else warnings.catch_warnings(action="ignore"):
            self.schedule.step()
        return loss.detach()

    def _loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, at each position of dense targets; of depths the mean distance (reconstruction)."""
        if self.task.targets == "depth":
            return F.l1_loss(outputs[:, 0], targets)
        return F.cross_entropy(outputs, targets.long(), label_smoothing=self.recipe.label_smoothing)

    def note(self, loss: float, val_accuracy: float, seconds: float) -> TeacherEpoch:
        """Close an epoch, and remember the net if it is the best so far."""
        epoch = TeacherEpoch(len(self.epochs) + 1, self.recipe.epochs, loss, val_accuracy, seconds)
        self.epochs.append(epoch)
        if val_accuracy >= self.best_accuracy:
            self.best_epoch, self.best_accuracy = epoch.epoch, val_accuracy
            self.best = copy.deepcopy(self.net.state_dict())
        return epoch

    @property
    def seconds(self) -> float:
        return self.epochs[-1].seconds if self.epochs else 0.0

    def save(self, path: Path, of: dict[str, Any]) -> None:
        """Write the checkpoint in one atomic step; `of`: what must be the same where it is read again."""
        state = {
            "of": of,
            "parts": {name: part.state_dict() for name, part in self._parts.items()},
            "rng": self.rng.get_state(),
            "best": (self.best, self.best_epoch, self.best_accuracy),
            "epochs": [tuple(epoch) for epoch in self.epochs],
        }
        generations.write(path, lambda file: torch.save(state, file))

    def restore(self, path: Path, of: dict[str, Any]) -> None:
        """Go on from the checkpoint, if there is one; DataError if it is of another training."""
        restored(path, of, self.device, self._load)

    def _load(self, state: dict[str, Any]) -> None:
        for name, part in self._parts.items():
            part.load_state_dict(state["parts"][name])
        self.rng.set_state(state["rng"].cpu())
        self.best, self.best_epoch, self.best_accuracy = state["best"]
        self.epochs = [TeacherEpoch(*epoch) for epoch in state["epochs"]]

    @property
    def _parts(self) -> dict[str, Any]:
        return {"net": self.net, "optimiser": self.optimiser, "schedule": self.schedule, "scaler": self.scaler}


def restored(path: Path, of: dict[str, Any], device: torch.device, load: Callable[[dict[str, Any]], None]) -> None:
    """`load` the newest sound checkpoint, if there is one; DataError if it is of another training."""
    state = generations.read(path, lambda each: torch.load(each, map_location=device, weights_only=True))
    if state is None:
        return
    if other := differences(state["of"], of):
        raise DataError(f"{path}: a checkpoint of another training ({other}); --fresh begins anew")
    load(state)


def differences(there: dict[str, Any], here: dict[str, Any], prefix: str = "") -> str:
    """Where `there` says something else than `here`, in words; nothing of what only one of them says."""
    found = []
    for key, value in here.items():
        if key not in there or there[key] == value:
            continue
        if isinstance(value, dict) and isinstance(there[key], dict):
            found.append(differences(there[key], value, f"{prefix}{key}."))
        elif isinstance(value, (str, int, float)):
            found.append(f"{prefix}{key} {there[key]} there, {value} here")
        else:
            found.append(f"another {prefix}{key}")
    return "; ".join(found)


def _sent(tensor: Tensor, device: torch.device) -> Tensor:
    """To a GPU without waiting for it, so that the next images are drawn while it computes."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def _optimiser(recipe: TeachRecipe, net: nn.Module) -> torch.optim.Optimizer:
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(
            net.parameters(), recipe.lr, (recipe.momentum, 0.999), weight_decay=recipe.weight_decay
        )
    nesterov = recipe.momentum > 0
    return torch.optim.SGD(
        net.parameters(), recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=nesterov
    )
