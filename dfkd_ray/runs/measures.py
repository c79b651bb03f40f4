"""How good a student is: on real images, and without any."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import lru_cache
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional

from dfkd_ray import metrics
from dfkd_ray.datasets.dead_leaves import dead_leaves
from dfkd_ray.datasets.quality import measured
from dfkd_ray.nets.positions import rows
from dfkd_ray.parts.signals import Setting, mode
from dfkd_ray.parts.slots import Batch, LiveSource
from dfkd_ray.runs.watching import embedded, prior
from dfkd_ray.util.choices import Targets

HELD_OUT = 256  # synthetic images of each bank
BATCH = 256  # images at a time
PIXELS = BATCH * 112**2  # at a time: of images of 224 pixels 64
EDGE = 1e-4  # rounding of a normalised value
FAR = 0.1  # with more values outside than that, the images are not what the teacher was trained on
_ANSWERS: WeakKeyDictionary[nn.Module, dict[str, tuple[Tensor, Tensor]]] = WeakKeyDictionary()  # of teachers, by bank


@torch.no_grad()
def logits(
    net: nn.Module,
    images: Tensor,
    prepare: Callable[[Tensor], Tensor] | None = None,
    tell: Callable[[int], None] = lambda done: None,
) -> Tensor:
    """(N, K) of `net` in evaluation mode for images (N, C, H, W), on its device, batch by batch; of a dense network
    (N H W, K).

    prepare: takes a batch to the network's input space; None: it is there. (A split of ImageNet fits a disk as bytes,
    and no memory as floats.) tell: hears how many images are done.
    """
    return torch.cat([rows(each) for each in outputs(net, images, prepare, tell)]).float()


@torch.no_grad()
def outputs(
    net: nn.Module,
    images: Tensor,
    prepare: Callable[[Tensor], Tensor] | None = None,
    tell: Callable[[int], None] = lambda done: None,
) -> Iterator[Tensor]:
    """What `logits` joins, a batch at a time and as the network gives it."""
    device, done = next(net.parameters()).device, 0
    with mode(net, training=False):
        for batch in torch.split(images, at_a_time(*images.shape[2:])):
            batch = batch.to(device, non_blocking=batch.is_pinned())
            batch = batch if prepare is None else prepare(batch)
            yield net(batch.to(memory_format=torch.channels_last))
            tell(done := done + len(batch))


def at_a_time(height: int, width: int) -> int:
    """How many images of this size go through a network at once."""
    return max(1, min(BATCH, PIXELS // (height * width)))


def quality(
    net: nn.Module,
    images: Tensor,
    labels: Tensor,
    targets: Targets = "classes",
    prepare: Callable[[Tensor], Tensor] | None = None,
) -> dict[str, float]:
    """How right it is on images (N, C, H, W), by what is to be told of them: see `datasets.quality`; `prepare`: see
    `logits`."""
    batches = torch.split(labels, at_a_time(*images.shape[2:]))
    return measured(targets, zip(outputs(net, images, prepare), batches))


def faithfulness(teacher: Tensor, student: Tensor) -> tuple[float, float]:
    """Agreement of the two top classes (share) and mean KL(teacher || student) in nats, from logits (N, K)."""
    agree = float((teacher.argmax(1) == student.argmax(1)).float().mean())
    return agree, float(divergence(teacher, student).mean())


def divergence(teacher: Tensor, student: Tensor) -> Tensor:
    """KL(teacher || student) in nats of each image, (N,), from logits (N, K)."""
    t, s = teacher.log_softmax(1), student.log_softmax(1)
    return (t.exp() * (t - s)).sum(1)


def correlation(teacher: Tensor, student: Tensor) -> float:
    """Pearson's correlation of two networks' logits for an image, mean over images, in [-1, 1], from logits (N, K).

    It asks for the order and the distances of the classes, not for their scale, so a student that is surer than its
    teacher, or that has learned little yet and is unsure, is judged by what it says. 0 where one of them says nothing.
    """
    t, s = (each - each.mean(1, keepdim=True) for each in (teacher.float(), student.float()))
    return float(functional.cosine_similarity(t, s, dim=1).clamp(-1, 1).mean())


def _followed(bank: str, teacher: Tensor, student: Tensor, images: int) -> dict[str, float]:
    """How far the student follows its teacher on a bank of so many images, by name of the metric; of depths by the
    correlation over the positions of an image alone."""
    *named, correlated = metrics.FOLLOWED[bank]
    if teacher.shape[1] == 1:
        return {correlated: correlation(teacher.reshape(images, -1), student.reshape(images, -1))}
    found = (*faithfulness(teacher, student), correlation(teacher, student))
    return dict(zip((*named, correlated), found, strict=True))


def class_entropy(teacher: Tensor) -> float:
    """Entropy of the classes that the teacher names over log K, in [0, 1], from logits (N, K).

    Of what it names, not of its mean prediction: one grey image of which it is unsure has one class, not all of them.
    """
    share = torch.bincount(teacher.argmax(1), minlength=teacher.shape[1]) / len(teacher)
    return _entropy(share)


def uncertainty(teacher: Tensor) -> float:
    """Mean entropy of the teacher's prediction for an image over log K, in [0, 1], from logits (N, K)."""
    return _entropy(teacher.softmax(1))


