"""Runs in one process, in step with each other: what they ask at the same time is answered as one.

Each run is an iterator in a thread of its own, and one thread runs at a time: no two runs are ever at work at once,
so their order is the same each time. A run that asks waits until all others have asked, too, or are through with
their step. Then passes of networks that are alike are one (see `nets.fusing`), and gradients are taken when nobody
waits for a pass any more.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import copy_context
from functools import partial
from typing import Any, Generic, TypeVar

import torch

from dfkd_ray.nets import fusing
from dfkd_ray.nets.asks import Ask, Computing, Descent, Gradient, Passing

T = TypeVar("T")
KINDS: tuple[Any, ...] = ((Passing, Computing), Gradient, Descent)  # in the order in which they are answered
PATIENCE = 10.0  # seconds for what was interrupted to come to its end; what hangs is left behind


def batches_on(device: torch.device) -> bool:
    """Whether one pass of K small networks is faster than K passes: it is made for GPUs, which wait for launches. On a
    CPU a convolution of K groups takes longer than K convolutions, see `benchmarks/RESULTS.md`."""
    return device.type != "cpu"


class Lockstep(Generic[T]):
    """Several iterators, each in a thread of its own and one at a time, whose passes through networks are batched.

    members: what opens them, by number; each is opened in its own thread, at the first step. batches: False answers
    each by itself, so that runs share the process alone, and take turns from step to step.
    """

    def __init__(self, members: Mapping[int, Callable[[], Iterator[T]]], batches: bool = True) -> None:
        self._members = {number: _Member(opens, batches) for number, opens in members.items()}
        self.refused: dict[Any, str] = {}  # passes that cannot be batched, by their keys, and why

    def step(self) -> dict[int, T | Exception]:
        """The next item of each member, in the order of their numbers. One that ended gives StopIteration, one that
        failed what it raised; such a one is no member any more."""
        ready = [*self._members.values()]
        for member in ready:
            member.item = None
        while ready:
            for member in ready:
                member.go_on()
            ready = self._answerable([each for each in self._members.values() if each.ask is not None])
        found = {number: member.item for number, member in self._members.items()}
        self._members = {number: member for number, member in self._members.items() if not member.ended}
        for item in found.values():
            if isinstance(item, BaseException) and not isinstance(item, Exception):
                self.close()
                raise item
        return found  # type: ignore[return-value]  # all have an item: nobody waits any more

    def leave(self, member: int) -> None:
        """It is closed, and is no member any more."""
        if member in self._members:
            self._members.pop(member).close()

    def close(self) -> None:
        """All leave."""
        for member in [*self._members]:
            self.leave(member)

    def _answerable(self, waiting: Sequence[_Member[T]]) -> list[_Member[T]]:
        """Who of those that wait goes on now: for a pass, else for a gradient. The first of those whose asks are alike
        computes for them all, since what a thread computes in (autocast, gradients or none) is its own."""
        kind = next((kind for kind in KINDS if any(each.asks(kind) for each in waiting)), None)
        alike: dict[Any, list[_Member[T]]] = {}
        for each in waiting:
            if each.ask is not None and kind is not None and each.asks(kind):
                alike.setdefault((type(each.ask), each.ask.key), []).append(each)
        for group in alike.values():
            group[0].errand = partial(self._compute, group)
        return [each for group in alike.values() for each in group]

    def _compute(self, group: Sequence[_Member[T]]) -> None:
        """The answers to asks that are alike, left with those who asked; none where they cannot be one: then each
        computes its own."""
        asks: list[Any] = [each.ask for each in group]
        passing = isinstance(asks[0], KINDS[0])
        if passing and (len(asks) == 1 or asks[0].key in self.refused):
            return
        try:
            answers: list[Any] = type(asks[0]).joined(asks)
        except (RuntimeError, MemoryError) as error:
            if passing and not isinstance(error, (torch.OutOfMemoryError, MemoryError)):
                self._refuse(asks[0], str(error).partition("\n")[0])
                return
            answers = [error] * len(asks)
        for each, answer in zip(group, answers):
            each.answers.append(answer)

    def _refuse(self, ask: Passing | Computing, reason: str) -> None:
        """It is something that vmap has no rule for: said once, and computed by each from now on."""
        self.refused[ask.key] = reason
        what = type(ask.net).__name__ if isinstance(ask, Passing) else type(ask.call).__name__
        print(f"warning: {what} is run one by one, it cannot be batched: {reason}", file=sys.stderr, flush=True)


class _Member(Generic[T]):
    """One iterator in its thread, which runs between `go_on` and the next time that it waits: there it asks, or has an
    item, or has ended."""

    def __init__(self, opens: Callable[[], Iterator[T]], asks: bool) -> None:
        self.opens = opens
        self.item: T | BaseException | None = None
        self.ended = False
        self.ask: Ask | None = None
        self.errand: Callable[[], None] | None = None
        self.answers: list[Any] = []  # to what it asks: one, or none yet
        self._leaves = self._runs = False
        self._own, self._others = threading.Semaphore(0), threading.Semaphore(0)
        self._random = _random()
        run = partial(copy_context().run, self._run, asks)
        self._thread = threading.Thread(target=run, name="run", daemon=True)
        self._thread.start()

    def asks(self, kind: Any) -> bool:
        return isinstance(self.ask, kind)

    def go_on(self) -> None:
        """Let it run until it waits again."""
        before, self._runs = _random(), True
        self._own.release()
        self._others.acquire()
        self._runs = False
        _set_random(before)

    def close(self) -> None:
        """Unwind it where it waits; one that was interrupted at work does so when it next waits."""
        self._leaves = True
        if self._runs:
            self._own.release()
            self._thread.join(PATIENCE)
        elif not self.ended:
            self.go_on()
            self._thread.join()

    def answer(self, ask: Ask) -> Any:
        """Called in its thread: the answer, when it may go on."""
        self.ask = ask
        self._wait()
        errand, self.errand = self.errand, None
        if errand is not None:
            errand()
        self.ask = None
        if not self.answers:
            return ask.alone()
        found = self.answers.pop()
        if isinstance(found, BaseException):
            raise found
        return found

    def _wait(self) -> None:
        self._random = _random()
        self._others.release()
        self._begin()

    def _begin(self) -> None:
        self._own.acquire()
        _set_random(self._random)
        if self._leaves:
            raise _Left

    def _run(self, asks: bool) -> None:
        """The thread: all of the iterator."""
        if asks:
            fusing.sit(self)
        items: Any = None
        try:
            self._begin()
            items = iter(self.opens())
            while True:
                self.item = next(items)
                self._wait()
        except _Left:
            pass
        except BaseException as error:
            self.item = error
        finally:
            if items is not None and hasattr(items, "close"):
                items.close()
            self.ask, self.ended = None, True
            self._others.release()


class _Left(BaseException):
    """Unwinds a member that leaves."""


def _random() -> tuple[torch.Tensor, torch.Tensor | None]:
    """How torch's own generators stand: each member has its own."""
    return torch.get_rng_state(), torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]


def _set_random(state: tuple[torch.Tensor, torch.Tensor | None]) -> None:
    torch.set_rng_state(state[0])
    if state[1] is not None:
        torch.cuda.set_rng_state(state[1])
