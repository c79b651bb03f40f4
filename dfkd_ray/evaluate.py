"""How good a student is: on real images, and without any."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dfkd_ray.signals import mode
from dfkd_ray.slots import Supply

HELD_OUT = 256  # synthetic images of each bank
BATCH = 256
DATA_FREE = ("agreement/source", "kl/source", "agreement/noise", "kl/noise", "diversity")


@torch.no_grad()
def logits(net: nn.Module, images: Tensor) -> Tensor:
    """(N, K) of `net` in evaluation mode for images (N, C, H, W) in its input space, on its device."""
    device = next(net.parameters()).device
    with mode(net, training=False):
        parts = [net(batch.to(device, memory_format=torch.channels_last)) for batch in torch.split(images, BATCH)]
    return torch.cat(parts).float()


def accuracy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images (N, C, H, W) whose highest logit is their label's, in [0, 1]."""
    return float((logits(net, images).argmax(1).cpu() == labels.cpu()).float().mean())


def faithfulness(teacher: Tensor, student: Tensor) -> tuple[float, float]:
    """Agreement of the two top classes (share) and mean KL(teacher || student) in nats, from logits (N, K)."""
    agree = float((teacher.argmax(1) == student.argmax(1)).float().mean())
    t, s = teacher.log_softmax(1), student.log_softmax(1)
    return agree, float((t.exp() * (t - s)).sum(1).mean())


def diversity(teacher: Tensor) -> float:
    """Entropy of the teacher's mean prediction over log K, in [0, 1]: 1 where all classes are synthesised alike."""
    p = teacher.softmax(1).mean(0)
    entropy = float(-(p * p.clamp_min(1e-12).log()).sum())
    return entropy / float(torch.tensor(float(len(p))).log())


def data_free(teacher: nn.Module, student: nn.Module, supply: Supply, image: tuple[int, int, int]) -> dict[str, float]:
    """Metrics that need no real image, on images that the student never trains on.

    `source`: fresh images of the run's own source, from noise that is the same in every epoch. `noise`: a fixed bank
    of Gaussian images, the same for every trial. Nothing of the run is changed.
    """
    device = next(teacher.parameters()).device
    own = supply.sample(HELD_OUT, torch.Generator(device).manual_seed(2), training=False).images
    # the bank is drawn on the CPU, so that it is the same on every device
    noise = torch.randn(HELD_OUT, *image, generator=torch.Generator().manual_seed(1))
    out: dict[str, float] = {}
    for name, images in {"source": own, "noise": noise}.items():
        t, s = logits(teacher, images), logits(student, images)
        out[f"agreement/{name}"], out[f"kl/{name}"] = faithfulness(t, s)
        if name == "source":
            out["diversity"] = diversity(t)
    return out


def median_of_last(values: list[float], n: int = 5) -> float:
    """The median of the last `n` values: what a curve that swings from epoch to epoch has come to."""
    return float(torch.tensor(values[-n:], dtype=torch.float64).quantile(0.5))
