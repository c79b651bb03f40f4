"""Tasks by name: data set, classes, image size, normalisation and teacher.

Real images are read here alone: to train a teacher and to evaluate. The loop is given none of them.
"""

from __future__ import annotations

from dfkd_ray.tasks import sources, trees  # noqa: F401  they fill the registry of readers
from dfkd_ray.tasks.files import data_folder
from dfkd_ray.tasks.picture import write_grid
from dfkd_ray.tasks.readers import Split, readers, split
from dfkd_ray.tasks.task import HERE, HoldOut, Task, TeacherRef, TeachRecipe, denormalise, load, names, normalise
from dfkd_ray.tasks.teach import Epoch, teach
from dfkd_ray.tasks.weights import adopt, teacher

__all__ = [
    "HERE",
    "Epoch",
    "HoldOut",
    "Split",
    "Task",
    "TeachRecipe",
    "TeacherRef",
    "adopt",
    "data_folder",
    "denormalise",
    "load",
    "names",
    "normalise",
    "readers",
    "split",
    "teach",
    "teacher",
    "write_grid",
]
