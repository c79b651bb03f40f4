"""Tasks by name: data set, classes, image size, normalisation and teacher.

Real images are read here alone: to train a teacher and to evaluate. The loop is given none of them.
"""

from __future__ import annotations

from dfkd_ray.tasks import fgvc, sources, trees  # noqa: F401  they fill the registry of readers
from dfkd_ray.tasks.bare import bare, recorded
from dfkd_ray.tasks.course import Epoch
from dfkd_ray.tasks.files import data_folder
from dfkd_ray.tasks.folder import PREFIX as FOLDER
from dfkd_ray.tasks.folder import as_taught
from dfkd_ray.tasks.named import load, names
from dfkd_ray.tasks.picture import write_grid
from dfkd_ray.tasks.readers import Split, Which, readers, split
from dfkd_ray.tasks.task import HERE, HoldOut, Task, TeacherRef, TeachRecipe, denormalise, normalise
from dfkd_ray.tasks.teach import teach
from dfkd_ray.tasks.teachers import find_teacher, with_teacher
from dfkd_ray.tasks.training import Training, training
from dfkd_ray.tasks.weights import adopt, teacher

__all__ = [
    "FOLDER",
    "HERE",
    "Epoch",
    "HoldOut",
    "Split",
    "Task",
    "TeachRecipe",
    "TeacherRef",
    "Training",
    "Which",
    "adopt",
    "as_taught",
    "bare",
    "data_folder",
    "denormalise",
    "find_teacher",
    "load",
    "names",
    "normalise",
    "readers",
    "recorded",
    "split",
    "teach",
    "teacher",
    "training",
    "with_teacher",
    "write_grid",
]
