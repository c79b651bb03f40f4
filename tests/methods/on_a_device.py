"""What every shipped method promises of a device that is not the CPU: nothing of one stands on the other.

Run by test_contract_devices, in a process of its own: torch counts its devices when it first goes backward.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray.datasets import gliders
from dfkd_ray.methods import config
from dfkd_ray.nets.upsampling import UpsampledConv
from dfkd_ray.runs import evaluator, measures
from dfkd_ray.runs.checkpoint import Checkpoint
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.runs.preparing import prepare
from dfkd_ray.train.loop import distill
from dfkd_ray.train.run import Run
from dfkd_ray.train.runtime import Runtime
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.work import Job, Row
from tests.nets.test_precision import KEPT, assert_ends_are_single
from tests.pretended import Pretended, pretended
from tests.tiny import CPU, IMAGE, NAMES, flat, shrunk, toy, walked

TWO = {"schedule.epochs": 2, "schedule.rounds": 1, "schedule.source_steps": 1, "schedule.student_steps": 1}


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    with pretended(monkeypatch) as device:
        yield device


def opened(name: str, device: torch.device) -> Run:
    nets = toy(1), toy(2, dropout=0.3)
    return Run(shrunk(name, TWO), *nets, IMAGE, (0.5,) * 3, (0.25,) * 3, 0, Runtime(), device, NAMES)


def places(run: Run) -> dict[str, str]:
    """Where each tensor of a run's state is."""
    return {path: leaf.device.type for path, leaf in flat(run.state_dict()).items() if isinstance(leaf, Tensor)}


@pytest.mark.parametrize("name", config.method_names())
def test_it_trains_is_measured_and_goes_on_from_a_checkpoint(
    name: str, device: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measures, "HELD_OUT", 8)
    run = opened(name, device)
    checkpoint = Checkpoint(run, tmp_path)
    (epoch,) = walked(run, 1)
    found = measures.data_free(run.teacher, run.student, run.source, run.setting)
    checkpoint.note(1, found, "agreement/source", 1.0)
    checkpoint.save(Row(1, 1.0, found))
    again = Checkpoint(opened(name, device), tmp_path)
    assert [row.epoch for row in again.restore(device)] == [1]
    assert places(again.run) == places(run)
    (last,) = distill(again.run)
    assert set(last.losses) >= set(epoch.losses)
    assert {type(each) for each in again.run.student.parameters()} == {Pretended}


def rows(work: Distillation, folder: Path) -> list[Row]:
    job = Job(0, {}, 3, str(folder))
    return [*work.epochs(job)]


def test_a_trial_there_reports_what_one_of_the_cpu_does(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    """Its bits are those of the CPU, since no kernel of its own computes them."""
    monkeypatch.setattr(gliders, "SPLITS", {"train": (48, 1), "val": (12, 2), "test": (12, 3)})
    monkeypatch.setattr(measures, "HELD_OUT", 8)
    evaluator.real.cache_clear()
    method = config.change(config.load("dafl"), {**TWO, "schedule.batch": 8})

    def apart(self: UpsampledConv, x: Tensor) -> Tensor:  # on the CPU alone these two layers are one, in other bits
        return nn.Conv2d.forward(self, F.interpolate(x, scale_factor=2.0))

    monkeypatch.setattr(UpsampledConv, "forward", apart)
    told = rows(prepare(method, "gliders", Options(device="cpu")), tmp_path / "cpu")
    with pretended(monkeypatch) as device:
        there = rows(prepare(method, "gliders", Options(device=str(device))), tmp_path / "there")
    evaluator.real.cache_clear()
    assert [row.device for row in there] == ["pretended"] * 2
    assert [row.metrics for row in there] == [pytest.approx(row.metrics, rel=1e-4) for row in told]
    assert there[-1].final == pytest.approx(told[-1].final)


@pytest.mark.parametrize(
    "of_cpu", [lambda there: there + torch.ones(2), lambda there: torch.stack([there, torch.ones(2)])]
)
def test_devices_that_are_mixed_are_a_mistake(of_cpu: Any, device: torch.device) -> None:
    there = torch.ones(2, device=device)
    assert ((there * 2).cpu() + torch.ones(2)).tolist() == [3, 3]
    with pytest.raises(RuntimeError, match="of the CPU meets one of the device"):
        of_cpu(there)


def test_a_generator_draws_for_its_own_device_alone(device: torch.device) -> None:
    for of, onto in [(CPU, device), (device, CPU)]:
        with pytest.raises(RuntimeError, match="a generator of"):
            torch.randn(2, generator=torch.Generator(of), device=onto)


@pytest.mark.parametrize("name", KEPT)
def test_heads_and_the_ends_of_generators_compute_in_single_precision(name: str, device: torch.device) -> None:
    assert_ends_are_single(name, ["mixed"], device)
