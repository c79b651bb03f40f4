"""Ranks: processes that compute one run together, each with its own device, as if they were one.

Whatever is drawn, kept or decided is whole and alike on every rank. Only passes through networks are shared: each rank
takes its rows of the batch, and what a network yields is joined again, so a run is the same on any number of ranks, but
for rounding. Gradients follow the rule of data-parallel training: within a shared pass they are `count` times their
size, on the parameters they are averaged (`Ranks.average`), and where they leave the pass they have their size again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from dfkd_ray.nets.all_rows import OfAllRows, broad
from dfkd_ray.nets.fusing import passed

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
        mean, var = _Moments.apply(x)
        if self.count == 1:
            return mean, var
        whole = self.mean(mean)
        return whole, self.mean(var + (mean - whole).square())

    def channels(self, x: Tensor) -> Tensor:
        """The mean (C,) of each channel of x (b, C, ...), over the rows of all ranks."""
        return self.mean(x.mean(_but_channels(x)))

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

    def any(self, own: bool) -> bool:
        """Whether one of the ranks says so; asked beside the devices, so that none of them is waited for."""
        if self.count == 1:
            return own
        said = torch.tensor(int(own))
        dist.all_reduce(said, dist.ReduceOp.MAX, beside())
        return bool(said)

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
        with ALONE.together(), OfAllRows(self):
            yield


ALONE = Ranks()
_present = ALONE


@cache
def beside() -> Any:
    """The group of the same processes that talks by the CPU; all of them make it at the same time."""
    return None if dist.get_backend() == "gloo" else dist.new_group(backend="gloo")


def present() -> Ranks:
    """The ranks that are at work together now."""
    return _present


def sharing(batch: int) -> Ranks:
    """The ranks that share a batch of that size: all, where each gets as much as the others, else each has it whole."""
    return _present if batch % _present.count == 0 else ALONE


def shared(call: Callable[..., Any], *inputs: Tensor | None) -> Any:
    """call(*inputs), a tensor or several, with the rows of the inputs (B, ...) shared by the ranks at work; a network
    is run with those of runs in step."""
    first = inputs[0]
    assert first is not None
    ranks = sharing(len(first))
    with ranks.passing():
        given = (each if each is None else ranks.part(each) for each in inputs)
        found = passed(call, nn.Module.__call__, *given) if isinstance(call, nn.Module) else call(*given)
    return ranks.whole(found) if isinstance(found, Tensor) else [ranks.whole(each) for each in found]


class _Moments(torch.autograd.Function):
    """Mean and biased variance (C,) of each channel of x (b, C, ...), of this rank's rows alone.

    autograd's own backward of these passes over x eight times and copies it twice, this one passes once.
    """

    generate_vmap_rule = True  # runs in step take theirs at once

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        mean = x.mean(_but_channels(x))
        apart = x - broad(mean, x)
        return mean, apart.mul_(apart).mean(_but_channels(x))  # vmap has no rule for square_

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(inputs[0], output[0])

    @staticmethod
    def backward(ctx: Any, for_mean: Tensor, for_var: Tensor) -> Tensor:
        x, mean = ctx.saved_tensors
        count = x.numel() // x.shape[1]
        slope = 2 / count * for_var  # dvar/dx = 2 (x - mean) / count
        return torch.addcmul(broad(for_mean / count - slope * mean, x), x, broad(slope, x))


def _but_channels(x: Tensor) -> list[int]:
    return [axis for axis in range(x.dim()) if axis != 1]


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
