"""The shipped teacher stands for a student."""

from __future__ import annotations

import pytest

from dfkd_ray import datasets, teachers
from dfkd_ray.runs.students import Network


@pytest.fixture(scope="session")
def student() -> Network:
    task = datasets.load("gliders")
    return Network("resnet8", teachers.teacher(task), datasets.HERE / str(task.teacher.weights), task)
