"""A device that is pretended: its tensors hold their values on the CPU, and mixing them with the CPU's raises as a GPU
would. No kernel is written for it: each operation is done on the CPU, and its results are of the device again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.utils import _python_dispatch as dispatch
from torch.utils import _pytree as pytree
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

NAME = "pretended"
MOVES = {torch.ops.aten.copy_.default, torch.ops.aten._to_copy.default}  # from one device to another, on purpose
INDEXED = {getattr(torch.ops.aten, name) for name in ("index", "index_put", "index_put_", "_index_put_impl_")}


KERNELS = torch.library.Library("aten", "IMPL")  # lives as long as the process
OTHERS = torch.library.Library("_", "IMPL")  # for all operations that have no kernel of their own
PRODUCTS = ("conv2d", "conv_transpose2d.input", "linear", "matmul")  # what autocast computes in half, as on a GPU


class Pretended(Tensor):
    """A tensor of the device; `held`: its values, on the CPU."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> Pretended:
        made: Pretended = Tensor._make_wrapper_subclass(
            cls,
            held.size(),
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=torch.device(NAME, 0),
            requires_grad=False,
        )
        made.held = held.detach()
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.held.__reduce_ex__(protocol)  # into a file as a GPU's tensor: its values, without the device

    def tolist(self) -> Any:
        return self.held.tolist()

    def __repr__(self) -> str:
        return f"Pretended({self.held})"


class Generator(torch.Generator):
    """One that knows for which device it is; torch has it that such a device brings its own in C++."""

    made: ClassVar[dict[int, torch.device]] = {}  # by what an operation is given in place of this object

    def __new__(cls, device: Any = "cpu") -> Generator:
        new = super().__new__(cls, "cpu")
        cls.made[new._cdata] = torch.device(device)
        return new

    @property
    def device(self) -> torch.device:
        return self.made[self._cdata]


class Everywhere(dispatch.TorchDispatchMode):
    """Sees what is done on the CPU as well: a generator of another device is a mistake there too."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return computed(func, args, kwargs or {})


def computed(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """An operation, on the CPU; RuntimeError where its inputs are not of one device."""
    leaves, shape = pytree.tree_flatten((args, kwargs))
    there = any(isinstance(each, Pretended) for each in leaves)
    if there and func not in MOVES:
        _check_inputs(func, leaves, args)
    if kwargs.get("device") is not None:
        there = torch.device(kwargs["device"]).type == NAME
    elif func is torch.ops.aten.copy_.default:
        there = isinstance(args[0], Pretended)
    for each in leaves:
        if isinstance(each, torch._C.Generator):
            of = Generator.made.get(each._cdata, each.device)
            if (of.type == NAME) != there:
                raise RuntimeError(f"{func}: a generator of {of}, on another device")
    inner = [each.held if isinstance(each, Pretended) else _on_cpu(each) for each in leaves]
    bare, named = pytree.tree_unflatten(inner, shape)
    out = func(*bare, **named)
    if not there:
        return out
    out = pytree.tree_map_only(Tensor, Pretended, out)
    return dispatch.return_and_correct_aliasing(func, args, kwargs, out)


def _check_inputs(func: Any, leaves: list[Any], args: Any) -> None:
    allowed = args[1] if func.overloadpacket in INDEXED and isinstance(args[0], Pretended) else []
    for each in leaves:
        of_cpu = isinstance(each, Tensor) and not isinstance(each, Pretended) and each.dim() > 0
        if of_cpu and not any(each is index for index in allowed):
            raise RuntimeError(f"{func}: a tensor {tuple(each.shape)} of the CPU meets one of the device")


def _on_cpu(leaf: Any) -> Any:
    return torch.device("cpu") if isinstance(leaf, torch.device) and leaf.type == NAME else leaf


def _empty(size: Any, stride: Any, dtype: Any = None, **rest: Any) -> Tensor:
    return Pretended(torch.empty_strided(size, stride, dtype=dtype))


def _copy(source: Tensor, onto: Tensor, non_blocking: bool = False) -> Tensor:
    held = [each.held if isinstance(each, Pretended) else each for each in (source, onto)]
    held[1].copy_(held[0])
    return onto


@cache
def registered() -> torch.device:
    """The device, of which torch knows one of a kind for the whole process."""
    module = SimpleNamespace(
        **{"is_available": lambda: True, "is_initialized": lambda: True, "_is_in_bad_fork": lambda: False},
        **{"manual_seed_all": lambda seed: None, "current_device": lambda: 0, "device_count": lambda: 1},
        **{"get_rng_state": lambda device: None, "set_rng_state": lambda state, device: None},
        **{"get_amp_supported_dtype": lambda: [torch.bfloat16, torch.float16]},
    )
    _setup_privateuseone_for_python_backend(NAME, backend_module=module)
    KERNELS.impl("empty_strided", _empty, "PrivateUse1")  # `torch.tensor` asks for these two behind every mode's back
    KERNELS.impl("_copy_from", _copy, "PrivateUse1")
    OTHERS.fallback(torch.library.fallthrough_kernel, "AutocastPrivateUse1")
    for name in PRODUCTS:
        KERNELS.impl(name, partial(_halved, name), "AutocastPrivateUse1")
    return torch.device(NAME, 0)


def _halved(name: str, *args: Any, **kwargs: Any) -> Any:
    """An operation as autocast has it: what is single comes as half."""
    packet, _, overload = name.partition(".")
    half = torch.get_autocast_dtype(NAME)
    key = torch._C.DispatchKeySet(torch._C.DispatchKey.AutocastPrivateUse1)
    args, kwargs = pytree.tree_map_only(Tensor, lambda x: x.to(half) if x.dtype == torch.float32 else x, (args, kwargs))
    with torch._C._ExcludeDispatchKeyGuard(key):
        return getattr(getattr(torch.ops.aten, packet), overload or "default")(*args, **kwargs)


@contextmanager
def pretended(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """The device, for as long as the block runs."""
    device, load = registered(), torch.load

    def loaded(file: Any, map_location: Any = None, **options: Any) -> Any:
        state = load(file, map_location="cpu", **options)
        onto = torch.device(map_location or "cpu")
        return pytree.tree_map_only(Tensor, lambda each: each.to(onto), state)

    monkeypatch.setattr(torch, "Generator", Generator)
    monkeypatch.setattr(torch, "load", loaded)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with Everywhere():
            yield device
    finally:
        torch.__future__.set_overwrite_module_params_on_conversion(False)
