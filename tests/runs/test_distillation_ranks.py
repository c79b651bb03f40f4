"""A job that several processes share: the rows, the folder and the student are those of one, but for rounding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from dfkd_ray.methods import config
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.runs.preparing import prepare
from dfkd_ray.tune.accidents import Accident
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util import leaving
from dfkd_ray.util.errors import ConfigError

CHANGES: dict[str, Any] = {
    "source": {"name": "generator", "latent": 16, "width": 8, "attention": {"reduction": 2}},
    "schedule": {"epochs": 2, "rounds": 1, "source_steps": 1, "student_steps": 2, "batch": 8},
}


def work() -> Distillation:
    method = config.change(config.load("dfkd_fgvc"), CHANGES)
    return prepare(method, "gliders", Options(device="cpu"))


def job(folder: Path, ranks: int) -> Job:
    return Job(0, {}, 3, str(folder), ranks=ranks)


def losses(row: Row) -> dict[str, float]:
    return {name: value for name, value in row.metrics.items() if name.startswith("loss/")}


@pytest.mark.slow
def test_two_ranks_leave_what_one_process_leaves_and_go_on_where_they_were_left(tmp_path: Path) -> None:
    alone = list(work().epochs(job(tmp_path / "alone", 1)))
    begun = work().epochs(job(tmp_path / "two", 2))
    first = next(begun)
    begun.close()  # as a stopper does, or whoever kills the trial
    again = list(work().epochs(job(tmp_path / "two", 2)))
    assert [row.epoch for row in again] == [1, 2]
    assert replace(again[0], picture=None) == replace(first, picture=None)
    for row, one in zip(again, alone):
        assert row.last is one.last
        assert losses(row) == pytest.approx(losses(one), rel=1e-2)
        assert row.final.keys() == one.final.keys()
        assert row.fingerprint == one.fingerprint
        assert (row.device, one.device) == ("2 x cpu", "cpu")
    names = [sorted(path.name for path in (tmp_path / which).iterdir()) for which in ("alone", "two")]
    assert names[0] == names[1]
    students = [load_file(tmp_path / which / "student.safetensors") for which in ("alone", "two")]
    for name, value in students[0].items():
        torch.testing.assert_close(students[1][name], value, rtol=1e-2, atol=1e-2, msg=name)


@pytest.mark.slow
def test_two_ranks_that_are_told_to_leave_save_in_the_middle_of_an_epoch(tmp_path: Path) -> None:
    long = {**CHANGES, "schedule": {**CHANGES["schedule"], "rounds": 12}}
    there = replace(work(), method=config.change(config.load("dfkd_fgvc"), long))
    begun = there.epochs(job(tmp_path, 2))
    first = next(begun)
    leaving.tell("SIGTERM")
    try:
        with pytest.raises(Accident, match=r"^told to leave, and has saved a checkpoint: SIGTERM$"):
            next(begun)
    finally:
        leaving.forget()
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["run"].get("within"), "it was in the middle"
    again = list(there.epochs(job(tmp_path, 2)))
    assert [row.epoch for row in again] == [1, 2]
    assert losses(again[0]) == losses(first)


def test_a_batch_that_cannot_be_shared_is_refused_before_a_process_starts(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^schedule\.batch: 8 images cannot be shared by 3 GPUs: take 6 or 9$"):
        next(work().epochs(job(tmp_path, 3)))
