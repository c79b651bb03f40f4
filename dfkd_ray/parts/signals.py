"""What a loss term may read: each tensor is computed once, on first use, or never.

A network is run at most once for a batch of images; its stage features, its penultimate embedding and the inputs of its
BatchNorm layers are caught on the way by forward hooks that are removed again. Whatever no term reads is not computed:
an objective without an adversarial term never runs the student.

A dense network's outputs (B, K, H, W) are read as rows (B H W, K), so that formulas over images are over positions.
Where a run has several ranks (`nets.sharing`), logits and embeddings are of the whole batch, on every rank. Stages and
inputs of BatchNorm, which are large, are of this rank's rows, and a term that reads them says how the ranks' values are
joined: `signals.ranks.mean` where it is a mean over images.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dfkd_ray.nets.positions import rows, targets_of
from dfkd_ray.nets.precision import single
from dfkd_ray.nets.sharing import ALONE, Ranks, sharing
from dfkd_ray.nets.taps import taps_of
from dfkd_ray.parts.catching import Caught, Norm, catch
from dfkd_ray.util.choices import Precision, Targets
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.once import once


@dataclass(frozen=True)
class Layout:
    """Shapes that one network yields for one image: of its stages (C, H, W), the length of its embedding, and the
    channels of its BatchNorm layers, in the order of the pass. kind: its class, the same for nets of one family.
    targets: what its outputs tell."""

    stages: tuple[tuple[int, int, int], ...]
    embedding: int
    norms: tuple[int, ...] = ()
    kind: str = ""
    targets: Targets = "classes"


@dataclass(frozen=True)
class Setting:
    """What a component may know when it is opened: shapes and constants, no data and no weights."""

    image: tuple[int, int, int]  # (channels, height, width)
    classes: int
    mean: tuple[float, ...]  # of the teacher's input normalisation, a value a channel
    std: tuple[float, ...]
    teacher: Layout
    student: Layout
    names: tuple[str, ...] = ()  # of the classes, where the run knows them
    precision: Precision = "float32"  # of the run: whoever takes steps in float16 scales its loss


class Pass:
    """What one forward pass of one network yields. Nothing runs before the first attribute is read.

    images: the rows (b, C, H, W) of this rank, b = B where there is one.
    """

    def __init__(self, net: nn.Module, images: Tensor, ranks: Ranks = ALONE) -> None:
        self._net, self._images, self._ranks = net, images, ranks

    @once
    def logits(self) -> Tensor:
        """(B, K), before the softmax; of a dense network (B H W, K)."""
        return self._ranks.whole(rows(self.share.outputs))

    @once
    def embedding(self) -> Tensor:
        """(B, D): the input of the network's last linear layer; of a dense network (B H W, D)."""
        return self._ranks.whole(self.share.embedding)

    @property
    def stages(self) -> tuple[Tensor, ...]:
        """The output of each stage, (b, C_j, H_j, W_j); ConfigError for a network whose stages are not known."""
        if not self.share.stages:
            raise ConfigError.at("", f"{type(self._net).__name__} has no known stages: use its embedding instead")
        return self.share.stages

    @once
    def norms(self) -> tuple[Norm, ...]:
        """The input (b, C, H, W) of every BatchNorm layer; ConfigError for a network that has none.

        They are kept during the pass only if the images need a gradient, when autograd keeps them anyway. Whoever reads
        them without one pays for a second pass, so the student's phase never holds activations that nobody reads.
        """
        caught = (self.share if self._images.requires_grad else self._run(norms=True)).norms
        if not caught:
            raise ConfigError.at("", f"{type(self._net).__name__} has no BatchNorm layer, so there is no BN prior")
        return caught

    @property
    def head(self) -> nn.Linear:
        """The network's last linear layer, from the embedding to the logits; nothing is run."""
        found = self._net.get_submodule(taps_of(self._net).head)
        assert isinstance(found, nn.Linear)
        return found

    def on(self, images: Tensor) -> Pass:
        """The same network on other images: another view of them, say."""
        return Pass(self._net, self._ranks.part(images), self._ranks)

    @property
    def ran(self) -> bool:
        """Whether the forward pass has happened (it has not before the first read)."""
        return "share" in self.__dict__

    @once
    def share(self) -> Caught:
        """Of this rank's rows."""
        return self._run(norms=self._images.requires_grad)

    def _run(self, norms: bool) -> Caught:
        with self._ranks.passing():
            return catch(self._net, self._images, norms)


