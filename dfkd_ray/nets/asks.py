"""What a run may ask to be computed, and how several that ask alike are computed as one: see `nets.fusing`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from types import BuiltinFunctionType, FunctionType
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap


class Ask(Protocol):
    """Something to compute: by itself, or with others of its class whose `key` is the same."""

    @property
    def key(self) -> Hashable: ...
    def alone(self) -> Any: ...


@dataclass(frozen=True, eq=False)
class Passing:
    """A pass through a network."""

    net: nn.Module
    call: Callable[..., Any]
    inputs: tuple[Tensor | None, ...]

    def alone(self) -> Any:
        return self.call(self.net, *self.inputs)

    @cached_property
    def key(self) -> Hashable:
        """Passes with the same are alike in all but the values of tensors."""
        return form(self.net), self.call, _given(self.inputs)

    @staticmethod
    def joined(asks: Sequence[Passing]) -> list[Any]:
        """The answers to several that are alike; one network in evaluation mode takes all rows at once."""
        net = asks[0].net
        if all(ask.net is net for ask in asks):
            training = any(module.training for module in net.modules())
            return [ask.alone() for ask in asks] if training else _rows_at_once(asks)
        return _nets_at_once(asks)


@dataclass(frozen=True, eq=False)
class Computing:
    """A function of tensors."""

    call: Callable[..., Any]
    inputs: tuple[Tensor, ...]

    def alone(self) -> Any:
        return self.call(*self.inputs)

    @cached_property
    def key(self) -> Hashable:
        return self.call, _given(self.inputs)

    @staticmethod
    def joined(asks: Sequence[Computing]) -> list[Any]:
        return _each(vmap(asks[0].call)(*map(torch.stack, zip(*(ask.inputs for ask in asks)))), Tensor.unbind)


@dataclass(frozen=True, eq=False)
class Descent:
    """The gradient of a loss, left at whatever learns from it."""

    loss: Tensor
    key: Hashable = None

    def alone(self) -> None:
        self.loss.backward()  # type: ignore[no-untyped-call]

    @staticmethod
    def joined(asks: Sequence[Descent]) -> list[None]:
        torch.autograd.backward([ask.loss for ask in asks])
        return [None] * len(asks)


@dataclass(frozen=True, eq=False)
class Gradient:
    """The gradient of a loss of one tensor, and of nothing else."""

    loss: Tensor
    of: Tensor
    key: Hashable = None

    def alone(self) -> Tensor:
        (found,) = torch.autograd.grad(self.loss, self.of)
        return found

    @staticmethod
    def joined(asks: Sequence[Gradient]) -> list[Tensor]:
        # the graph stays: a pass may have been that of a run whose gradient is left at its weights, too
        return [*torch.autograd.grad([a.loss for a in asks], [a.of for a in asks], retain_graph=True)]


def form(net: nn.Module) -> Hashable:
    """Equal for networks that compute the same but for their weights: classes, plain attributes and shapes.

    What cannot be compared counts as different, as do layers of a class of their own, which spectral normalisation
    makes: such networks are run one by one.
    """
    modules = tuple((name, type(module), _attributes(module)) for name, module in net.named_modules())
    tensors = (*net.named_parameters(remove_duplicate=False), *net.named_buffers(remove_duplicate=False))
    return modules, tuple((name, _kind(x)) for name, x in tensors)


def _kind(x: Tensor) -> Hashable:
    return x.shape, x.dtype, x.device, x.requires_grad


def _given(inputs: Sequence[Tensor | None]) -> Hashable:
    """Kinds of what is computed on, and what this thread computes in."""
    device = next((x.device.type for x in inputs if x is not None), "cpu")
    halved = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    amp = torch.get_autocast_dtype(device) if halved else None
    return tuple(None if x is None else _kind(x) for x in inputs), torch.is_grad_enabled(), amp


_OF_MODULES = frozenset(vars(nn.Module())) - {"training"}


def _attributes(module: nn.Module) -> Hashable:
    hooked = module._forward_hooks or module._forward_pre_hooks
    own = tuple((name, _plain(value)) for name, value in vars(module).items() if name not in _OF_MODULES)
    return own, id(module) if hooked else None


def _plain(value: Any) -> Hashable:
    if isinstance(value, (tuple, list)):
        return tuple(map(_plain, value))
    if is_dataclass(value) and type(value).__hash__ is not None:  # a frozen one
        return type(value), *(_plain(getattr(value, each.name)) for each in fields(value))
    plain = (bool, int, float, str, torch.dtype, torch.Size, FunctionType, BuiltinFunctionType, type(None))
    return value if isinstance(value, plain) else ("another", id(value))


def _rows_at_once(asks: Sequence[Passing]) -> list[Any]:
    columns = list(zip(*(ask.inputs for ask in asks)))
    found = asks[0].call(asks[0].net, *(None if column[0] is None else torch.cat(column) for column in columns))
    return _each(found, lambda x: x.chunk(len(asks)))  # inputs of one shape, so the parts are alike


def _nets_at_once(asks: Sequence[Passing]) -> list[Any]:
    nets = [ask.net for ask in asks]
    calls = _Called(nets[0], asks[0].call)
    weights, buffers = _stacked(nets, nn.Module.named_parameters), _stacked(nets, nn.Module.named_buffers)
    given = [torch.stack(column) for column in zip(*(ask.inputs for ask in asks)) if column[0] is not None]

    def one(weights: Any, buffers: Any, *given: Tensor) -> Any:
        each = iter(given)
        return functional_call(calls, (weights, buffers), tuple(x if x is None else next(each) for x in asks[0].inputs))

    found = vmap(one, randomness="different")(weights, buffers, *given)
    _keep(nets, buffers)
    return _each(found, Tensor.unbind)


def _each(found: Any, parts: Callable[[Tensor], Sequence[Tensor]]) -> list[Any]:
    """What each asker gets of what all got."""
    if isinstance(found, Tensor):
        return list(parts(found))
    if isinstance(found, Mapping):
        return [dict(zip(found, each)) for each in _each([*found.values()], parts)]
    return list(zip(*map(parts, found)))


class _Called(nn.Module):
    """A call of a network as a module, which `functional_call` can give other weights."""

    def __init__(self, net: nn.Module, call: Callable[..., Any]) -> None:
        super().__init__()
        self.net, self.call = net, call

    def forward(self, *inputs: Tensor | None) -> Any:
        return self.call(self.net, *inputs)


def _stacked(nets: Sequence[nn.Module], named: Callable[[nn.Module], Any]) -> dict[str, Tensor]:
    """By name, (K, ...) of each tensor (...) of K networks."""
    columns = zip(*(list(named(net)) for net in nets))
    return {f"net.{column[0][0]}": torch.stack([tensor for _, tensor in column]) for column in columns}


@torch.no_grad()
def _keep(nets: Sequence[nn.Module], buffers: dict[str, Tensor]) -> None:
    """What the pass has left in the buffers of the networks: running statistics, say."""
    if buffers and any(module.training for module in nets[0].modules()):
        own = [[*net.buffers()] for net in nets]
        new = zip(*(each.unbind() for each in buffers.values()))
        torch._foreach_copy_([b for each in own for b in each], [b for each in new for b in each])
