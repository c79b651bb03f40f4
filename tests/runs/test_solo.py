"""One run as a study of one trial; `tests/cli/test_run.py` has it as its user meets it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.methods import config
from dfkd_ray.runs import solo
from dfkd_ray.runs.audience import Audience
from dfkd_ray.study.overrides import Overrides
from dfkd_ray.tune.options import Options
from dfkd_ray.util.errors import ConfigError, StudyError


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, {"runner": "serial", "threads": 0}),
        ({"threads": 2}, {"runner": "serial", "threads": 2}),
        ({"runner": "ray"}, {"runner": "ray"}),
        ({"address": "auto"}, {"address": "auto"}),
    ],
)
def test_a_run_by_itself_needs_no_ray_and_may_have_all_threads(said: dict[str, Any], expected: dict[str, Any]) -> None:
    assert solo.alone(Options(**said)).said == expected


def test_the_task_is_asked_for_by_the_teacher_that_is_said(tmp_path: Path) -> None:
    asked: list[tuple[str | None, Path | None]] = []

    def find(arch: str | None, weights: Path | None) -> str:
        asked.append((arch, weights))
        raise StudyError("enough")

    changes = {"teacher.arch": "resnet20"}
    with pytest.raises(StudyError, match="enough"):
        solo.distill("noise_kd", find, Options(weights=tmp_path), Audience(), Overrides(changes))
    assert asked == [("resnet20", tmp_path)]


def test_a_pool_and_a_source_of_ones_own_do_not_go_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^--set: source is given twice: --pool says it too$"):
        solo._from_pool(tmp_path, config.load("noise_kd"), {"source": "noise"})
