"""How well a network's features serve another task: a linear probe on them, frozen.

The measure of CAE-DFKD (Zhang et al., DAC 2025, arXiv:2504.21478), whose own protocol could not be read: all of this is
a reconstruction. A probe is multinomial logistic regression on the standardised inputs of the last linear layer, with
the penalty that does best on the validation split.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from dfkd_ray import datasets
from dfkd_ray.datasets.readers import balanced
from dfkd_ray.parts.catching import catch
from dfkd_ray.parts.signals import mode
from dfkd_ray.runs import measures
from dfkd_ray.runs.students import Network
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.progress import progress

MOST = 20_000  # training images, of every class by its share
PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)  # of half the square of the weights, beside the mean cross-entropy
Z = 1.959964  # of 95 %


class Interval(NamedTuple):
    """A share or a difference of shares, and its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Probe:
    """Which test images a probe names right, (N,) bool, and the penalty that it was fitted with."""

    right: Tensor
    penalty: float


def transfer(networks: Mapping[str, Network], parts: Mapping[str, datasets.Split], device: torch.device) -> Any:
    """Plain data: of each network accuracy and interval of its probe on the test split; of the student against each
    other one the difference, by the same images.

    parts: `train`, `val` and `test` of the other task, at the size of the student's. DataError for features that are
    not finite.
    """
    train = balanced(parts["train"].labels.numpy())[:MOST]
    chosen = {**parts, "train": datasets.Split(*(each[torch.from_numpy(train)] for each in parts["train"]))}
    labels = {which: part.labels for which, part in chosen.items()}
    probes: dict[str, Probe] = {}
    for name, network in networks.items():
        network.to(device)
        seen = {which: features(network, part.images, device, name) for which, part in chosen.items()}
        probes[name] = probe(seen, labels)
    student = probes["student"].right
    return {
        "images": {which: len(each) for which, each in labels.items()},
        "accuracy": {name: share(each.right)._asdict() for name, each in probes.items()},
        "penalty": {name: each.penalty for name, each in probes.items()},
        "student_minus": {
            name: difference(student, each.right)._asdict() for name, each in probes.items() if name != "student"
        },
    }


@torch.no_grad()
def features(network: Network, images: Tensor, device: torch.device, name: str = "network") -> Tensor:
    """(N, D) float64 on the CPU: the input of the last linear layer for uint8 images (N, C, H, W)."""
    found, done = [], 0
    with mode(network.net, training=False), progress(f"the {name} looks", len(images), "images") as tell:
        for batch in torch.split(images, measures.at_a_time(*images.shape[2:])):
            x = network.prepare(batch.to(device)).to(memory_format=torch.channels_last)
            found.append(catch(network.net, x, norms=False).embedding.double().cpu())
            tell(done := done + len(batch))
    made = torch.cat(found)
    if not made.isfinite().all():
        raise DataError(f"{network.weights}: the {name}'s features are not finite: it diverged, or is damaged")
    return made


def probe(seen: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> Probe:
    """The best of the probes by the validation split; of equals the one with the larger penalty."""
    mean, std = seen["train"].mean(0), seen["train"].std(0, correction=0)
    scaled = {which: (each - mean) / torch.where(std > 0, std, 1.0) for which, each in seen.items()}
    classes = max(int(each.max()) for each in labels.values()) + 1
    best, most = Probe(torch.empty(0), math.nan), -1.0
    for penalty in reversed(PENALTIES):
        weights, bias = fit(scaled["train"], labels["train"], classes, penalty)
        right = {w: (scaled[w] @ weights + bias).argmax(1) == labels[w] for w in ("val", "test")}
        if (now := float(right["val"].double().mean())) > most:
            best, most = Probe(right["test"], penalty), now
    return best


def fit(x: Tensor, labels: Tensor, classes: int, penalty: float) -> tuple[Tensor, Tensor]:
    """Weights (D, K) and biases (K,) at the minimum of mean CE + penalty / 2 ||weights||^2, for x (N, D)."""
    weights = torch.zeros(x.shape[1], classes, dtype=x.dtype, requires_grad=True)
    bias = torch.zeros(classes, dtype=x.dtype, requires_grad=True)
    steps = torch.optim.LBFGS([weights, bias], max_iter=300, tolerance_grad=1e-7, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        steps.zero_grad()
        value = F.cross_entropy(x @ weights + bias, labels) + penalty / 2 * weights.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    steps.step(loss)  # type: ignore[no-untyped-call]
    return weights.detach(), bias.detach()


def share(right: Tensor) -> Interval:
    """The share that is right, with Wilson's interval (JASA 22, 1927)."""
    n, p = len(right), float(right.double().mean())
    middle = (p + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
    return Interval(p, max(0.0, middle - half), min(1.0, middle + half))


def difference(one: Tensor, other: Tensor) -> Interval:
    """The share of `one` minus that of `other` on the same images, with the normal interval of the pairs."""
    each = one.double() - other.double()
    half = Z * float(each.std()) / math.sqrt(len(each)) if len(each) > 1 else math.inf
    return Interval(float(each.mean()), float(each.mean()) - half, float(each.mean()) + half)
