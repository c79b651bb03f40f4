"""Jobs in step with each other in one process: rows, folder and student of each are those that it has alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from dfkd_ray.methods import config
from dfkd_ray.runs import distillation
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.runs.preparing import prepare
from dfkd_ray.tune.options import Options
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util.errors import TrialFailed
from tests.cli.commands import few_images

SMALL: dict[str, Any] = {
    "source": {"name": "generator", "latent": 16, "width": 8, "attention": {"reduction": 2}},
    "schedule": {"epochs": 2, "rounds": 1, "source_steps": 1, "student_steps": 2, "batch": 8},
}
CHANGES: list[dict[str, Any]] = [{"student_loss.kd.temperature": 2.0}, {"student.optimizer.lr": 0.05}]


@pytest.fixture(scope="module", autouse=True)
def _few_images() -> Iterator[None]:
    with few_images():
        yield


def work() -> Distillation:
    return prepare(config.change(config.load("dfkd_fgvc"), SMALL), "gliders", Options(device="cpu"))


def job(number: int, folder: Path, changes: Mapping[str, Any]) -> Job:
    own = folder / str(number)
    own.mkdir(parents=True, exist_ok=True)
    return Job(number, changes, number, str(own))


def losses(row: Row) -> dict[str, float]:
    return {name: value for name, value in row.metrics.items() if name.startswith("loss/")}


def same(row: Row, alone: Row) -> bool:
    """But for rounding."""
    facts = [(each.epoch, each.last, each.fingerprint, each.final.keys(), each.metrics.keys()) for each in (row, alone)]
    return facts[0] == facts[1] and losses(row) == pytest.approx(losses(alone), rel=1e-2, abs=1e-4)


@pytest.mark.parametrize("batches", [False, True])
def test_each_has_the_rows_the_folder_and_the_student_that_it_has_alone(
    tmp_path: Path, batches: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distillation, "batches_on", lambda device: batches)
    made = work()
    alone = [list(made.epochs(job(number, tmp_path / "alone", each))) for number, each in enumerate(CHANGES)]
    steps: list[dict[int, Any]] = []
    with closing(made.fused([job(number, tmp_path / "fused", each) for number, each in enumerate(CHANGES)])) as pack:
        while told := pack.step():
            steps.append(told)
    assert [sorted(told) for told in steps] == [[0, 1]] * 3
    assert all(isinstance(each, StopIteration) for each in steps[-1].values())
    for number, rows in enumerate(alone):
        assert all(same(told[number], row) for told, row in zip(steps, rows, strict=False))
        folders = [tmp_path / name / str(number) for name in ("fused", "alone")]
        assert len({tuple(sorted(path.name for path in folder.iterdir())) for folder in folders}) == 1
        fused, own = (load_file(folder / "student.safetensors") for folder in folders)
        for name, weight in own.items():
            # Adam's first steps are as long whatever the gradient, so rounding grows; test_lockstep has float64.
            assert torch.allclose(fused[name].float(), weight.float(), rtol=5e-2, atol=1e-2), name


def test_one_fails_one_leaves_and_goes_on_from_its_checkpoint_and_one_goes_on(tmp_path: Path) -> None:
    made = work()
    changes = [CHANGES[0], {"student.optimizer.lr": 1e30}, CHANGES[1]]
    jobs = [job(number, tmp_path, each) for number, each in enumerate(changes)]
    with closing(made.fused(jobs)) as pack:
        first = pack.step()
        assert isinstance(first[1], TrialFailed)
        pack.leave(2)
        second = pack.step()
    assert {number: row.epoch for number, row in second.items() if isinstance(row, Row)} == {0: 2}
    assert not (tmp_path / "2" / "student.safetensors").exists()
    rows = list(made.epochs(jobs[2]))
    assert [(row.epoch, row.last) for row in rows] == [(1, False), (2, True)]
    assert isinstance(first[2], Row)
    assert rows[0].metrics == first[2].metrics
