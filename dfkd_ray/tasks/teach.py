"""Training a teacher on the real images of its task: the one place where a training split is read."""

from __future__ import annotations

import copy
import hashlib
import json
import math
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dfkd_ray import __version__
from dfkd_ray.errors import DataError, TrialFailed
from dfkd_ray.nets import build
from dfkd_ray.tasks.readers import WHICH, Split, split
from dfkd_ray.tasks.task import Task, TeachRecipe, normalise

Augment = Callable[[Tensor, torch.Generator], Tensor]


class Epoch(NamedTuple):
    """What `teach` reports after each epoch: number from 1, of how many, mean loss, fraction right, seconds so far."""

    epoch: int
    epochs: int
    loss: float
    val_accuracy: float
    seconds: float


def teach(
    task: Task,
    arch: str | None = None,
    seed: int = 0,
    *,
    out: Path,
    data: Path | None = None,
    download: bool = False,
    device: str = "cpu",
    report: Callable[[Epoch], None] = lambda epoch: None,
) -> dict[str, Any]:
    """Train a teacher by the task's recipe, write `out` (safetensors) and its JSON card beside it, return the card.

    The epoch with the best validation accuracy is kept (the later one of equals), and its BatchNorm statistics are then
    measured again over the whole training split: they are the prior of data-free methods. The test split is read once,
    at the end.
    """
    began = time.perf_counter()
    splits = {which: split(task, which, data, download) for which in WHICH}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = build(arch or task.teacher.arch, len(task.classes), task.image[0])
    net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    rng = torch.Generator().manual_seed(seed)
    best, best_epoch, kept = -1.0, 0, net.state_dict()
    for epoch, loss in enumerate(_train(task, net, splits["train"], rng), start=1):
        val = accuracy(task, net, splits["val"])
        if val >= best:
            best, best_epoch, kept = val, epoch, copy.deepcopy(net.state_dict())
        report(Epoch(epoch, task.recipe.epochs, loss, val, time.perf_counter() - began))
    net.load_state_dict(kept)
    measure_batch_norms(task, net, splits["train"].images)
    card = {
        "task": task.name,
        "arch": arch or task.teacher.arch,
        "classes": len(task.classes),
        "normalise": {"mean": list(task.mean), "std": list(task.std)},
        "accuracy": {which: round(accuracy(task, net, part), 6) for which, part in splits.items()},
        "best_epoch": best_epoch,
        "recipe": asdict(task.recipe),
        "seed": seed,
        "versions": {"dfkd_ray": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "device": device,
        "seconds": round(time.perf_counter() - began, 1),
    }
    return _write(net, card, out)


def _train(task: Task, net: nn.Module, train: Split, rng: torch.Generator) -> Iterator[float]:
    """One step per item: an epoch of SGD; yields its mean loss."""
    recipe, count, device = task.recipe, len(train.labels), next(net.parameters()).device
    optimiser = _optimiser(recipe, net)
    steps = math.ceil(count / recipe.batch)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.epochs * steps)
    augment = _AUGMENTS[recipe.augment]
    for _ in range(recipe.epochs):
        net.train()
        total = torch.zeros((), device=device)
        order = torch.randperm(count, generator=rng)
        for start in range(0, count, recipe.batch):
            index = order[start : start + recipe.batch]
            images, labels = train.images[index].to(device), train.labels[index].to(device)
            x = normalise(task, augment(images, rng)).contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(net(x), labels, label_smoothing=recipe.label_smoothing)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += loss.detach() * len(index)
        mean = float(total) / count
        if not math.isfinite(mean):
            raise TrialFailed(f"the loss of {task.name} is {mean}: lower recipe.lr ({recipe.lr})")
        yield mean


def _optimiser(recipe: TeachRecipe, net: nn.Module) -> torch.optim.Optimizer:
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(
            net.parameters(), recipe.lr, (recipe.momentum, 0.999), weight_decay=recipe.weight_decay
        )
    nesterov = recipe.momentum > 0
    return torch.optim.SGD(
        net.parameters(), recipe.lr, recipe.momentum, weight_decay=recipe.weight_decay, nesterov=nesterov
    )


@torch.no_grad()
def measure_batch_norms(task: Task, net: nn.Module, images: Tensor, batch: int = 500) -> None:
    """Set each BatchNorm's running mean and variance to the average over `images` (N, C, H, W) uint8."""
    device = next(net.parameters()).device
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
    net.train()
    for start in range(0, len(images), batch):
        x = normalise(task, images[start : start + batch].to(device))
        net(x.contiguous(memory_format=torch.channels_last))
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    net.eval()


@torch.no_grad()
def accuracy(task: Task, net: nn.Module, part: Split, batch: int = 500) -> float:
    """The fraction of `part` that `net`, in eval mode, names right."""
    net.eval()
    right, device = 0, next(net.parameters()).device
    for start in range(0, len(part.labels), batch):
        images, labels = (t[start : start + batch].to(device) for t in part)
        right += int((net(normalise(task, images)).argmax(1) == labels).sum())
    return right / len(part.labels)


def _write(net: nn.Module, card: dict[str, Any], out: Path) -> dict[str, Any]:
    from safetensors.torch import save

    data = save({key: value.cpu().contiguous() for key, value in net.state_dict().items()})
    card = {"file": out.name, **card, "sha256": hashlib.sha256(data).hexdigest()}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(data)
        out.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{out}: the teacher cannot be written: {error}") from None
    return card


def _flip(images: Tensor, rng: torch.Generator) -> Tensor:
    """Each image mirrored left to right with probability 1/2."""
    mirrored = torch.rand(len(images), generator=rng).to(images.device) < 0.5
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def _crop_flip(images: Tensor, rng: torch.Generator, border: int = 4) -> Tensor:
    """A random crop out of a black border of 4 pixels, and a flip (He et al. 2016, section 4.2)."""
    n, _, h, w = images.shape
    padded = F.pad(images, (border,) * 4)
    top, left = torch.randint(0, 2 * border + 1, (2, n, 1, 1), generator=rng).to(images.device)
    rows, columns = (torch.arange(size, device=images.device) for size in (h, w))
    batch = torch.arange(n, device=images.device)[:, None, None]
    crop = padded[batch, :, top + rows[None, :, None], left + columns[None, None, :]].permute(0, 3, 1, 2)
    return _flip(crop, rng)


def _dihedral(images: Tensor, rng: torch.Generator) -> Tensor:
    """The batch turned by a multiple of 90 degrees, each image mirrored or not: for what is seen from above."""
    turns = int(torch.randint(0, 4, (), generator=rng))
    return _flip(images.rot90(turns, (2, 3)), rng)


_AUGMENTS: dict[str, Augment] = {
    "none": lambda images, rng: images,
    "flip": _flip,
    "crop_flip": _crop_flip,
    "dihedral": _dihedral,
}
