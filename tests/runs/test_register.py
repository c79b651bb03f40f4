"""What a file of one's own registers is found where what ships is found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from optuna.samplers import RandomSampler
from torch import nn

from dfkd_ray import datasets, metrics, nets
from dfkd_ray.cli.kinds import registry
from dfkd_ray.datasets import data_folder
from dfkd_ray.runs import measures, register
from dfkd_ray.study import parse
from dfkd_ray.tune.search import Search
from dfkd_ray.tune.stoppers import decide, ranks_for
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.registry import forget
from tests.tiny import opened, small

TASK = {
    **{"reader": "own_reader", "classes": ["a", "b"], "image": [1, 8, 8], "mean": [0.5], "std": [0.5]},
    **{"teacher": {"arch": "resnet8"}, "student": "resnet8", "hold_out": {"train": 2}},
}
STUDY = """
study: own
method: noise_kd
task: gliders
objective: {metric: val_accuracy}
search: {student_loss.kd.temperature: {log: [1, 8]}}
budget: {trials: 2}
sampler: {name: own_sampler, seed: 7}
stopper: {name: own_stopper, grace: 2}
"""


@pytest.fixture(autouse=True)
def nothing_stays() -> Iterator[None]:
    yield
    forget(__name__)


@pytest.mark.parametrize(
    ("one", "many"),
    [("source", "sources"), ("memory", "memories"), ("view", "views"), ("loss", "losses"), ("chart", "charts")],
)
def test_a_part_is_filed_with_those_of_its_kind_and_stays_what_it_is(one: str, many: str) -> None:
    class Own:
        pass

    assert getattr(register, one)("own_part")(Own) is Own
    assert registry(many)["own_part"] is Own


def build(classes: int, channels: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))


def test_a_net_with_the_stages_that_it_names() -> None:
    assert register.net("own_net")(build) is build
    register.net("own_staged", stages=["0"], head="3")(build)
    assert nets.taps_of(nets.build("own_net", 5)) == nets.Taps((), "3")
    assert nets.taps_of(nets.build("own_staged", 5, channels=1)) == nets.Taps(("0",), "3")
    assert nets.build("own_staged", 5, 1)(torch.zeros(2, 1, 8, 8)).shape == (2, 5)


def read(split: str, folder: Path) -> tuple[Any, Any]:
    """Two images of each class, drawn."""
    count = {"train": 4, "test": 2}[split]
    return np.full((count, 8, 8), 7, np.uint8), np.arange(count) % 2


def test_a_task_and_its_reader(tmp_path: Path) -> None:
    register.reader("own_reader")(read)
    register.task("own_task")(lambda: TASK)
    task = datasets.load("own_task")
    assert "own_task" in datasets.names()
    assert (task.name, task.reader, task.hold_out.train) == ("own_task", "own_reader", 2)
    assert [len(datasets.split(task, which).labels) for which in ("train", "val", "test")] == [2, 2, 2]


def test_images_are_of_a_place_only_where_one_is_named(tmp_path: Path) -> None:
    register.reader("own_reader", splits=["test"])(read)
    reader = datasets.readers["own_reader"]
    task = datasets.named.parse(yamls.Document({"name": "t", **TASK}))
    assert reader(task, data_folder()).root is None
    assert reader(task, tmp_path).root == tmp_path
    assert set(reader(task, tmp_path).parts) == {"test"}


def test_a_task_that_ships_keeps_its_name_and_one_with_mistakes_says_which() -> None:
    with pytest.raises(ValueError, match=r"^task 'gliders' ships with dfkd-ray: give yours another name$"):
        register.task("gliders")
    register.task("own_task")(lambda: {**TASK, "image": [1, 8]})
    with pytest.raises(ConfigError, match=r"^the task own_task: image: should be a list of 3"):
        datasets.load("own_task")


def test_a_sampler_proposes_and_a_stopper_stops() -> None:
    @register.sampler("own_sampler")
    @dataclass(frozen=True)
    class OwnSampler:
        seed: int = 0
        multi_objective: ClassVar[bool] = False

        def build(self, study: Any, number: int) -> Any:
            return RandomSampler(seed=self.seed + number)

    @register.stopper("own_stopper")
    @dataclass(frozen=True)
    class OwnStopper:
        grace: int = 1

        def rank(self, epoch: int, values: Any) -> float:
            return float(values[-1])

        def stops(self, values: Any, ranks: Any) -> bool:
            return bool(values[-1] < 0.5)

    study = parse(yamls.loads(STUDY))
    assert (study.sampler, study.stopper) == (OwnSampler(7), OwnStopper(2))
    drawn = Search(study).propose()
    assert drawn is not None
    assert drawn.changes == Search(study).propose().changes  # type: ignore[union-attr]
    ranks = ranks_for(study.stopper, "max")
    for epoch, value in ((1, 0.2), (2, 0.4)):
        ranks.take(0, epoch, value)
    assert decide(study.stopper, 0, ranks, 9) == 2


def test_a_metric_is_computed_has_a_row_and_may_be_selected_by() -> None:
    @register.metric("own_margin", better="max", label="Margin")
    def margin(student_logits: Any, images: Any) -> Any:
        """How sure the student is. The mean gap of the two top logits."""
        top = student_logits.topk(2, dim=1).values
        assert len(images) == len(top) == measures.HELD_OUT
        return (top[:, 0] - top[:, 1]).mean()

    row = metrics.find("own_margin")
    assert (row.label, row.about, row.better) == ("Margin", "How sure the student is.", "max")
    assert row.data_free
    assert metrics.better("own_margin") == "max"
    run = opened(small())
    found = measures.data_free(run.teacher, run.student, run.source, run.setting)
    assert isinstance(found["own_margin"], float)
    assert found["own_margin"] > 0
    with pytest.raises(ValueError, match=r"^own: no argument of a metric is called 'logits'"):
        register.metric("own", better="min")(lambda logits: 0)
