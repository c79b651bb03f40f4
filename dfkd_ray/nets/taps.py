"""Where to read a network: the names of its stages and of its head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from torch import nn

from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.registry import did_you_mean

Net = TypeVar("Net", bound=nn.Module)


@dataclass(frozen=True)
class Taps:
    """Names as in `named_modules()`.

    stages: modules whose *outputs* are the stage features, (B, C, H, W), from the input to the head.
    head: the final `nn.Linear`; its *input* is the penultimate embedding, (B, D), its output the logits. Of a dense
        network the last 1x1 convolution, from (B, D, H, W).
    """

    stages: tuple[str, ...]
    head: str


def attach_taps(model: Net, taps: Taps) -> Net:
    """Write `taps` on the model as a plain attribute (kept by deepcopy and pickle, absent from the state_dict)."""
    setattr(model, "taps", taps)  # noqa: B010  a Module's attributes are typed as tensors and modules only
    return model


def taps_of(model: nn.Module) -> Taps:
    """The taps that the model's builder set; for a foreign model no stages, and the last `nn.Linear` as head.

    Raises ConfigError when a tap names no module of the model, or when there is no `nn.Linear` at all.
    """
    modules = dict(model.named_modules())
    taps = getattr(model, "taps", None)
    if not isinstance(taps, Taps):
        linears = [name for name, module in modules.items() if isinstance(module, nn.Linear)]
        if not linears:
            raise ConfigError.at(
                "", f"{type(model).__name__} has no nn.Linear to read the embedding from; set its taps"
            )
        return Taps(stages=(), head=linears[-1])
    for name in (*taps.stages, taps.head):
        if name not in modules:
            known = [each for each in modules if each]
            raise ConfigError.at("", f"{type(model).__name__}.taps: unknown module {name!r}{did_you_mean(name, known)}")
    return taps
