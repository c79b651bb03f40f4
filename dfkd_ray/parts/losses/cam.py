"""Class activation maps: the student finds each class where the teacher finds it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray.nets import channels_last
from dfkd_ray.parts.losses.feature_mse import meet
from dfkd_ray.parts.signals import Layout, Pass, Setting, Signals
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.util.errors import ConfigError


@terms.register("cam")
@dataclass(frozen=True)
class Cam:
    """L = mean_{b,k,i} (M^s - M^t)^2, with M = W * A: the last linear layer's weights W (K, C) as a 1x1 convolution
    without bias on the last stage A (B, C, H, W), so one map for each of the K classes.

    The first part of the multi-scale spatial activation region consistency of SpaceshipNet: Yu et al., CVPR 2023, as in
    the authors' code. Class activation maps are those of Zhou et al., "Learning Deep Features for Discriminative
    Localization", CVPR 2016, arXiv 1512.04150. The teacher's maps and both W are constants for the gradient, as in that
    code. Where sizes differ, both maps are averaged to the smaller (reconstruction). Of a wide residual network A is
    read before the last BatchNorm (see `nets.wrn`), so its maps do not add up to the logits.
    """

    def open(self, setting: Setting) -> LiveCam:
        for name, net in (("teacher", setting.teacher), ("student", setting.student)):
            check(name, net)
        return LiveCam()


class LiveCam(nn.Module):
    """A Cam for two networks that have such maps; it learns nothing."""

    def forward(self, signals: Signals) -> Tensor:
        teacher, student = meet(maps(signals.teacher).detach(), maps(signals.student))
        return signals.ranks.mean(channels_last.mse(student, teacher))


def maps(seen: Pass) -> Tensor:
    """(B, K, H, W)."""
    return F.conv2d(seen.stages[-1], seen.head.weight.detach()[:, :, None, None])


def check(name: str, net: Layout) -> None:
    """ConfigError unless the head can read the last stage."""
    if not net.stages:
        raise ConfigError.at("", f"class activation maps need stages, and those of the {name} are not known")
    if net.stages[-1][0] != net.embedding:
        channels = f"{net.stages[-1][0]} channels, its last linear layer reads {net.embedding}"
        raise ConfigError.at("", f"the {name} has no class activation maps: its last stage has {channels}")
