"""One pass of a network, and what passes its taps on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor, nn

from dfkd_ray.nets.fusing import passed
from dfkd_ray.nets.positions import rows
from dfkd_ray.nets.precision import single
from dfkd_ray.nets.taps import taps_of


class Norm(NamedTuple):
    """One BatchNorm layer of a network and the input that it saw: (B, C, H, W)."""

    layer: nn.BatchNorm2d
    input: Tensor


class Caught(NamedTuple):
    """The tensors of one pass; outputs: (B, K) or (B, K, H, W), as the network gives them."""

    outputs: Tensor
    embedding: Tensor
    stages: tuple[Tensor, ...]
    norms: tuple[Norm, ...]


def catch(net: nn.Module, images: Tensor, norms: bool) -> Caught:
    """Run `net` on images (B, C, H, W) once and catch what passes its taps, with the BatchNorm inputs if `norms`."""
    found: dict[tuple[str, str, int], Tensor] = passed(net, Tapped(norms), images)
    modules: Mapping[str, Any] = dict(net.named_modules())
    stages = {name: x for (what, name, _), x in found.items() if what == "stage"}
    inputs = tuple(Norm(modules[name], x) for (what, name, _), x in found.items() if what == "norm")
    outputs, embedding = found["outputs", "", 0], found["embedding", "", 0]
    return Caught(outputs, embedding, tuple(stages[name] for name in taps_of(net).stages), inputs)


@dataclass(frozen=True)
class Tapped:
    """The pass itself, as `nets.fusing` takes it: tensors by what they are, the module, and in which order."""

    norms: bool

    def __call__(self, net: nn.Module, images: Tensor) -> dict[tuple[str, str, int], Tensor]:
        taps, modules, found = taps_of(net), dict(net.named_modules()), dict[tuple[str, str, int], Tensor]()

        def keep(what: str, name: str, x: Tensor) -> None:
            found[what, name, len(found)] = x

        def before(what: str, name: str) -> Any:
            return modules[name].register_forward_pre_hook(lambda module, args: keep(what, name, args[0]))

        def after(name: str) -> Any:
            return modules[name].register_forward_hook(lambda module, args, output: keep("stage", name, output))

        hooks = [after(name) for name in taps.stages]
        hooks.append(before("head", taps.head))
        if self.norms:
            hooks += [before("norm", name) for name, module in modules.items() if isinstance(module, nn.BatchNorm2d)]
        try:
            outputs = single(net(images))
        finally:
            for hook in hooks:
                hook.remove()
        (head,) = [x for (what, *_), x in found.items() if what == "head"][-1:]
        embedding = single(rows(head) if outputs.ndim == 4 else head.flatten(1))
        kept = {key: x for key, x in found.items() if key[0] != "head"}
        return kept | {("outputs", "", 0): outputs, ("embedding", "", 0): embedding}
