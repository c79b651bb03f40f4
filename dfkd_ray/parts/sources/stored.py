"""A pool of images on the disk, made before the run started, as a source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from dfkd_ray.nets.digest import digest
from dfkd_ray.parts.signals import Setting
from dfkd_ray.parts.slots import Batch, ImageLoss, sources
from dfkd_ray.parts.sources.batches import Labels
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.words import counted

if TYPE_CHECKING:
    from dfkd_ray.datasets.pools import Images, Pool, PoolCard
    from dfkd_ray.datasets.pools.selection import Selection

ON_DEVICE = 2**31  # bytes of images that lie where the networks are; more stay in the memory of the host


@sources.register("stored")
@dataclass(frozen=True)
class Stored:
    """The images of a pool, which a diffusion model made for this teacher: the second stage of DiffDFKD (Qi et al.,
    arXiv:2504.00870), drawn at random with the labels that they were asked for. Nothing is learned.

    folder: of the pool (`dfkd-ray synthesize` makes one), as an absolute path where the run may stand elsewhere.
    digest: what the pool's has to be (`dfkd-ray pool verify` tells it); null takes it as it is, also when it grows.
    intermediate: the estimates on the way to an image too, as in the released code unless its `min_loss` is set.
    per_class: at most so many images of a class, the first; the released code's `nums`.
    keep: the name of a selection of the pool (`dfkd-ray pool prune` makes one): the student sees the images that it
        keeps, and its classes as often as it says; null: all. What is held out is the same with and without.
    held_out: images that the student never sees, for the metrics without data: a number, or below 1 a share. All
        estimates of a latent go together, and no class gives its first latent (a reconstruction, the released code
        holds out none). With 0 these metrics are of the images that the student knows.
    """

    labels: ClassVar[Labels] = "balanced"  # those that the pool was asked for

    folder: str
    digest: str | None = None
    intermediate: bool = True
    per_class: int | None = None
    keep: str | None = None
    held_out: int | float = 0.1

    def __post_init__(self) -> None:
        if self.per_class is not None and self.per_class < 1:
            raise ValueError(f"per_class must be at least 1, got {self.per_class}")
        if self.held_out < 0 or (self.held_out >= 1 and self.held_out != int(self.held_out)):
            raise ValueError(f"held_out must be a number of images or a share of them below 1, got {self.held_out}")

    def check(self) -> None:
        from dfkd_ray.datasets.pools import Pool

        Pool.open(Path(self.folder).expanduser().resolve())  # reads its card

    def open(self, setting: Setting, also: Iterable[nn.Parameter], device: torch.device) -> LiveStored:
        from dfkd_ray.datasets.pools import Pool

        pool = Pool.open(Path(self.folder).expanduser().resolve())
        seen = setting.image, setting.classes, setting.mean, setting.std, setting.names
        _refuse(self.folder, pool.card.of_another_task(*seen))
        held = pool.digest
        if self.digest not in (None, held):
            raise ConfigError.at("digest", f"{self.folder} is {held}, another pool or one that has grown")
        images = _read(pool.folder, held, self.intermediate, self.per_class)
        if not len(images.images):
            raise ConfigError.at("folder", f"{self.folder}: no image is in this pool yet")
        kept = None if self.keep is None else self._selection(pool, held)
        return LiveStored(self, pool.card, images, setting, device, kept)

    def _selection(self, pool: Pool, held: str) -> Selection:
        """The one that is named, of the images as they are read here."""
        from dfkd_ray.datasets.pools import selection

        found = selection.read(pool.folder, str(self.keep))
        if found.pool != held:
            raise ConfigError.at("keep", f"{self.keep} is of this pool as it was, {found.pool}: prune it again")
        if self.per_class is not None or found.intermediate != self.intermediate:
            wanted = f"intermediate {str(found.intermediate).lower()} and per_class null"
            raise ConfigError.at("keep", f"{self.keep} was chosen with {wanted}: set them so")
        return found


@lru_cache(maxsize=1)
def _read(folder: Path, digest: str, intermediate: bool, per_class: int | None) -> Images:
    """Once for all trials of a process; digest: for the pool as it is now."""
    from dfkd_ray.datasets.pools import Pool

    return Pool.open(folder).images(intermediate, per_class)


class LiveStored:
    """The images in memory, uint8. Has no state: every batch is drawn with the generator that it is handed."""

    def __init__(
        self,
        spec: Stored,
        card: PoolCard,
        images: Images,
        setting: Setting,
        device: torch.device,
        kept: Selection | None = None,
    ) -> None:
        self.spec, self.card, self.device = spec, card, device
        self.images = images.images.to(device) if images.images.nbytes <= ON_DEVICE else images.images
        self.labels = images.labels.to(device)
        self.mean, self.std = (torch.tensor(v, device=device)[:, None, None] for v in (setting.mean, setting.std))
        held = _held_out(images, spec.held_out)
        train = torch.ones(len(images.labels), dtype=torch.bool)
        train[held] = False
        if kept is not None:
            chosen = torch.zeros_like(train)
            chosen[list(kept.rows)] = True
            train &= chosen
        if not train.any():
            raise ConfigError.at("keep", f"{spec.keep} keeps no image but those that are held out")
        self.train = train.nonzero()[:, 0].to(device)
        self.shares = None if kept is None else _shares(self.labels[self.train], kept).to(device)
        self.held = held.to(device) if len(held) else self.train

    def belongs(self, teacher: nn.Module) -> None:
        _refuse(self.spec.folder, self.card.of_another_teacher(digest(teacher.state_dict())))

    def improve(
        self, batch: int, steps: int, image_loss: ImageLoss, rng: torch.Generator, progress: float
    ) -> Iterator[dict[str, Tensor]]:
        return iter(())

    def sample(self, batch: int, rng: torch.Generator, training: bool) -> Batch:
        if training:
            return self._batch(self.train[self._chosen(batch, rng)])
        first = self._drawn(len(self.held), 1, rng)
        return self._batch(self.held[(first + torch.arange(batch, device=self.device)) % len(self.held)])

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass

    def _chosen(self, count: int, rng: torch.Generator) -> Tensor:
        """Places among the training images, by the weights of a selection if there is one."""
        if self.shares is None:
            return self._drawn(len(self.train), count, rng)
        at = torch.rand(count, generator=rng, device=rng.device, dtype=torch.float64).to(self.device)
        return torch.searchsorted(self.shares, at, right=True).clamp(max=len(self.train) - 1)

    def _drawn(self, below: int, count: int, rng: torch.Generator) -> Tensor:
        return torch.randint(below, (count,), generator=rng, device=rng.device).to(self.device)

    def _batch(self, rows: Tensor) -> Batch:
        pixels = self.images[rows.to(self.images.device)].to(self.device)
        images = (pixels.float() / 255 - self.mean) / self.std
        return Batch(images.contiguous(memory_format=torch.channels_last), self.labels[rows])


def _shares(labels: Tensor, kept: Selection) -> Tensor:
    """The rising sums of how often each image is drawn, (M,): its class's weight over the number of its images.

    ConfigError where no class that is left has a weight, so that nothing could be drawn.
    """
    counts = torch.bincount(labels, minlength=len(kept.weights)).double().clamp(min=1)
    weights = torch.tensor(kept.weights, dtype=torch.float64, device=labels.device) / counts
    sums = weights[labels].cumsum(0)
    if not sums[-1] > 0:
        why = "has no weight for any class of the images that it keeps and does not hold out"
        raise ConfigError.at("keep", f"the selection {why}: prune it again, or set held_out to fewer")
    return sums / sums[-1]


def _refuse(folder: str, why: str | None) -> None:
    if why is not None:
        raise ConfigError.at("folder", f"{folder} {why}")


def _held_out(images: Images, wanted: int | float) -> Tensor:
    """Rows that the student does not see, (M,), their classes in turn: the last latents of each class, whole."""
    rows: dict[int, list[int]] = {}
    for row, latent in enumerate(images.latents.tolist()):
        rows.setdefault(latent, []).append(row)
    of_class: dict[int, list[list[int]]] = {}
    for group in rows.values():
        of_class.setdefault(int(images.labels[group[0]]), []).append(group)
    # (how far from the end of its class, class): one latent of every class before the second of any
    spare = [(place, label, g) for label, groups in of_class.items() for place, g in enumerate(groups[:0:-1])]
    spare.sort(key=lambda each: each[:2])
    count = wanted if wanted >= 1 else max(1, round(wanted * len(images.labels))) if wanted else 0
    held: list[int] = []
    for _, _, group in spare:
        if len(held) >= count:
            break
        held += group
    if len(held) < count:
        asks = f"{wanted} asks for {counted(int(count), 'image')}"
        have = f"{len(held)} of {len(images.labels)} images are beyond the first latent of their class"
        raise ConfigError.at("held_out", f"{asks}, and only {have}: make more, or take fewer")
    return torch.tensor(held, dtype=torch.int64)
