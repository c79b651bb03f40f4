"""Filling a pool of synthetic images on the disk: the first half of a method whose source paints by diffusion.

A shard is filled by one process, trajectory by trajectory; what is there is never made again. Every random number of a
trajectory comes from (seed, its number), so a shard that was killed ends with the images of one that was not, and what
is in a pool does not depend on how many shards it has, as long as no student rehearses on what its shard has made.
"""

from __future__ import annotations

import collections
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from dfkd_ray.datasets.pools import Pool, PoolCard, PoolRow, Shard, TeacherFacts
from dfkd_ray.datasets.pools.card import Format
from dfkd_ray.datasets.pools.pictures import decode
from dfkd_ray.datasets.pools.stream import trajectory_of
from dfkd_ray.methods import config
from dfkd_ray.methods.method import Method
from dfkd_ray.nets.digest import digest
from dfkd_ray.nets.heads import sized
from dfkd_ray.nets.pipelines import prompts_of
from dfkd_ray.parts.signals import frozen, mode
from dfkd_ray.parts.slots import Batch
from dfkd_ray.parts.sources.diffusion import LEVERS, Diffusion, Estimate, LiveDiffusion
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.train.loop import learn
from dfkd_ray.train.run import Run
from dfkd_ray.util import generations
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.provenance import provenance
from dfkd_ray.util.seeding import stream_seed


class Made(NamedTuple):
    """A trajectory that was made: its number, its class, images in the shard by now, seconds."""

    trajectory: int
    label: int
    images: int
    seconds: float


