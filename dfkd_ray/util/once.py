"""A value that is computed on first use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")


class once(Generic[T]):
    """As `functools.cached_property`, but without the lock that it has in Python 3.11, one for all instances: whoever
    waits for another thread while he computes would wait for ever."""

    def __init__(self, compute: Callable[[Any], T]) -> None:
        self.compute, self.__doc__ = compute, compute.__doc__

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self.name = name

    @overload
    def __get__(self, of: None, owner: type[Any]) -> once[T]: ...
    @overload
    def __get__(self, of: object, owner: type[Any]) -> T: ...
    def __get__(self, of: object | None, owner: type[Any]) -> T | once[T]:
        if of is None:
            return self
        value = of.__dict__[self.name] = self.compute(of)
        return value
