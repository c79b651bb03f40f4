"""The class everywhere: each place of an image is one of the class that was asked for."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray.parts.losses.cam import check, maps
from dfkd_ray.parts.signals import Setting, Signals
from dfkd_ray.parts.total_loss import terms


@terms.register("class_map")
@dataclass(frozen=True)
class ClassMap:
    """L = mean_{b,i} CE(M_b(., i) + c, y_b), with M the teacher's class activation maps (see `cam`), c the biases of
    its last layer, i the places of the last stage and y the class that was asked for.

    A reconstruction of how MUSE (Tran et al., 2024, arXiv 2411.17046) uses class activation maps: its abstract says
    that they let images of a lower resolution keep features of their class, and no more could be read. The mean of M
    over the places, and c, are the logits of a network that averages: where `onehot` asks that of the whole image, this
    asks it of every part, as if a small image were cut from a large one around its object.
    """

    def open(self, setting: Setting) -> LiveClassMap:
        check("teacher", setting.teacher)
        return LiveClassMap()


class LiveClassMap(nn.Module):
    """A ClassMap for a teacher that has such maps; it learns nothing."""

    def forward(self, signals: Signals) -> Tensor:
        bias = signals.teacher.head.bias
        logits = maps(signals.teacher)
        if bias is not None:
            logits = logits + bias.detach()[:, None, None]
        labels = signals.ranks.part(signals.labels)[:, None, None].expand(-1, *logits.shape[2:])
        return signals.ranks.mean(F.cross_entropy(logits, labels))
