"""A small diffusion model of one task, trained on its real images: a stand-in for one that cannot be downloaded.

It has seen the images of the task, as Stable Diffusion has seen its own. So it lets the whole of DiffDFKD be run and
tested anywhere, and no run with it is comparable with the paper, or strictly data-free.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import platform
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from dfkd_ray import __version__
from dfkd_ray.datasets.readers import split
from dfkd_ray.datasets.task import Task
from dfkd_ray.nets.pipelines.library import libraries, quiet
from dfkd_ray.nets.pipelines.small import PipelineSizes
from dfkd_ray.teachers.course import differences
from dfkd_ray.teachers.diffusion_course import DiffusionCourse, DiffusionEpoch, DiffusionRecipe
from dfkd_ray.teachers.seen import seen_by, unlike
from dfkd_ray.util import generations
from dfkd_ray.util.choices import Cache
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.files import replace
from dfkd_ray.util.progress import progress
from dfkd_ray.util.yamls import plain

CARD, INDEX = "card.json", "model_index.json"  # ours, and that of diffusers


def teach_diffusion(
    task: Task,
    seed: int = 0,
    *,
    out: Path,
    recipe: DiffusionRecipe | None = None,
    small: PipelineSizes | None = None,
    data: Path | None = None,
    download: bool = False,
    cache: Cache = "memmap",
    device: str = "cpu",
    fresh: bool = False,
    report: Callable[[DiffusionEpoch], None] = lambda epoch: None,
) -> dict[str, Any]:
    """Train a text-to-image pipeline on the training split, write it to the folder `out`, return the card within.

    `diffusers.DiffusionPipeline.from_pretrained(out)` opens it. Checkpoint, `fresh` and `report` are as those of
    `teach`.
    """
    recipe, small = recipe or DiffusionRecipe(), small or PipelineSizes()
    libraries("training a diffusion model")
    of = _settings(task, recipe, small, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipe = small.text_to_image(task.image, recipe.captions(task.classes))
    checkpoint = _place(out)
    if fresh:
        generations.remove(checkpoint)
    elif not checkpoint.exists() and _filled(out):
        return _trained(out, of, seen_by(task, data))
    train, seen = split(task, "train", data, download, cache), seen_by(task, data)
    of |= {name: value for name, value in seen.items() if name == "images"}
    with quiet():
        course = DiffusionCourse(pipe.to(device), recipe, train, task.classes, seed)
        _run(course, checkpoint, of, report)
        card = _write(pipe, {**of, **seen, **_told(course), "device": device}, out)
    generations.remove(checkpoint)
    return card


def _run(
    course: DiffusionCourse, checkpoint: Path, of: dict[str, Any], report: Callable[[DiffusionEpoch], None]
) -> None:
    """All epochs that are not done yet, a checkpoint after each."""
    course.restore(checkpoint, of)
    began = time.perf_counter() - course.seconds
    for epoch in course.epochs:
        report(epoch)
    with progress("steps", course.steps, "steps") as tell:
        while stage := course.next():
            loss = course.train_epoch(stage, tell)
            epoch = course.note(stage, loss, time.perf_counter() - began)
            course.save(checkpoint, of)
            report(epoch)


def _settings(task: Task, recipe: DiffusionRecipe, small: PipelineSizes, seed: int) -> dict[str, Any]:
    """What decides a pipeline, as its card and its checkpoint hold it; DataError for a task without classes of
    images."""
    if task.targets != "classes":
        raise DataError(f"{task.name}: a caption names the class of an image, and its targets are {task.targets}")
    what = {"task": task.name, "class_names": list(task.classes), "image": list(task.image)}
    return {**what, "sizes": plain(small), "recipe": asdict(recipe), "seed": seed}


def _told(course: DiffusionCourse) -> dict[str, Any]:
    """What a card says of the training."""
    others = {name: metadata.version(name) for name in ("diffusers", "transformers")}
    nets = _nets(course.pipe).items()
    return {
        "trained_on": "the task's real images, its training split: no run with this pipeline is data-free",
        "losses": [[epoch.part, epoch.epoch, round(epoch.loss, 6)] for epoch in course.epochs],
        "parameters": {name: sum(weights.numel() for weights in net.parameters()) for name, net in nets},
        "versions": {
            "dfkd_ray": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
            **others,
        },
        "seconds": round(course.seconds, 1),
    }


def _nets(pipe: Any) -> dict[str, torch.nn.Module]:
    return {name: part for name, part in pipe.components.items() if isinstance(part, torch.nn.Module)}


def _place(out: Path) -> Path:
    """Where the checkpoint stands, beside the folder `out`. DataError while nothing is lost yet."""
    if not out.name:
        raise DataError(f"{out}: name the folder that is to be made")
    if _filled(out) and not all((out / name).is_file() for name in (CARD, INDEX)):
        raise DataError(f"{out} is there, and was not made by `teach-diffusion`: --out writes elsewhere")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out}: the pipeline cannot be written: {error}") from None
    for torn in out.parent.glob(f".{glob.escape(out.name)}.[0-9]*"):  # of a process that was killed while it wrote
        shutil.rmtree(torn, ignore_errors=True)
    return out.with_name(f"{out.name}.checkpoint")


def _filled(out: Path) -> bool:
    return out.exists() and not (out.is_dir() and not any(out.iterdir()))


def _trained(out: Path, of: dict[str, Any], seen: Mapping[str, Any]) -> dict[str, Any]:
    """The card of the pipeline that stands in `out`; DataError if that is another one, of other images, or damaged."""
    advice = "--fresh trains another in its place, --out writes elsewhere"
    try:
        card: dict[str, Any] = json.loads((out / CARD).read_text(encoding="utf-8"))
        other, sums = differences(card, of), _sums(out)
        damaged = next((file for file, told in card["sha256"].items() if sums.get(file) != told), None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{out / CARD}: cannot be read: {error}; {advice}") from None
    if other:
        raise DataError(f"{out} is another pipeline ({other}): {advice}")
    if how := unlike(card, seen):
        raise DataError(f"{out} {how}: {advice}")
    if damaged is not None:
        raise DataError(f"{out / damaged}: its sha256 is not that of the card: damaged; {advice}")
    return card


def _sums(out: Path) -> dict[str, str]:
    """The sha256 of each file of weights."""
    files = sorted(out.rglob("*.safetensors"))
    return {file.relative_to(out).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _write(pipe: Any, card: dict[str, Any], out: Path) -> dict[str, Any]:
    """The pipeline and its card, which gains `sha256`: written beside, then named `out`."""
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    for net in _nets(pipe).values():
        net.to(device="cpu", memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    try:
        pipe.save_pretrained(beside)
        card = {**card, "sha256": _sums(beside)}
        (beside / CARD).write_text(json.dumps(card, indent=2) + "\n", encoding="utf-8")
        replace(beside, out)  # the checkpoint is still there: whoever is killed here writes it again
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(out)) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return card
