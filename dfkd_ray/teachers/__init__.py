"""Teachers: their files of weights and cards, those that are found in folders, and how one is trained."""

from __future__ import annotations

from dfkd_ray.teachers.bare import bare, recorded
from dfkd_ray.teachers.course import Epoch
from dfkd_ray.teachers.lookup import find_teacher, with_teacher
from dfkd_ray.teachers.teach import teach
from dfkd_ray.teachers.weights import adopt, teacher

__all__ = ["Epoch", "adopt", "bare", "find_teacher", "recorded", "teach", "teacher", "with_teacher"]
