"""Training a teacher on the real images of its task: the one place where a training split is read."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dfkd_ray import __version__
from dfkd_ray.datasets.quality import measured
from dfkd_ray.datasets.readers import WHICH, NoSplit, Split, SplitName, split
from dfkd_ray.datasets.task import Task, TeachRecipe, normalise
from dfkd_ray.datasets.training import training
from dfkd_ray.nets import build
from dfkd_ray.nets import check as check_net
from dfkd_ray.teachers.course import Course, TeacherEpoch, differences
from dfkd_ray.teachers.seen import seen_by, unlike
from dfkd_ray.teachers.weights import check_sha256, network_facts, read_card
from dfkd_ray.util import generations
from dfkd_ray.util.choices import Cache, Precision
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.progress import progress
from dfkd_ray.util.sealed import seal_json

PIXELS = 500 * 96 * 96  # of a batch that needs no gradients: about a GB in a ResNet-34


def teach(
    task: Task,
    arch: str | None = None,
    seed: int = 0,
    *,
    out: Path,
    recipe: TeachRecipe | None = None,
    pretrained: bool = False,
    data: Path | None = None,
    download: bool = False,
    cache: Cache = "memmap",
    device: str = "cpu",
    precision: Precision = "float32",
    fresh: bool = False,
    report: Callable[[TeacherEpoch], None] = lambda epoch: None,
) -> dict[str, Any]:
    """Train a teacher by `recipe` (or the task's), write `out` (safetensors) and its JSON card, return the card.

    The epoch with the best validation accuracy is kept (the later one of equals), and its BatchNorm statistics are then
    measured again over the whole training split: they are the prior of data-free methods. The test split, where
    there is one, is evaluated once, at the end.

    After each epoch a checkpoint stands beside `out` until that is written: the same call again goes on from there, on
    a CPU to the same bits. It returns the card of a teacher that is there already; fresh: it begins anew. `report`
    hears of each epoch, of those before an interruption too, and of none of a teacher that was there.
    """
    task = replace(task, recipe=recipe or task.recipe_from(pretrained))
    arch = arch or task.teacher.arch
    check_net(arch, task.targets)
    of = _settings(task, arch, pretrained, seed)
    checkpoint = _place(out)
    if fresh:
        generations.remove(checkpoint)
    elif not checkpoint.exists() and out.exists():
        return _trained_before(out, of, seen_by(task, data))
    began = time.perf_counter()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = build(arch, len(task.classes), task.image[0], pretrained)
    splits = _splits(task, data, download, cache)
    drawn = training(task, data, download, cache)
    seen = seen_by(task, data)
    of |= {name: value for name, value in seen.items() if name == "images"}
    net = net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    course = Course(task, net, len(drawn.labels), seed, precision)
    course.restore(checkpoint, of)
    began -= course.seconds
    for epoch in course.epochs:
        report(epoch)
    with progress("steps", course.steps, "steps") as tell:
        while len(course.epochs) < task.recipe.epochs:
            loss = course.train(drawn, tell)
            epoch = course.note(loss, accuracy(task, net, splits["val"]), time.perf_counter() - began)
            course.save(checkpoint, of)
            report(epoch)
    net.load_state_dict(course.best)
    measure_batch_norms(task, net, splits["train"].images)
    card = {
        **of,
        **seen,
        "classes": len(task.classes),
        "accuracy": {which: round(accuracy(task, net, part), 6) for which, part in splits.items()},
        "best_epoch": course.best_epoch,
        "precision": precision,
        "versions": {"dfkd_ray": __version__, "torch": torch.__version__, "python": platform.python_version()},
        "device": device,
        "seconds": round(time.perf_counter() - began, 1),
    }
    write_weights(net, card, out)
    generations.remove(checkpoint)
    return card


def _splits(task: Task, data: Path | None, download: bool, cache: Cache) -> dict[SplitName, Split]:
    """Those for training and validation, and the test split where there is one."""
    found: dict[SplitName, Split] = {}
    for which in WHICH:
        try:
            found[which] = split(task, which, data, download, cache)
        except NoSplit:
            if which != "test":
                raise
    return found


def _settings(task: Task, arch: str, pretrained: bool, seed: int) -> dict[str, Any]:
    """What decides a teacher, as its card and its checkpoint hold it."""
    return {**network_facts(task, arch, pretrained), "recipe": asdict(task.recipe), "seed": seed}


def _place(out: Path) -> Path:
    """The folder of `out` is made; where the checkpoint stands. DataError while nothing is lost yet."""
    if out.suffix != ".safetensors":
        raise DataError(f"{out}: a teacher is written as .safetensors: name such a file")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out}: the teacher cannot be written: {error}") from None
    return out.with_suffix(".checkpoint")


def _trained_before(out: Path, of: dict[str, Any], seen: Mapping[str, Any]) -> dict[str, Any]:
    """The card of the teacher that stands at `out`; DataError if that is another one, of other images, or damaged."""
    advice = "--fresh trains another in its place, --out writes elsewhere"
    card = read_card(out)
    if card is None:
        raise DataError(f"{out} is there, without a card that says what it is: {advice}")
    if other := differences(card, of):
        raise DataError(f"{out} is another teacher ({other}): {advice}")
    if how := unlike(card, seen):
        raise DataError(f"{out} {how}: {advice}")
    check_sha256(out)
    return card


@torch.no_grad()
def measure_batch_norms(task: Task, net: nn.Module, images: Tensor, batch: int | None = None) -> None:
    """Set each BatchNorm's running mean and variance to the average over `images` (N, C, H, W) uint8."""
    device = next(net.parameters()).device
    norms = [module for module in net.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative average
    net.eval()
    for norm in norms:
        norm.train()
    for part in torch.split(images, batch or _batch(task)):
        net(normalise(task, part.to(device)).contiguous(memory_format=torch.channels_last))
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    net.eval()


@torch.no_grad()
def accuracy(task: Task, net: nn.Module, part: Split) -> float:
    """How right `net`, in eval mode, is on `part`, in [0, 1]: the first measure of `datasets.quality`."""
    net.eval()
    device = next(net.parameters()).device
    batches = zip(*(torch.split(tensor, _batch(task)) for tensor in part))
    told = ((net(normalise(task, images.to(device))), labels) for images, labels in batches)
    return next(iter(measured(task.targets, told).values()))


def _batch(task: Task) -> int:
    _, height, width = task.image
    return max(1, min(500, PIXELS // (height * width)))


def write_weights(net: nn.Module, card: dict[str, Any], out: Path) -> None:
    """The weights, then their card, which gains `file` and `sha256`."""
    from safetensors.torch import save

    data = save({key: value.cpu().contiguous() for key, value in net.state_dict().items()})
    card |= {"file": out.name, "sha256": hashlib.sha256(data).hexdigest()}
    try:
        for path, content in {out: data, out.with_suffix(".json"): seal_json(card)}.items():
            with atomic_write(path) as file:
                file.write(content)
    except OSError as error:
        raise DataError(f"{out}: the teacher cannot be written: {error}") from None
