"""A fixed bank of images that no trial has a hand in: inverted from the teacher alone, in a few steps.

Of a dense teacher each position is to be sure of what it names, and of a depth there is nothing to be sure of.

By what DeepInversion descends (Yin et al., CVPR 2020, arXiv:1912.08795): cross-entropy to labels in turn, the distance
to the teacher's BatchNorm statistics where it has such layers, total variation. Steps and weights are our own; how well
they rank trials: `choice` in benchmarks/RESULTS.md.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from dfkd_ray.nets.digest import digest
from dfkd_ray.nets.positions import rows
from dfkd_ray.parts.catching import catch
from dfkd_ray.parts.signals import Setting, deviation, mode, statistics

COUNT = 128  # images
STEPS, RATE, ROUGHNESS = 40, 0.1, 0.1  # of Adam, its rate, the weight of the total variation
_kept: dict[str, Tensor] = {}  # of the last teacher of this process


def inverted(teacher: nn.Module, setting: Setting, at_once: int) -> Tensor:
    """(COUNT, C, H, W), normalised, from a start that is the same for every trial; `at_once` images are descended
    together. Made once a process and teacher; nothing of the teacher is changed."""
    key = digest(teacher.state_dict())
    if key not in _kept:
        _kept.clear()
        starts = torch.randn(COUNT, *setting.image, generator=torch.Generator().manual_seed(5))
        labels = torch.arange(COUNT) % setting.classes
        parts = zip(torch.split(starts, at_once), torch.split(labels, at_once), strict=True)
        with mode(teacher, training=False), torch.enable_grad():
            _kept[key] = torch.cat([_descended(teacher, setting, *part) for part in parts])
    return _kept[key]


def _descended(teacher: nn.Module, setting: Setting, start: Tensor, labels: Tensor) -> Tensor:
    device = next(teacher.parameters()).device
    mean, std = (torch.tensor(values, device=device)[:, None, None] for values in (setting.mean, setting.std))
    images, labels = nn.Parameter(start.to(device)), labels.to(device)
    optimizer = torch.optim.Adam([images], lr=RATE)
    for _ in range(STEPS):
        caught = catch(teacher, images, norms=True)
        prior = sum((deviation(norm.layer, *statistics(norm.input)) for norm in caught.norms), images.new_zeros(()))
        rough = images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean()
        told = rows(caught.outputs)
        asked = labels if len(labels) == len(told) else told.argmax(1)
        loss = functional.cross_entropy(told, asked) + prior + ROUGHNESS * rough
        (images.grad,) = torch.autograd.grad(loss, [images])
        optimizer.step()
        images.data = torch.minimum(torch.maximum(images.data, -mean / std), (1 - mean) / std)
    return images.detach()
