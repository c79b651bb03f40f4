"""The shipped teacher stands for a student."""

from __future__ import annotations

import pytest

from dfkd_ray import tasks
from dfkd_ray.taught import Judged


@pytest.fixture(scope="session")
def student() -> Judged:
    task = tasks.load("gliders")
    return Judged("resnet8", tasks.teacher(task), tasks.HERE / str(task.teacher.weights), task)