def _entropy(p: Tensor) -> float:
    """Of distributions (..., K), over log K; the mean over all of them."""
    return float(torch.special.entr(p).sum(-1).mean()) / math.log(p.shape[-1])


def image_distance(images: Tensor, std: tuple[float, ...]) -> float:
    """Root mean square difference of two of the images (N, C, H, W) over all pairs, black 0 and white 1.

    std: a value a channel, of the normalisation that they are in. The mean of (a - b)^2 over pairs is twice the
    variance, so no pair is formed.
    """
    scale = torch.tensor(std, device=images.device)[:, None, None]
    return float((2 * (images * scale).var(0).mean()).sqrt())


def embedding_distance(embeddings: Tensor) -> float:
    """1 - cosine similarity of two of the embeddings (N, D), mean over all pairs, in [0, 2]."""
    count, total = len(embeddings), functional.normalize(embeddings, dim=1).sum(0)
    return float((count**2 - total.square().sum()) / (count * (count - 1)))


def outside(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> float:
    """The share of values of images (N, C, H, W) that no picture has: below black or above white.

    mean, std: a value a channel, of the normalisation that the teacher was trained with. A teacher tells little of what
    lies far outside of its data; `source.output` sets the range.
    """
    low, high = (torch.tensor([(end - m) / s for m, s in zip(mean, std)], device=images.device) for end in (0, 1))
    beyond = (images < low[:, None, None] - EDGE) | (images > high[:, None, None] + EDGE)
    return float(beyond.float().mean())


def data_free(
    teacher: nn.Module, student: nn.Module, source: LiveSource, setting: Setting, inverted: Tensor | None = None
) -> dict[str, float]:
    """Metrics that need no real image, on images that the student never trains on (but those of `pixels` and
    `diffusion`, which have no others than they made).

    `source`: fresh images of the run's own source, from noise that is the same in every epoch; `asked` is the share of
    them that the teacher takes for the class asked for. `noise`, `dead_leaves`, and `inverted` where it is given: fixed
    banks of images, the same for every trial, in which none has a hand. Nothing of the run is changed.
    """
    device = next(teacher.parameters()).device
    own, labels = _own(source, setting, torch.Generator(device).manual_seed(2))
    noise = _noise(HELD_OUT, setting.image, device.type == "cuda")
    out = {metrics.OUTSIDE: outside(own, setting.mean, setting.std)}
    with prior(teacher) as distance, embedded(teacher) as embeddings:
        t = logits(teacher, own)
    on_own = logits(student, own)
    out |= _followed("source", t, on_own, len(own))
    if t.shape[1] > 1:
        out[metrics.CLASS_ENTROPY], out[metrics.UNCERTAINTY] = class_entropy(t), uncertainty(t)
    out[metrics.IMAGE_DISTANCE] = image_distance(own, setting.std)
    out[metrics.EMBEDDING_DISTANCE] = embedding_distance(embeddings())
    if (far := distance()) is not None:
        out[metrics.BATCHNORM] = far
    if labels is not None:
        out[metrics.ASKED] = float((t.argmax(1) == labels.to(device)).float().mean())
    leaves = dead_leaves(HELD_OUT, setting.image, setting.mean, setting.std)
    for bank, images in {"noise": noise, "dead_leaves": leaves, "inverted": inverted}.items():
        if images is not None:
            out |= _followed(bank, _answers(teacher, bank, images), logits(student, images), len(images))
    return out | {name: metrics.own[name](own, labels, t, on_own) for name in metrics.own}


def _answers(teacher: nn.Module, bank: str, images: Tensor) -> Tensor:
    """The logits of a teacher, which nothing changes, for a bank of images: computed once where it is the same one."""
    known = _ANSWERS.setdefault(teacher, {})
    if bank not in known or known[bank][0] is not images:
        known[bank] = images, logits(teacher, images)
    return known[bank][1]


@lru_cache(maxsize=1)
def _noise(count: int, image: tuple[int, int, int], pinned: bool) -> Tensor:
    """A bank of Gaussian images, drawn on the CPU, so that it is the same on every device; `pinned` in its memory, from
    where a GPU fetches them without being waited for."""
    noise = torch.randn(count, *image, generator=torch.Generator().manual_seed(1))
    return noise.pin_memory() if pinned else noise


def _own(source: LiveSource, setting: Setting, rng: torch.Generator) -> Batch:
    """Fresh images of the source, (HELD_OUT, C, H, W), a batch at a time where they are large, and their labels."""
    most = at_a_time(*setting.image[1:])
    sizes = [min(most, HELD_OUT - start) for start in range(0, HELD_OUT, most)]
    images, labels = zip(*(source.sample(size, rng, training=False) for size in sizes))
    return Batch(torch.cat(images), None if labels[0] is None else torch.cat(labels))


def median_of_last(values: list[float], n: int = 5) -> float:
    """The median of the last `n` values: what a curve that swings from epoch to epoch has come to."""
    return float(torch.tensor(values[-n:], dtype=torch.float64).quantile(0.5))