@dataclass(frozen=True)
class Synthesis:
    """What a pool is to be made of; it travels to the processes that make it.

    folder: of the pool. images: how many there should be at least, in complete trajectories. pixels: their side as they
    are kept; None: the size at which the teacher sees them. format: of the image files.
    """

    work: Distillation
    folder: str
    images: int
    seed: int = 0
    shards: int = 1
    pixels: int | None = None
    format: Format = "png"

    def __post_init__(self) -> None:
        if self.images < 1 or self.shards < 1:
            raise ConfigError.at("--images", f"at least 1, got {min(self.images, self.shards)}")
        source = self.work.method.source
        if not isinstance(source, Diffusion):
            name = source.registered_as
            raise ConfigError.at("source", f"a pool on the disk is filled by the source diffusion; this is {name}")
        if source.prompts is not None:
            raise ConfigError.at("source.prompts", "no trajectory of a pool depends on others: set it to null")

    @property
    def method(self) -> Method:
        return self.work.method

    @property
    def per_trajectory(self) -> int:
        return int(self.method.source.at_once * self.method.source.kept)

    @property
    def side(self) -> int:
        """Of the images as they are kept."""
        return self.pixels or max(self.work.task.image[1:])

    def mine(self, index: int) -> range:
        """The numbers of a shard's trajectories, from 1; trajectory k asks for class k mod K."""
        return range(index - 1, -(-self.images // self.per_trajectory), self.shards)

    def card(self, run: Run) -> PoolCard:
        task, pipeline = self.work.task, diffusion_of(run).pipeline
        models = {"net": digest(pipeline.net.state_dict()), "decoder": digest(pipeline.decoder.state_dict())}
        return PoolCard(
            task=task.name,
            classes=task.classes,
            image=task.image,
            mean=task.mean,
            std=task.std,
            teacher=TeacherFacts(self.method.teacher.arch or task.teacher.arch, self.work.teacher_digest),
            method=config.plain(self.work.method),
            fingerprint=fingerprint(self.method, models),
            seed=self.seed,
            shards=self.shards,
            per_trajectory=self.per_trajectory,
            pixels=self.side,
            format=self.format,
            versions={k: v for k, v in provenance().items() if k in ("dfkd_ray", "python", "torch", "diffusers")},
        )

    def fill(self, index: int) -> Iterator[Made]:
        """Make what a shard (from 1) does not have yet; DataError where the pool is of something else."""
        device = self.work.runtime.open()
        run = self.work.open(self.method, self.seed, self.work.runtime, device)
        pool = Pool.create(Path(self.folder), self.card(run))
        with pool.shard(index, self.shards) as shard:
            yield from _Filling(self, run, pool, shard, index).go()


class _Filling:
    """One shard, under way."""

    def __init__(self, what: Synthesis, run: Run, pool: Pool, shard: Shard, index: int) -> None:
        self.what, self.run, self.shard, self.mine = what, run, shard, what.mine(index)
        self.plan, self.spec, self.source = run.method.schedule, run.method.source, diffusion_of(run)
        self.per_round = len(self.source.trajectories(self.plan.batch))
        self.prompts = prompts_of(self.spec.prompt, run.setting.names)
        every = self.plan.rehearse_every * self.per_round
        self.rehearsals = Rehearsals(run, pool, index, every) if every else None

    def go(self) -> Iterator[Made]:
        if self.shard.done.issuperset(self.mine):
            return  # a student would rehearse for nothing
        for position, number in enumerate(self.mine):
            began, batch = time.perf_counter(), None
            if made := number not in self.shard.done:
                batch = self.shard.append(number, self._painted(number, position))
            if self.rehearsals is not None:
                self.rehearsals.remember(number, batch)
                if (position + 1) % self.rehearsals.every == 0:
                    self.rehearsals.hold((position + 1) // self.rehearsals.every)
            if made:
                yield Made(number, self._label(number), self.shard.size, time.perf_counter() - began)

    def _painted(self, number: int, position: int) -> list[PoolRow]:
        """The images of one trajectory, the finished ones first."""
        run, seed = self.run, stream_seed(self.what.seed, "trajectory", number)
        run.source_loss.begin(position // (self.per_round * self.plan.rounds) + 1)
        torch.manual_seed(seed)
        rng = run.rng.manual_seed(seed)
        with run.precision(), frozen(run.student), mode(run.student, self.plan.student_in_synthesis == "train"):
            steps = self.source.trajectory(
                self._label(number), self.spec.at_once, run.source_steps, run.image_loss, rng
            )
            collections.deque(steps, maxlen=0)
        run.source_loss.settle()
        label = self._label(number)
        said = {"label": label, "prompt": self.prompts[label % len(self.prompts)], "seed": seed}
        return [row for estimate in self.source.estimates for row in self._rows(estimate, said)]

    def _rows(self, estimate: Estimate, said: Mapping[str, Any]) -> Iterator[PoolRow]:
        channels, side = self.run.setting.image[0], self.what.side
        losses = {name: float(value) for name, value in estimate.losses.items()}
        images = (sized(estimate.pictures, (channels, side, side)) * 255).round().to(torch.uint8).cpu()
        for latent, image in enumerate(images):
            final = estimate.timestep == self.spec.timesteps
            yield PoolRow(latent=latent, step=estimate.timestep, final=final, losses=losses, image=image, **said)

    def _label(self, number: int) -> int:
        return number % self.run.setting.classes


class Rehearsals:
    """The student beside the source: it learns now and then from what its shard has made so far.

    every: trajectories from one rehearsal to the next. Its state stands in a file beside the shard; where that is lost,
    or of a shard that was removed, the rehearsals are held again.
    """

    _PARTS = ("student", "student_loss", "optimizer", "scaler")

    def __init__(self, run: Run, pool: Pool, index: int, every: int) -> None:
        self.run, self.card, self.index, self.every, self.held = run, pool.card, index, every, 0
        self.stored = {trajectory_of(batch): batch for batch in pool.held(index).batches}
        self.file = pool.path(index).with_suffix(".student.pt")
        state = generations.read(self.file, lambda each: torch.load(each, map_location=run.device, weights_only=True))
        if state is not None and state["held"] * every <= len(self.stored):
            self.held = state["held"]
            for part in self._PARTS:
                getattr(run, part).load_state_dict(state.get(part, {}))

    def remember(self, number: int, made: Any) -> None:
        """A trajectory joins the memory of the student, as it is stored; `made`: its record batch if it is new."""
        batch = self.stored[number] if made is None else made
        images = torch.stack([decode(data.as_py(), self.card.image) for data in batch.column("image")])
        labels = torch.tensor(batch.column("label").to_pylist(), device=self.run.device)
        source = diffusion_of(self.run)
        source.kept = Batch(source.seen(images.to(self.run.device).float() / 255), labels)
        self.run.memory.refill(source, len(images), self.run.rng)

    def hold(self, count: int) -> None:
        """The rehearsal of that number, unless it was held before a kill."""
        if count <= self.held:
            return
        run, seed = self.run, stream_seed(self.run.seed, "rehearsal", self.index, count)
        torch.manual_seed(seed)
        collections.deque(learn(run, run.method.schedule.student_steps, run.rng.manual_seed(seed)), maxlen=0)
        self.held = count
        state = {"held": count, **{part: getattr(run, part).state_dict() for part in self._PARTS}}
        generations.write(self.file, lambda file: torch.save(state, file))


def diffusion_of(run: Run) -> LiveDiffusion:
    assert isinstance(run.source, LiveDiffusion)
    return run.source


def fingerprint(method: Method, models: Mapping[str, str]) -> str:
    """Of what decides the images of a pool: the source and its loss, the models behind it, and the student where it
    rehearses. Methods with the same one make the same images."""
    plain = config.plain(method)
    plan = plain["schedule"]
    source = {name: value for name, value in plain["source"].items() if name not in ("model", "prompts", *LEVERS)}
    said = {"source": source, "models": models, "source_loss": plain["source_loss"], "teacher": plain["teacher"]}
    said |= {"views": plain["views"]["synthesis"], "source_steps": plan["source_steps"]}
    if plan["rehearse_every"]:
        said |= {part: plain[part] for part in ("student", "student_loss", "memory", "schedule", "views")}
    text = json.dumps(said, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
