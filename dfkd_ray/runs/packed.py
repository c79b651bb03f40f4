"""What of trials that share a process is computed trial by trial."""

from __future__ import annotations

from torch import nn

from dfkd_ray.nets.asks import form
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.train.lockstep import batches_on
from dfkd_ray.train.run import Run


def by_turns(work: Distillation) -> str:
    """In words, of the work's own method where its runtime says; nothing where all passes are batched."""
    device = work.runtime.open()
    if not batches_on(device):
        return f"on a {device.type.upper()} they take turns, which gains nothing"
    one, other = (work.open(work.method, seed, work.runtime, device) for seed in range(2))
    if one.apart:
        return "one by one, since a loss takes the gradient of stages"
    alone = [name for name, net in _nets(one).items() if form(net) != form(_nets(other)[name])]
    return f"one by one: the network of the {' and that of the '.join(alone)}" if alone else ""


def _nets(run: Run) -> dict[str, nn.Module]:
    nets = {"student": run.student, "source": getattr(run.source, "net", None)}
    return {name: net for name, net in nets.items() if isinstance(net, nn.Module)}
