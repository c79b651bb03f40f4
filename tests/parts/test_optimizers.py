from __future__ import annotations

import math
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dfkd_ray.nets.precision import LossScaler, Precision
from dfkd_ray.parts.optimizers import SGD, Adam, Constant, Cosine, Step, descend, lr_schedules, optimizers, set_lr

shares = st.floats(0, 1)


@pytest.mark.parametrize("name", list(optimizers))
def test_every_optimizer_has_a_rate_and_moves_what_it_is_given(name: str) -> None:
    spec = optimizers[name]()
    assert pickle.loads(pickle.dumps(spec)) == spec
    weight = nn.Parameter(torch.ones(3))
    optimizer = spec.open(iter([weight]))
    weight.square().sum().backward()
    optimizer.step()
    assert spec.lr > 0
    assert bool((weight < 1).all())


@pytest.mark.parametrize("name", list(lr_schedules))
@given(progress=shares)
def test_every_schedule_is_a_finite_factor(name: str, progress: float) -> None:
    assert 0 <= lr_schedules[name]()(progress) <= 1


def test_what_is_written_is_what_torch_gets() -> None:
    weight = nn.Parameter(torch.ones(3))
    sgd = SGD(lr=0.5, momentum=0.25, weight_decay=0.125, nesterov=True).open([weight]).param_groups[0]
    assert [sgd[key] for key in ("lr", "momentum", "weight_decay", "nesterov")] == [0.5, 0.25, 0.125, True]
    adam = Adam(lr=0.5, betas=(0.25, 0.75), weight_decay=0.125).open([weight]).param_groups[0]
    assert [adam[key] for key in ("lr", "betas", "weight_decay")] == [0.5, (0.25, 0.75), 0.125]


def test_the_cosine_is_torchs_over_the_whole_run() -> None:
    steps = 40
    optimizer = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=1.0)
    reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps, eta_min=0.25)
    for done in range(steps + 1):
        assert Cosine(final=0.25)(done / steps) == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()


@given(shares, st.floats(0.01, 0.9))
def test_a_warm_up_rises_linearly_and_then_falls(progress: float, warmup: float) -> None:
    factor = Cosine(warmup=warmup)(progress)
    if progress < warmup:
        assert factor == pytest.approx(progress / warmup)
    else:
        assert factor == pytest.approx(math.cos(math.pi / 2 * (progress - warmup) / (1 - warmup)) ** 2, abs=1e-12)


def test_the_ends_of_every_schedule() -> None:
    assert [schedule(1.0) for schedule in (Constant(), Cosine(), Step())] == pytest.approx([1.0, 0.0, 0.01])
    assert [schedule(0.0) for schedule in (Constant(), Cosine(), Step(), Cosine(warmup=0.1))] == [1.0, 1.0, 1.0, 0.0]
    assert [Step(at=(0.25, 0.5), factor=0.5)(p) for p in (0.2, 0.25, 0.49, 0.5)] == [1.0, 0.5, 0.5, 0.25]
    assert [Step(at=(0.5,), warmup=0.2)(p) for p in (0.0, 0.05, 0.1, 0.2, 0.4)] == [0.0, 0.25, 0.5, 1.0, 1.0]


def test_every_group_gets_the_rate() -> None:
    groups = [{"params": [nn.Parameter(torch.ones(1))], "lr": lr} for lr in (0.1, 0.2)]
    optimizer = torch.optim.SGD(groups)
    set_lr(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("cls", "fields", "message"),
    [
        (SGD, {"lr": 0}, "lr must be > 0, got 0"),
        (SGD, {"lr": float("nan")}, "lr must be > 0, got nan"),
        (SGD, {"momentum": 1.0}, r"momentum must be in \[0, 1\), got 1.0"),
        (SGD, {"weight_decay": -1}, "weight_decay must be >= 0, got -1"),
        (SGD, {"momentum": 0.0, "nesterov": True}, "nesterov needs a momentum > 0"),
        (Adam, {"lr": -1}, "lr must be > 0, got -1"),
        (Adam, {"betas": (0.5, 1.0)}, r"betas must be in \[0, 1\), got 1.0"),
        (Adam, {"weight_decay": -1}, "weight_decay must be >= 0, got -1"),
        (Cosine, {"warmup": 1.0}, r"warmup is a share of the run in \[0, 1\), got 1.0"),
        (Cosine, {"final": -0.5}, "final must be >= 0, got -0.5"),
        (Step, {"factor": 0}, "factor must be > 0, got 0"),
        (Step, {"warmup": 1.0}, r"warmup must be in \[0, 1\), got 1.0"),
    ],
)
def test_a_value_out_of_range_is_refused(cls: Any, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cls(**fields)


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_a_step_goes_down_a_gradient_that_is_clipped_in_its_own_size(precision: Precision) -> None:
    """Slopes 3 and 4 have the norm 5; what steps beside is not clipped."""
    weights, other = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(()))
    scaler, seen = LossScaler(precision, torch.device("cpu")), []
    loss = (weights * torch.tensor([3.0, 4.0])).sum() + 7 * other
    optimizer, beside = torch.optim.SGD([weights], lr=1.0), torch.optim.SGD([other], lr=1.0)
    descend(optimizer, loss, scaler, 1.0, lambda: seen.append(weights.tolist()), [beside])
    assert weights.tolist() == pytest.approx([-0.6, -0.8], abs=1e-6)
    assert (seen, other.item()) == ([[0.0, 0.0]], -7.0)


@pytest.mark.parametrize("over", [0, 1])
def test_a_step_of_which_a_part_overflows_is_not_taken_by_anyone(over: int) -> None:
    weights = [nn.Parameter(torch.ones(())) for _ in range(2)]
    optimizers = [Adam(lr=1.0).open([weight]) for weight in weights]
    scaler, seen = LossScaler("float16", torch.device("cpu")), []
    loss = weights[over].half().float() * 1e3 + weights[1 - over]
    for skipped in (1, 2):
        descend(optimizers[0], loss, scaler, None, lambda: seen.append(None), optimizers[1:])
        loss = weights[over].half().float() * 1e3 + weights[1 - over]
        assert ([weight.item() for weight in weights], seen, scaler.skipped) == ([1.0, 1.0], [], skipped)
        assert not any(optimizer.state for optimizer in optimizers)


def test_where_nothing_can_be_learned_no_step_is_taken() -> None:
    weight = nn.Parameter(torch.ones(()))
    scaler = LossScaler("float16", torch.device("cpu"))
    descend(SGD().open([weight]), torch.ones(()), scaler)
    assert (weight.item(), scaler.skipped) == (1.0, 0)


class OnGpu(torch.Tensor):
    """A number that has to be asked for."""

    def cpu(self) -> torch.Tensor:  # type: ignore[override]
        return torch.tensor(7.0)


def test_the_count_of_adams_steps_stays_on_the_cpu_after_a_resume() -> None:
    """A checkpoint is loaded onto the device, where each step would wait for it."""
    weight = nn.Parameter(torch.ones(2))
    adam = Adam().open([weight])
    weight.sum().backward()
    adam.step()
    state = adam.state_dict()
    state["state"][0]["step"] = torch.Tensor._make_subclass(OnGpu, torch.tensor(1.0))
    adam.load_state_dict(state)
    (kept,) = [each["step"] for each in adam.state.values()]
    assert type(kept) is torch.Tensor
    assert kept.item() == 7
