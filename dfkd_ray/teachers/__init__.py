"""Teachers: their files of weights and cards, those that are found in folders, and how one is trained."""

from __future__ import annotations

from dfkd_ray.teachers.bare import bare
from dfkd_ray.teachers.course import TeacherEpoch
from dfkd_ray.teachers.lookup import find_by_digest, find_teacher, taught, with_teacher
from dfkd_ray.teachers.teach import teach
from dfkd_ray.teachers.weights import adopt, teacher

__all__ = [
    "TeacherEpoch",
    "adopt",
    "bare",
    "find_by_digest",
    "find_teacher",
    "taught",
    "teach",
    "teacher",
    "with_teacher",
]
