"""Trials in one process, in step with each other."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from dfkd_ray.methods import config
from dfkd_ray.nets import build
from dfkd_ray.nets.asks import Computing, Descent, Gradient, Passing
from dfkd_ray.nets.fusing import backward, gradient, in_step, passed
from dfkd_ray.train import lockstep
from dfkd_ray.train.lockstep import Lockstep, batches_on
from dfkd_ray.train.loop import distill
from dfkd_ray.train.run import Run
from tests.tiny import opened, shrunk

CALL = nn.Module.__call__


def counting(number: int, to: int, log: list[str]) -> Callable[[], Iterator[int]]:
    def items() -> Iterator[int]:
        try:
            for item in range(to):
                log.append(f"{number}:{item}")
                yield 10 * number + item
        finally:
            log.append(f"{number} closed")

    return items


def test_each_gives_an_item_a_step_in_the_order_of_their_numbers_until_it_ends() -> None:
    log: list[str] = []
    trials = Lockstep({1: counting(1, 1, log), 2: counting(2, 2, log)})
    assert log == []
    assert trials.step() == {1: 10, 2: 20}
    second = trials.step()
    assert isinstance(second[1], StopIteration)
    assert second[2] == 21
    assert [*trials.step()] == [2]
    assert trials.step() == {}
    assert log == ["1:0", "2:0", "1 closed", "2:1", "2 closed"]


def test_one_that_fails_is_alone_with_it() -> None:
    def fails() -> Iterator[int]:
        yield 0
        raise ValueError("no")

    trials = Lockstep({1: fails, 2: counting(2, 3, [])})
    assert trials.step() == {1: 0, 2: 20}
    found = trials.step()
    assert isinstance(found[1], ValueError)
    assert found[2] == 21
    assert trials.step() == {2: 22}
    trials.close()


def test_what_cannot_be_opened_is_told_like_what_fails() -> None:
    def cannot() -> Iterator[int]:
        raise OSError("no file")

    found = Lockstep({1: cannot, 2: counting(2, 1, [])}).step()
    assert str(found[1]) == "no file"
    assert found[2] == 20


def test_what_is_no_error_of_a_trial_ends_them_all() -> None:
    def stops() -> Iterator[int]:
        raise KeyboardInterrupt
        yield 0

    log: list[str] = []
    trials = Lockstep({1: counting(1, 3, log), 2: stops})
    with pytest.raises(KeyboardInterrupt):
        trials.step()
    assert log == ["1:0", "1 closed"]
    assert trials.step() == {}


def test_one_that_leaves_is_closed_and_the_others_go_on() -> None:
    log: list[str] = []
    before = threading.active_count()
    trials = Lockstep({1: counting(1, 3, log), 2: counting(2, 3, log)})
    trials.step()
    trials.leave(1)
    trials.leave(7)
    assert log == ["1:0", "2:0", "1 closed"]
    assert trials.step() == {2: 21}
    trials.close()
    assert log[-1] == "2 closed"
    assert trials.step() == {}
    assert threading.active_count() == before


def test_one_that_never_began_leaves_without_being_opened() -> None:
    log: list[str] = []
    Lockstep({1: counting(1, 3, log)}).close()
    assert log == []


def test_what_hangs_is_left_behind_and_unwinds_when_it_next_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockstep, "PATIENCE", 0.05)
    wakes, closed = threading.Event(), threading.Event()

    def hangs() -> Iterator[int]:
        try:
            wakes.wait()
            yield 0
        finally:
            closed.set()

    def interrupts(*given: Any) -> None:
        raise TimeoutError("hangs")

    trials = Lockstep({1: hangs})
    before = signal.signal(signal.SIGALRM, interrupts)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(TimeoutError):
            trials.step()
        trials.close()
        assert not closed.is_set()
        wakes.set()
        assert closed.wait(20)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert trials.step() == {}


Asks = Callable[[], Any]


def asking(*asks: Asks) -> Callable[[], Iterator[list[Any]]]:
    """One step in which all is asked, one after the other; its item is the answers."""

    def steps() -> Iterator[list[Any]]:
        yield [each() for each in asks]

    return lambda: in_step(steps())


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What was computed as one: of what kind, and for how many."""
    found: list[tuple[str, int]] = []
    for kind in (Passing, Computing, Gradient, Descent):

        def of_all(asks: Any, kind: Any = kind, before: Any = kind.joined) -> Any:
            found.append((kind.__name__, len(asks)))
            return before(asks)

        monkeypatch.setattr(kind, "joined", staticmethod(of_all))
    return found


