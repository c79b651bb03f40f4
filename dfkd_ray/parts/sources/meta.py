"""A meta-generator: each round's generator is its clone, and what the clone learns moves it."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from dfkd_ray.parts.optimizers import set_lr
from dfkd_ray.parts.sources.lifecycles import LiveKeep, LiveNet, lifecycles

Rule = Literal["fomaml", "reptile"]


@lifecycles.register("meta")
@dataclass(frozen=True)
class Meta:
    """A clone takes the k steps of a round, from the weights theta of a generator that lasts (FastDFKD, Fang et al.,
    AAAI 2022, arXiv:2112.06253). Then theta takes one step.

    The images are the clone's. Its optimiser is new in each round; the step of theta is one of an optimiser of the same
    kind that lasts, at `lr`. Outside of rounds the generator is the one of theta: it is what is evaluated (on new noise
    and without the k steps), what a "new" sample comes from, and what a checkpoint holds; no clone outlives its round.
    The running statistics of BatchNorm, which nothing but evaluation reads, it takes from the clone (reconstruction:
    the code of FastDFKD never evaluates its generator).

    rule: the gradient of theta. "fomaml": the sum of the clone's gradients in its k steps (first-order MAML, Finn et
        al., arXiv:1703.03400, as in the scripts for CIFAR). "reptile": `factor` times theta minus the weights of the
        clone after them (Nichol et al., arXiv:1803.02999, as in the logs for ImageNet).
    factor: read by "reptile" alone: 67 in the code for CIFAR, 1 in that for ImageNet. To Adam it is nearly the same.
    lr: rate of theta's step, the optimiser's own being the clone's; null: k times that (the code for CIFAR).
    reset_after: rounds after which the first layers of the generator, its first linear one and its first BatchNorm, get
        new weights, N(0, 0.02) and biases 0, once; null: never.
    """

    rule: Rule = "fomaml"
    factor: float = 67.0
    lr: float | None = None
    reset_after: int | None = None

    def __post_init__(self) -> None:
        if self.rule not in get_args(Rule):
            raise ValueError(f"rule must be one of {', '.join(get_args(Rule))}, got {self.rule!r}")
        if not self.factor > 0:
            raise ValueError(f"factor must be > 0, got {self.factor}")
        if self.lr is not None and not self.lr > 0:
            raise ValueError(f"lr must be > 0, got {self.lr}")
        if self.reset_after is not None and self.reset_after < 0:
            raise ValueError(f"reset_after must be at least 0 rounds, got {self.reset_after}")

    def open(self, live: LiveNet) -> LiveMeta:
        return LiveMeta(self, live)


class LiveMeta(LiveKeep):
    """Between rounds `net` and `optimizer` of the owner are those of theta, within one those of the clone."""

    def __init__(self, spec: Meta, live: LiveNet) -> None:
        self.spec, self.rounds = spec, 0
        self.net, self.optimizer = live.net, live.optimizer
        self.steps, self.factor = 0, 1.0  # of the round

    def begin(self, live: LiveNet, rng: torch.Generator, factor: float) -> None:
        self.net, self.optimizer = live.net, live.optimizer
        self.steps, self.factor = 0, factor
        if self.rounds == self.spec.reset_after:
            _reset(self.net, rng)
        self.rounds += 1
        self.optimizer.zero_grad()
        live.net = copy.deepcopy(self.net)
        live.optimizer = live.new_optimizer()

    def stepped(self, live: LiveNet) -> None:
        self.steps += 1
        if self.spec.rule == "fomaml":
            _add(self.net, [cloned.grad for cloned in live.net.parameters()])

    @torch.no_grad()
    def end(self, live: LiveNet) -> None:
        clone, k = live.net, self.steps
        if self.spec.rule == "reptile":
            pairs = zip(self.net.parameters(), clone.parameters())
            _add(self.net, [self.spec.factor * (own - cloned) for own, cloned in pairs])
        live.optimizer.zero_grad()  # also of what the source loss learns, which has had its steps
        live.net, live.optimizer = self.net, self.optimizer
        for own, cloned in zip(self.net.buffers(), clone.buffers()):
            own.copy_(cloned)
        set_lr(self.optimizer, self.factor * (self.spec.lr or k * self.optimizer.defaults["lr"]))
        self.optimizer.step()
        self.optimizer.zero_grad()

    def state_dict(self) -> dict[str, Any]:
        return {"rounds": self.rounds}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.rounds = state["rounds"]


def _add(net: nn.Module, gradients: Iterable[Tensor | None]) -> None:
    """Add one to the gradient of each parameter of `net`."""
    for parameter, more in zip(net.parameters(), gradients):
        if more is not None:
            parameter.grad = more.clone() if parameter.grad is None else parameter.grad + more


@torch.no_grad()
def _reset(net: nn.Module, rng: torch.Generator) -> None:
    """New weights for the first layers of `net`."""
    for kind in (nn.Linear, nn.BatchNorm2d):
        for layer in [module for module in net.modules() if isinstance(module, kind)][:1]:
            for parameter, deviation in ((layer.weight, 0.02), (layer.bias, 0.0)):
                if parameter is not None:
                    parameter.normal_(0.0, deviation, generator=rng)
