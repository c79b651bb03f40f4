"""Images whose rotation the student cannot tell: an adversary that asks its features, not its predictions."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from dfkd_ray.parts.losses.semantic_contrast import mlp
from dfkd_ray.parts.signals import Setting, Signals
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.util.errors import ConfigError


@terms.register("rotation")
@dataclass(frozen=True)
class Rotation:
    """L = -mean_{b,r} CE(h(f(x_b^r)), 4 y_b + r), for whoever makes the images: x^r is the image turned by r quarters,
    r from 0 to 3, f the student's embedding, h a head of 4 K classes, linear - ReLU - linear, scaled to length 1.

    The loss of CSD: Luo et al., "Customizing Synthetic Data for Data-Free Student Learning", ICME 2023, as in the
    authors' code; DDA (arXiv 2410.17606) has it from there. The head learns the opposite, with the features as they
    are: there from the student's images after its steps, and it is drawn anew in every round; here with the source,
    from its images and by its optimiser, for a term belongs to one phase (reconstruction).
    """

    def open(self, setting: Setting) -> LiveRotation:
        _, height, width = setting.image
        if height != width:
            raise ConfigError.at(
                "", f"an image of {height}x{width} turned by a quarter is another size: set it to null"
            )
        return LiveRotation(setting)


class LiveRotation(nn.Module):
    """A Rotation with its head."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.head = mlp(setting.student.embedding, 4 * setting.classes, layers=2)

    def forward(self, signals: Signals) -> Tensor:
        turned = torch.cat([signals.images.rot90(r, (2, 3)) for r in (1, 2, 3)])
        seen = torch.cat([signals.student.embedding, signals.student.on(turned).embedding])
        labels = torch.cat([4 * signals.labels + r for r in range(4)])
        fixed = {name: each.detach() for name, each in self.head.named_parameters()}
        fooled = F.cross_entropy(F.normalize(functional_call(self.head, fixed, (seen,))), labels)
        learned = F.cross_entropy(F.normalize(self.head(seen.detach())), labels)
        return learned - learned.detach() - fooled  # the value is the images' loss, the gradient both