def line(weight: float) -> nn.Linear:
    net = nn.Linear(2, 1, bias=False)
    nn.init.constant_(net.weight, weight)
    return net


ONES = torch.ones(3, 2)


def test_who_asks_alike_is_answered_as_one_and_each_with_its_own(joined: list[tuple[str, int]]) -> None:
    nets = {1: line(1.0), 2: line(2.0), 3: line(3.0)}
    found = Lockstep({number: asking(partial(passed, net, CALL, ONES)) for number, net in nets.items()}).step()
    assert {number: item[0].flatten().tolist() for number, item in found.items()} == {  # type: ignore[index]
        1: [2.0] * 3,
        2: [4.0] * 3,
        3: [6.0] * 3,
    }
    assert joined == [("Passing", 3)]


def test_others_are_answered_by_themselves_and_nobody_waits_for_ever(joined: list[tuple[str, int]]) -> None:
    wide = nn.Linear(2, 4, bias=False)
    once, twice = [partial(passed, line(1.0), CALL, ONES)], [partial(passed, wide, CALL, ONES)] * 2
    found = Lockstep({1: asking(*once), 2: asking(*twice), 3: asking()}).step()
    assert {number: len(item) for number, item in found.items()} == {1: 1, 2: 2, 3: 0}  # type: ignore[arg-type]
    assert joined == []


def test_gradients_wait_for_the_passes_of_others(joined: list[tuple[str, int]]) -> None:
    nets = {1: line(1.0), 2: line(2.0)}

    def trial(number: int, passes: int) -> Iterator[float]:
        for _ in range(passes):
            out = passed(nets[number], CALL, ONES)
        backward(number * out.sum())
        yield nets[number].weight.grad[0, 0].item()  # type: ignore[index]

    def opens(number: int, passes: int) -> Iterator[float]:
        return in_step(trial(number, passes))

    found = Lockstep({1: partial(opens, 1, 1), 2: partial(opens, 2, 3)}).step()
    assert found == {1: 3.0, 2: 6.0}
    assert joined == [("Passing", 2), ("Descent", 2)]


def test_a_trial_that_needs_no_gradient_holds_nobody_up(joined: list[tuple[str, int]]) -> None:
    net = line(1.0)
    first = asking(lambda: backward(passed(net, CALL, ONES).sum()))
    second = asking(partial(passed, line(2.0), CALL, ONES))
    Lockstep({1: first, 2: second}).step()
    assert net.weight.grad is not None
    assert net.weight.grad.tolist() == [[3.0, 3.0]]
    assert joined == [("Passing", 2), ("Descent", 1)]


def test_both_kinds_of_gradients_of_one_pass() -> None:
    nets = {1: line(1.0), 2: line(2.0)}
    x = torch.ones(3, 2, requires_grad=True)
    y = torch.ones(3, 2, requires_grad=True)
    left = asking(lambda: gradient(passed(nets[1], CALL, x).sum(), x))
    down = asking(lambda: backward(passed(nets[2], CALL, y).sum()))
    found = Lockstep({1: left, 2: down}).step()
    assert found[1][0].tolist() == [[1.0, 1.0]] * 3  # type: ignore[index]
    assert y.grad is not None
    assert y.grad.tolist() == [[2.0, 2.0]] * 3
    assert nets[1].weight.grad is None or not nets[1].weight.grad.any()


