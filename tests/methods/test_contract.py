"""What every shipped method promises, at the size of a toy."""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from dfkd_ray.methods import config
from dfkd_ray.methods.method import Method
from dfkd_ray.nets.precision import Precision
from dfkd_ray.train.loop import distill
from dfkd_ray.train.run import Run
from dfkd_ray.train.runtime import Runtime
from tests.tiny import differing, flat, opened, shrunk, through_a_file, toy, walked

every_method = pytest.mark.parametrize("name", config.method_names())


def terms(name: str) -> list[str]:
    """The paths of all terms of a method that have a weight."""
    method = config.load(name)
    slots = {"source_loss": method.source_loss, "student_loss": method.student_loss}
    return [f"{slot}.{term}" for slot, loss in slots.items() for term, part in loss.parts.items() if part.weight]


every_term = pytest.mark.parametrize(
    ("name", "term"), [(name, term) for name in config.method_names() for term in terms(name)]
)


class Work(TorchDispatchMode):
    """Counts the operations of torch, backward passes included."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def work(method: Method) -> int:
    """Operations of a whole run, of one round an epoch."""
    torch.manual_seed(0)
    run = opened(config.change(method, {"schedule.rounds": 1}))
    with Work() as done:
        list(distill(run))
    return done.count


@cache
def work_of(name: str) -> int:
    return work(shrunk(name))


class Undisturbed(NamedTuple):
    """A run at its end: what its networks were at the beginning, its losses, and its state with them."""

    run: Run
    teacher: dict[str, Any]
    student: dict[str, Any]
    losses: list[dict[str, float]]
    state: dict[str, Any]


@cache
def undisturbed(name: str, precision: Precision, rounds: int) -> Undisturbed:
    """Made once for all tests of a process that hold theirs beside it; rounds: of an epoch."""
    run = opened(shrunk(name, {"schedule.rounds": rounds}), runtime=Runtime(precision=precision))
    teacher, student = (flat(net.state_dict()) for net in (run.teacher, run.student))
    losses = [dict(epoch.losses) for epoch in distill(run)]
    return Undisturbed(run, teacher, student, losses, flat({**run.state_dict(), "losses": losses}))


@every_method
@pytest.mark.parametrize("precision", ["float32", "mixed", "float16"])
def test_it_runs_and_is_finite_and_teaches_the_student_alone(name: str, precision: Precision) -> None:
    run, teacher, student, losses, _ = undisturbed(name, precision, shrunk(name).schedule.rounds)
    assert len(losses) == run.method.schedule.epochs
    assert all(abs(value) < float("inf") for each in losses for value in each.values())
    assert not differing(run.teacher.state_dict(), teacher)
    assert not any(p.requires_grad or p.grad is not None for p in run.teacher.parameters())
    moved = differing(run.student.state_dict(), student)
    assert {path for path, _ in run.student.named_parameters()} <= set(moved)
    tensors = [leaf for part in (run.student, run.source) for leaf in flat(part.state_dict()).values()]
    weights = [leaf for leaf in tensors if isinstance(leaf, Tensor) and leaf.is_floating_point()]
    assert all(bool(leaf.isfinite().all()) for leaf in weights)
    assert any(key.startswith("skipped/") for key in losses[-1]) is (precision == "float16")


@every_method
@pytest.mark.parametrize(("killed_after", "precision"), [(1, "float32"), (2, "float32"), (1, "float16")])
def test_a_run_that_was_killed_ends_in_the_same_bits(name: str, killed_after: int, precision: Precision) -> None:
    method, runtime = shrunk(name), Runtime(precision=precision)
    straight, first = undisturbed(name, precision, method.schedule.rounds), opened(method, runtime=runtime)
    before = [epoch.losses for epoch in walked(first, killed_after)]
    second = opened(method, student=toy(99, dropout=0.3), runtime=runtime)
    second.load_state_dict(through_a_file(first.state_dict()))
    after = [epoch.losses for epoch in distill(second)]
    assert not differing({**second.state_dict(), "losses": before + after}, straight.state)


@every_method
def test_a_run_that_left_in_the_middle_of_an_epoch_ends_in_the_same_bits(name: str) -> None:
    method = shrunk(name, {"schedule.rounds": 2})
    straight, first = undisturbed(name, "float32", 2), opened(method)
    before = [epoch.losses for epoch in distill(first, lambda: first.rounds == 3)]
    state = through_a_file(first.state_dict())  # before anybody else reads torch's generator
    assert (len(before), first.rounds) == (1, 3)
    second = opened(method, student=toy(99, dropout=0.3))
    second.load_state_dict(state)
    after = [epoch.losses for epoch in distill(second)]
    assert not differing({**second.state_dict(), "losses": before + after}, straight.state)


def parameters(run: Run) -> dict[str, nn.Parameter]:
    """Of the student and of what its loss learns."""
    return dict([*run.student.named_parameters(), *run.student_loss.named_parameters(prefix="student_loss")])


@every_method
def test_the_source_learns_and_moves_nothing_of_the_student(name: str) -> None:
    run = opened(shrunk(name, {"schedule.student_steps": 0}))
    before = flat(run.source.state_dict())
    held = {path: p.detach().clone() for path, p in parameters(run).items()}
    list(distill(run))
    assert not differing(parameters(run), held)
    assert all(p.grad is None for p in parameters(run).values())
    paints = run.method.source.registered_as == "diffusion"  # also without guidance
    learns = (run.source_steps > 0 or paints) and bool(before)
    assert bool(differing(run.source.state_dict(), before)) == learns


@every_term
def test_a_term_that_is_switched_off_leaves_a_method_that_runs_and_costs_less(name: str, term: str) -> None:
    assert work(shrunk(name, {term: None})) < work_of(name)
