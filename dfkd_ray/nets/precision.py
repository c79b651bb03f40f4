"""What networks compute in: the names, the device that can, autocast, what it leaves alone, and float16's loss scale.

The halves are torch's autocast: products (convolutions, matrix products) in half, weights, optimisers and what torch
counts as delicate in float32. Beyond that, `Single` layers compute in float32: the head of a classifier, whose logits
a temperature, a difference or an argmax reads, and both ends of a generator. They are a hundredth of the work or less.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from dfkd_ray.util.choices import Precision
from dfkd_ray.util.errors import ConfigError, TrialFailed

LEAST = 2.0**-16  # of a loss scale: what overflows below it is no matter of float16
Layer = TypeVar("Layer", bound=nn.Module)


def dtype_of(precision: Precision, device: torch.device | None = None) -> torch.dtype:
    """What products are computed in; "mixed" is bfloat16, or float16 on a GPU without it."""
    if precision == "mixed":
        return torch.bfloat16 if device is None or has_bfloat16(device) else torch.float16
    out: torch.dtype = getattr(torch, precision)
    return out


def has_bfloat16(device: torch.device) -> bool:
    """Whether it computes in bfloat16 itself; GPUs before Ampere at best emulate it."""
    if device.type != "cuda":
        return True
    with torch.cuda.device(device):
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def check_precision(precision: Precision, device: torch.device, at: str = "precision") -> None:
    """ConfigError, under the path `at`, where the device does not compute in it."""
    if precision != "float32" and not torch.amp.is_autocast_available(device.type):
        raise ConfigError.at(at, f"{device} has no autocast to {precision}: take float32")
    if precision == "bfloat16" and not has_bfloat16(device):
        raise ConfigError.at(at, f"{device} does not compute in bfloat16: take float16")


def autocast(precision: Precision, device: torch.device) -> AbstractContextManager[Any]:
    """Within the block the device computes in it, as far as that is safe; weights stay float32.

    Without torch's cache of cast weights: a block may hold several steps, and the cache would keep the weights of the
    first one for all of them.
    """
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, dtype=dtype_of(precision, device), cache_enabled=False)


def single(x: Tensor) -> Tensor:
    """What autocast left in half precision in float32: losses are no matter of halves."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


@contextmanager
def unhalved(device: torch.device) -> Iterator[bool]:
    """Within the block there is no autocast; gives whether there was."""
    halved = torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type)
    with torch.autocast(device.type, enabled=False) if halved else nullcontext():
        yield halved


def product(first: Tensor, second: Tensor) -> Tensor:
    """The matrix product of two matrices in float32: of similarities, say, which a small temperature divides."""
    with unhalved(first.device):
        return single(first) @ single(second)


class Single(nn.Module):
    """Of a layer: it computes in float32 under autocast too."""

    def forward(self, input: Tensor) -> Tensor:
        with unhalved(input.device) as halved:
            return super().forward(single(input) if halved else input)  # type: ignore[no-any-return]


class SingleLinear(Single, nn.Linear):
    pass


class SingleConv2d(Single, nn.Conv2d):
    pass


def keep_single(layer: Layer) -> Layer:
    """The same layer, from now on a `Single` one, where it is linear or a convolution of torch's own class."""
    kept = {nn.Linear: SingleLinear, nn.Conv2d: SingleConv2d}.get(type(layer))
    if kept is not None:
        layer.__class__ = kept  # keeps names, weights, hooks, and what holds a reference
    return layer


class LossScaler(torch.amp.GradScaler):
    """The scale of a loss in float16, which small gradients would not survive without one (Micikevicius et al.,
    arXiv:1710.03740, section 3.2). In another precision it does nothing.

    A step whose gradients overflow is not taken, but counted, and the scale is halved; after 2000 steps in a row it is
    doubled. One for each loss: optimisers come and go, what a loss needs stays. first: the scale to begin with.
    """

    def __init__(self, precision: Precision, device: torch.device, first: float = 2.0**16) -> None:
        super().__init__(device.type, init_scale=first, enabled=dtype_of(precision, device) is torch.float16)
        self.skipped = 0  # steps

    def unscale(self, *optimizers: torch.optim.Optimizer) -> bool:
        """Give the gradients of a scaled loss their own size. False where one is not finite: then no step is taken.

        TrialFailed if that is not the scale's fault.
        """
        if not self.is_enabled():
            return True
        for optimizer in optimizers:
            self.unscale_(optimizer)
        found = [each for optimizer in optimizers for each in self._found_inf_per_device(optimizer).values()]
        finite = not any(bool(each) for each in found)
        if found:
            self.update()
        if not finite:
            self.skipped += 1
            if self.get_scale() < LEAST:
                raise TrialFailed("gradients are not finite in float16 at any loss scale: take bfloat16 or float32")
        return finite

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"skipped": self.skipped} if self.is_enabled() else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from it; a run in another precision has left none, and then it begins anew."""
        if state:
            super().load_state_dict(state)
            self.skipped = state.get("skipped", 0)
