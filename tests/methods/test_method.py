from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, fields

import pytest

from dfkd_ray.methods.method import Method, Schedule, Student
from dfkd_ray.parts.optimizers import SGD, Adam, Cosine


def test_the_defaults_are_those_of_the_paper() -> None:
    schedule = Schedule()
    assert (schedule.epochs, schedule.source_steps, schedule.student_steps, schedule.batch) == (200, 20, 15, 64)
    assert Method().student.optimizer == SGD(lr=0.01, momentum=0.9, weight_decay=5e-4)
    assert Method().student.lr_schedule == Cosine()
    assert Method().source.optimizer == Adam(lr=1e-3, betas=(0.5, 0.99))


def test_a_method_has_eight_slots_and_is_inert() -> None:
    slots = ["teacher", "student", "source", "source_loss", "memory", "views", "student_loss", "schedule"]
    assert [field.name for field in fields(Method)] == slots
    assert pickle.loads(pickle.dumps(Method())) == Method()
    with pytest.raises(FrozenInstanceError):
        Method().schedule = Schedule()  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "least"), [("epochs", 1), ("rounds", 1), ("source_steps", 0), ("student_steps", 0), ("batch", 2)]
)
def test_a_schedule_has_lower_bounds(field: str, least: int) -> None:
    assert getattr(Schedule(**{field: least}), field) == least
    with pytest.raises(ValueError, match=f"{field} must be at least {least}, got {least - 1}"):
        Schedule(**{field: least - 1})


def test_a_student_begins_in_one_way() -> None:
    assert Student().init is None
    with pytest.raises(ValueError, match=r"^init xavier would overwrite the pretrained weights: one of the two$"):
        Student(pretrained=True, init="xavier")
