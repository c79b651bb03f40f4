"""Data sets by name: classes, image size, normalisation, and how their images are read from the disk.

Real images are read here alone: to train a teacher and to evaluate. The loop is given none of them.
"""

from __future__ import annotations

from dfkd_ray.datasets import arrays, domainnet, fgvc, trees  # noqa: F401  they fill the registry of readers
from dfkd_ray.datasets.folder import PREFIX as FOLDER
from dfkd_ray.datasets.folder import as_trained
from dfkd_ray.datasets.image_files import data_folder
from dfkd_ray.datasets.named import load, names, spoken
from dfkd_ray.datasets.picture import write_grid
from dfkd_ray.datasets.readers import Split, SplitName, readers, split
from dfkd_ray.datasets.remote import local
from dfkd_ray.datasets.task import HERE, HoldOut, Task, TeacherRef, TeachRecipe, denormalise, normalise
from dfkd_ray.datasets.training import Training, training

__all__ = [
    "FOLDER",
    "HERE",
    "HoldOut",
    "Split",
    "SplitName",
    "Task",
    "TeachRecipe",
    "TeacherRef",
    "Training",
    "as_trained",
    "data_folder",
    "denormalise",
    "load",
    "local",
    "names",
    "normalise",
    "readers",
    "split",
    "spoken",
    "training",
    "write_grid",
]
