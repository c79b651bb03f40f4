"""What several runs in one process compute as one: passes through networks that are alike, and their gradients.

Small networks leave a GPU idle between the launches of their kernels. K networks of one shape, with weights of their
own, are one network with K times the work a launch: horizontally fused training (HFTA, Wang et al., MLSys 2021,
arXiv:2102.02344), here by `torch.func.vmap` over stacked weights. Whatever else a run does (random numbers, losses,
memories, optimisers) it does by itself, so a term, a source or a method knows nothing of this.

A run asks where it runs a network or goes down a gradient; who brings the askers together is a `Desk`, see
`train.lockstep`. Without one each asks itself, and nothing is changed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Protocol, TypeVar

from torch import Tensor, nn

from dfkd_ray.nets.asks import Ask, Computing, Descent, Gradient, Passing

T = TypeVar("T")


class Desk(Protocol):
    """Where a run asks; the answer comes when the others have asked as well."""

    def answer(self, ask: Ask) -> Any: ...


class _Own(threading.local):
    """Of this thread, which is one run's: where it asks, and whether it does now."""

    desk: Desk | None = None
    asks: bool = False


_own = _Own()


def sit(desk: Desk) -> None:
    """This thread, which is a run's, asks there from now on."""
    _own.desk = desk


@contextmanager
def asking(asks: bool = True) -> Iterator[None]:
    """Within the block this run asks; outside of it, it computes by itself."""
    before, _own.asks = _own.asks, asks
    try:
        yield
    finally:
        _own.asks = before


def in_step(steps: Iterator[T], asks: bool = True) -> Iterator[T]:
    """The steps of an iterator, in which this run asks; between two of them it is by itself."""
    while True:
        with asking(asks):
            step = list(islice(steps, 1))
        if not step:
            return
        yield step[0]


def answered(ask: Ask) -> Any:
    """The answer to what this run asks."""
    if _own.desk is None or not _own.asks:
        return ask.alone()
    return _own.desk.answer(ask)


def passed(net: nn.Module, call: Callable[..., Any], *inputs: Tensor | None) -> Any:
    """call(net, *inputs), a tensor or several by name, with networks of others that are alike where there are some.

    call: one that compares equal to theirs. Rows of what it gives are of rows of the inputs, in their order.
    """
    return answered(Passing(net, call, inputs))


def computed(call: Callable[..., Any], *inputs: Tensor) -> Any:
    """call(*inputs), a tensor or several by name, with what others compute alike; a function without state."""
    return answered(Computing(call, inputs))


def backward(loss: Tensor) -> None:
    """loss.backward(), with those of others: their passes may have been one."""
    answered(Descent(loss))


def gradient(loss: Tensor, of: Tensor) -> Tensor:
    """The gradient of a scalar, with those of others."""
    found: Tensor = answered(Gradient(loss, of))
    return found