class Signals:
    """A batch of images, their labels, and the two networks' lazy passes over it.

    images: (B, C, H, W) in the teacher's input space; labels: (B,) int64, or None where the source asks for no class.
    ranks: those that share this batch.
    """

    def __init__(self, images: Tensor, labels: Tensor | None, teacher: nn.Module, student: nn.Module) -> None:
        self.images = images
        self._labels = labels
        self.ranks = sharing(len(images))
        share = self.ranks.part(images)
        self.teacher = Pass(teacher, share, self.ranks)
        self.student = Pass(student, share, self.ranks)

    @property
    def labels(self) -> Tensor:
        """The class that was asked for, (B,) int64; ConfigError where the source asks for none."""
        if self._labels is None:
            raise ConfigError.at("", "this term needs labels, and the source of this method asks for none")
        return self._labels


def statistics(x: Tensor, ranks: Ranks = ALONE) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel of what a layer saw (b, C, H, W) on all `ranks`: two tensors (C,), never
    of half precision."""
    # Under autocast the input is a half: rounded statistics would drown a small deviation.
    return ranks.moments(single(x))


def deviation(layer: nn.BatchNorm2d, mean: Tensor, var: Tensor) -> Tensor:
    """A summand of the BatchNorm prior, see `distance`. ConfigError for a layer that keeps no running statistics."""
    return distance(mean, var, *running(layer))


def running(layer: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Running mean and variance (C,); ConfigError for a layer that keeps none."""
    if layer.running_mean is None or layer.running_var is None:
        raise ConfigError.at(
            "", "a BatchNorm layer of the teacher keeps no running statistics, so there is no BN prior"
        )
    return layer.running_mean, layer.running_var


def distance(mean: Tensor, var: Tensor, running_mean: Tensor, running_var: Tensor) -> Tensor:
    """||mean - running mean||_2 + ||var - running var||_2 of one layer, (C,) each: see `parts.losses.batchnorm`."""
    norm_of = torch.linalg.vector_norm
    out: Tensor = norm_of(mean - running_mean) + norm_of(var - running_var)
    return out


def layout(net: nn.Module, image: tuple[int, int, int]) -> Layout:
    """The shapes that `net` yields, found by one pass over a blank image in evaluation mode.

    ConfigError for a net that takes no image of this size.
    """
    device, kind = next(net.parameters()).device, type(net).__name__
    try:
        with torch.no_grad(), mode(net, training=False):
            caught = catch(net, torch.zeros(1, *image, device=device), norms=True)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ConfigError.at("", f"{kind} cannot be run on an image of {image}: {reason}") from None
    stages = tuple((s.shape[1], s.shape[2], s.shape[3]) for s in caught.stages)
    norms = tuple(norm.input.shape[1] for norm in caught.norms)
    return Layout(stages, caught.embedding.shape[1], norms, kind, targets_of(caught.outputs))


@contextmanager
def mode(net: nn.Module, training: bool) -> Iterator[None]:
    """Put `net` into training or evaluation mode for a block."""
    before = [(module, module.training) for module in net.modules()]
    net.train(training)
    try:
        yield
    finally:
        for module, was in before:
            module.training = was


@contextmanager
def frozen(net: nn.Module) -> Iterator[None]:
    """Take the parameters of `net` out of the graph for a block: gradients reach its input, not its weights."""
    wanted = [p for p in net.parameters() if p.requires_grad]
    for p in wanted:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in wanted:
            p.requires_grad_(True)
