"""Ranks: processes that compute one run together, each with its own device, as if they were one.

Whatever is drawn, kept or decided is whole and alike on every rank. Only passes through networks are shared: each rank
takes its rows of the batch, and what a network yields is joined again, so a run is the same on any number of ranks, but
for rounding. Gradients follow the rule of data-parallel training: within a shared pass they are `count` times their
size, on the parameters they are averaged (`Ranks.average`), and where they leave the pass they have their size again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """So many ranks, of which this process is the one with the number `own`; one rank alone changes nothing.

    The process group of `torch.distributed` is theirs: see `train.processes`.
    """

    count: int = 1
    own: int = 0

    def part(self, x: Tensor) -> Tensor:
        """This rank's rows of x (B, ...), which is alike on all ranks: (B / count, ...)."""
        return x if self.count == 1 else _applied(_Part, x, self)

    def whole(self, x: Tensor) -> Tensor:
        """The rows (b, ...) of all ranks, on each of them: (b count, ...)."""
        return x if self.count == 1 else _applied(_Whole, x, self)

    def mean(self, x: Tensor) -> Tensor:
        """The mean over the ranks of x, which has one shape on all of them."""
        return x if self.count == 1 else _applied(_Mean, x, self)

    def moments(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and biased variance (C,) of each channel of x (b, C, ...), over the rows of all ranks.

        The mean of squared deviations is several times faster than `var` of a permuted copy and exact to rounding.
        """
        mean = self.channels(x)
        return mean, self.channels((x - _broad(mean, x)).square())

    def channels(self, x: Tensor) -> Tensor:
        """The mean (C,) of each channel of x (b, C, ...), over the rows of all ranks."""
        return self.mean(x.mean([axis for axis in range(x.dim()) if axis != 1]))

    @torch.no_grad()
    def average(self, gradients: Iterable[Tensor]) -> None:
        """Each gradient becomes its mean over the ranks, in place: one message for all of them."""
        found = list(gradients) if self.count > 1 else []
        if found:
            joined = _averaged(torch.cat([each.reshape(-1) for each in found]), self)
            for each, mean in zip(found, torch.split(joined, [each.numel() for each in found])):
                each.copy_(mean.view(each.shape))

    @torch.no_grad()
    def agree(self, tensors: Iterable[Tensor]) -> bool:
        """Whether they are alike on all ranks, by their sums."""
        if self.count == 1:
            return True
        sums = torch.stack([each.double().sum() for each in tensors]).nan_to_num()
        return bool((self.whole(sums[None]) == sums).all())

    def wait(self) -> None:
        """Until all ranks are here."""
        if self.count > 1:
            dist.barrier()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Within the block all ranks do the same, and share what can be shared."""
        global _present
        before, _present = _present, self
        try:
            yield
        finally:
            _present = before

    def each(self, steps: Iterator[T]) -> Iterator[T]:
        """The steps of an iterator, which all ranks compute together; between two of them a rank is on its own."""
        while True:
            with self.together():
                step = list(islice(steps, 1))
            if not step:
                return
            yield step[0]

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Within the block networks are run on this rank's rows: BatchNorm sees those of all ranks, and dropout draws
        for all of them."""
        if self.count == 1:
            yield
            return
        with ALONE.together(), _OfAllRows(self):
            yield


ALONE = Ranks()
_present = ALONE


def present() -> Ranks:
    """The ranks that are at work together now."""
    return _present


def sharing(batch: int) -> Ranks:
    """The ranks that share a batch of that size: all, where each gets as much as the others, else each has it whole."""
    return _present if batch % _present.count == 0 else ALONE


def shared(call: Callable[..., Any], *inputs: Tensor | None) -> Any:
    """call(*inputs), a tensor or several, with the rows of the inputs (B, ...) shared by the ranks at work."""
    first = inputs[0]
    assert first is not None
    ranks = sharing(len(first))
    with ranks.passing():
        found = call(*(each if each is None else ranks.part(each) for each in inputs))
    return ranks.whole(found) if isinstance(found, Tensor) else [ranks.whole(each) for each in found]


def _applied(function: type[torch.autograd.Function], x: Tensor, ranks: Ranks) -> Tensor:
    out: Tensor = function.apply(x, ranks)
    return out


class _Part(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        return x.chunk(ranks.count)[ranks.own].clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.ranks.whole(gradient) / ctx.ranks.count, None


class _Whole(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)  # as it lies in memory, it is sent
        rows = (x.permute(0, 2, 3, 1) if last else x).contiguous()
        out = rows.new_empty((ranks.count * len(rows), *rows.shape[1:]))
        dist.all_gather(list(out.chunk(ranks.count)), rows)
        return out.permute(0, 3, 1, 2) if last else out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.ranks.part(gradient) * ctx.ranks.count, None


class _Mean(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, ranks: Ranks) -> Tensor:
        ctx.ranks = ranks
        return _averaged(x.clone(memory_format=torch.contiguous_format), ranks)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.ranks.mean(gradient), None


def _averaged(x: Tensor, ranks: Ranks) -> Tensor:
    """The mean over the ranks, in the place of x, which is contiguous."""
    dist.all_reduce(x)
    return x.div_(ranks.count)


class _OfAllRows(TorchFunctionMode):
    """What a network in training mode does with a batch as a whole, it does with the rows of all ranks."""

    def __init__(self, ranks: Ranks) -> None:
        super().__init__()
        self.ranks = ranks

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        if func is F.batch_norm:
            return _batch_norm(self.ranks, *args, **(kwargs or {}))
        if func in _DROPOUTS:
            return _dropout(self.ranks, func, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


_DROPOUTS = {F.dropout, F.dropout1d, F.dropout2d, F.dropout3d}


def _batch_norm(
    ranks: Ranks,
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`F.batch_norm`, whose names these are, with the statistics of all rows."""
    if not training:
        return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    x = input.to(torch.promote_types(input.dtype, torch.float32))
    mean = ranks.channels(x)
    centred = x - _broad(mean, x)  # once, since autograd keeps it
    var = ranks.channels(centred.square())
    count = ranks.count * x.numel() // x.shape[1]
    with torch.no_grad():
        for running, new in ((running_mean, mean), (running_var, var * (count / max(count - 1, 1)))):
            if running is not None:
                running.lerp_(new.to(running.dtype), momentum)
    scale = (var + eps).rsqrt() if weight is None else (var + eps).rsqrt() * weight
    out = centred * _broad(scale, x)
    return (out if bias is None else out + _broad(bias, x)).to(input.dtype)


def _dropout(
    ranks: Ranks, draw: Any, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`draw` of all rows, of which this rank takes its own: so the numbers are those of one process."""
    if not training:
        return input
    kept: Tensor = draw(input.new_ones((ranks.count * len(input), *input.shape[1:])), p, True, False)
    return input * kept.chunk(ranks.count)[ranks.own]


def _broad(channels: Tensor, x: Tensor) -> Tensor:
    """(C,) as it joins x (B, C, ...)."""
    return channels.view(-1, *(1 for _ in x.shape[2:]))