class Picky(nn.Module):
    """What no batched network can do: it decides by a value."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.weight if self.weight.item() > 1 else -x


def test_what_cannot_be_batched_is_tried_once_and_computed_by_each(
    joined: list[tuple[str, int]], capsys: pytest.CaptureFixture[str]
) -> None:
    trials = Lockstep({n: asking(*[partial(passed, Picky(float(n)), CALL, ONES)] * 2) for n in (1, 2)})
    found = trials.step()
    assert [each[0, 0].item() for each in (*found[1], *found[2])] == [-1.0, -1.0, 2.0, 2.0]  # type: ignore[misc]
    assert joined == [("Passing", 2)]
    assert len(trials.refused) == 1
    assert ".item()" in next(iter(trials.refused.values()))
    assert capsys.readouterr().err.startswith("warning: Picky is run one by one, it cannot be batched: ")


def test_an_error_of_what_is_computed_as_one_reaches_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(asks: Any) -> Any:
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(Passing, "joined", staticmethod(none_left))
    found = Lockstep({n: asking(partial(passed, line(1.0), CALL, ONES)) for n in (1, 2)}).step()
    assert [type(each) for each in found.values()] == [torch.OutOfMemoryError] * 2


def test_without_batches_each_is_answered_at_once(joined: list[tuple[str, int]]) -> None:
    trials = {n: asking(partial(passed, line(1.0), CALL, ONES)) for n in (1, 2)}
    assert len(Lockstep(trials, batches=False).step()) == 2
    assert joined == []


def test_passes_are_batched_on_a_gpu_and_not_on_a_cpu() -> None:
    assert not batches_on(torch.device("cpu"))
    assert batches_on(torch.device("cuda"))


VALUE: ContextVar[str] = ContextVar("value", default="none")


def test_each_has_random_numbers_and_a_context_of_its_own() -> None:
    def draws(seed: int) -> Iterator[Any]:
        torch.manual_seed(seed)
        for _ in range(2):
            passed(line(1.0), CALL, ONES)  # here the others draw
            yield torch.rand(()).item(), VALUE.get()

    def alone(seed: int) -> list[float]:
        return [item[0] for item in draws(seed)]

    expected = [alone(1), alone(2)]
    VALUE.set("ours")
    torch.manual_seed(5)
    after = torch.rand(2)[1].item()
    torch.manual_seed(5)
    torch.rand(())
    trials = Lockstep({n: lambda n=n: in_step(draws(n)) for n in (1, 2)})  # type: ignore[misc]
    steps = [trials.step(), trials.step()]
    trials.close()
    assert [[step[n][0] for step in steps] for n in (1, 2)] == expected  # type: ignore[index]
    assert steps[0][1][1] == "ours"  # type: ignore[index]
    assert torch.rand(()).item() == after  # those of whoever steps are as they were


def student(seed: int) -> nn.Module:
    torch.manual_seed(seed)
    return build("resnet8", 5)


def of_method(name: str, number: int, teacher: nn.Module) -> Run:
    """A run with a seed, a student and a rate of its own."""
    changes: Mapping[str, Any] = {"schedule.epochs": 2, "student.optimizer.lr": 0.02 * number}
    return opened(shrunk(name, changes), seed=number, teacher=teacher, student=student(10 + number))


APART = {"fsc", "spaceshipnet"}


@pytest.mark.parametrize("name", config.method_names())
def test_every_method_has_the_losses_that_it_has_alone(name: str, joined: list[tuple[str, int]]) -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        teacher = student(1)
        alone = {n: list(distill(of_method(name, n, teacher))) for n in (1, 2)}
        runs = {n: of_method(name, n, teacher) for n in (1, 2)}
        assert {run.apart for run in runs.values()} == {name in APART}
        if name in APART:
            return
        trials = Lockstep({n: lambda run=run: in_step(distill(run)) for n, run in runs.items()})  # type: ignore[misc]
        steps = [trials.step() for _ in alone[1]]
        trials.close()
    finally:
        torch.set_default_dtype(before)
    for number in (1, 2):
        for epoch, step in zip(alone[number], steps, strict=True):
            found = step[number]
            assert not isinstance(found, Exception)
            assert epoch.number == found.number
            assert epoch.losses == pytest.approx(found.losses, rel=1e-9, abs=1e-9)
    assert {"Passing", "Descent"} <= {kind for kind, _ in joined}
    assert trials.refused == {}
