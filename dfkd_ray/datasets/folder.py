"""`folder:PATH`: any folder of images as a task, laid out as people lay them out.

PATH holds the folders of the classes, or `train/`, `val/`, `test/` (or some of them, as `split_called` knows them) with
such folders in each, or a table of names and labels, which may be PATH itself. Without a `test/`, `val/` is the test
split. What has no splits is split by the task's `split`, 80/10/10 where nobody says otherwise. `folder:PATH@96` reads
the images at 96 pixels in place of 224. A teacher's card goes before: with its `class_names` the folders are classes of
the teacher, and its `image` is the size where none is asked for.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dfkd_ray.datasets import label_table, layout, shares
from dfkd_ray.datasets.listing import folders_in
from dfkd_ray.datasets.naming import Classes, split_called
from dfkd_ray.datasets.readers import Opened, missing, readers
from dfkd_ray.datasets.task import HoldOut, Task, TeacherRef, TeachRecipe
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.limits import MOST
from dfkd_ray.util.registry import did_you_mean

PREFIX = "folder:"
SIDE = 224  # where nobody says otherwise
_SMALL = 64  # up to here images are not cut, and nets have no stem that halves them twice
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's


def task(name: str) -> Task:
    """The task of `folder:PATH` or `folder:PATH@96`; DataError says what is wrong with the folder.

    Nets, cut and recipe are those of cars196, at 64 pixels and below those of tiny_imagenet; a choice.
    """
    root, side = _parted(name.removeprefix(PREFIX))
    there = layout.of(root)
    classes = there.classes
    if len(classes) < 2 or all(map(split_called, classes)):
        found = f"there is {', '.join(classes)}" if classes else "there is none"
        raise DataError(
            f"{root}: there must be a folder for each class, and at least two of them; {found} (with all images in one "
            f"folder, a table beside them, such as labels.csv, says a name and a label a line)"
        )
    crops = TeachRecipe(epochs=200, batch=64, lr=0.1, weight_decay=5e-4, augment="resized_crop_flip")
    made = Task(
        name=_name(root),
        reader="folder",
        classes=classes,
        image=(3, SIDE, SIDE),
        mean=_MEAN,
        std=_STD,
        teacher=TeacherRef("resnet34"),
        student="resnet18",
        crop=0.875,
        hold_out=HoldOut(train=0.1, test=0),
        recipe=crops,
        normalised_by="ImageNet's mean and std",
        data=str(root),
        split=shares.USUAL if there.whole else None,
    )
    return _sized(made, (3, side, side))


def spoken(task: Task) -> str | None:
    """`folder:PATH@SIDE` (the path from here where it lies below), and how that is split where it is not as usual; None
    of a task that is none of a folder, or has another name than its folder."""
    if task.reader != "folder" or task.data is None or task.name != _name(path := Path(task.data)):
        return None
    here, split = Path.cwd(), "" if task.split in (None, shares.USUAL) else f" --split {task.split}"
    return f"{PREFIX}{path.relative_to(here) if here in path.parents else path}@{task.image[1]}{split}"


def as_trained(task: Task, names: tuple[str, ...] | None, image: tuple[int, int, int] | None, net: str) -> Task:
    """The task of a folder by the classes and the size that a net knows, None where nobody says; another as it is.

    Raises DataError for a folder of a class that the net does not know; it may know more than the folder holds.
    """
    if task.reader != "folder":
        return task
    if names is not None and not task.among:
        known = Classes(names, net)
        if len(known.exact) != len(names):
            raise DataError(f"{net}: two of its classes have the same name")
        if strangers := [name for name in task.classes if known.label(name) is None]:
            raise DataError(f"{task.data}: {known.unknown(strangers)}")
        task = replace(task, classes=names)
    return _sized(task, image) if image is not None and task.image == (3, SIDE, SIDE) else task


def _sized(task: Task, image: tuple[int, int, int]) -> Task:
    """The same for images of another size; a grey one is normalised by the mean of the three channels."""
    grey = image[0] == 1
    mean, std = ((sum(_MEAN) / 3,), (sum(_STD) / 3,)) if grey else (_MEAN, _STD)
    task = replace(task, image=image, mean=mean, std=std)
    if image[1] > _SMALL:
        return task
    recipe = replace(task.recipe, augment="crop_flip")
    return replace(task, teacher=TeacherRef("cifar_resnet34"), student="cifar_resnet18", crop=1.0, recipe=recipe)


@readers.register("folder")
def _folder(task: Task, data: Path) -> Opened:
    """`folder:PATH`: class folders, splits of those, or a table of names and labels; not every class has to be."""
    if not data.exists():
        raise missing(task, data, "a folder for each class, or train/, val/ and test/ with those, or a table")
    return layout.of(data).opened(task)


def _parted(text: str) -> tuple[Path, int]:
    """Folder (or table) and side of `PATH` or `PATH@SIDE`."""
    whole = Path(text).expanduser()
    before, at, behind = text.rpartition("@")
    root, side = (Path(before).expanduser(), behind) if at and not _is_there(whole) else (whole, str(SIDE))
    if at and _is_there(root) and not (side.isdecimal() and 0 < int(side[:9]) <= MOST["image"]):
        raise DataError(f"{PREFIX}{text}: behind @ stands the side of the images in pixels, as in {PREFIX}{before}@96")
    if not _is_there(root):
        beside = folders_in(root.resolve().parent) if root.resolve().parent.is_dir() else set()
        near = did_you_mean(root.name, beside).partition(" (")[0]
        raise DataError(f"{PREFIX}{text}: there is no folder {root}{near}")
    return root.resolve(), int(side[:9])


def _name(root: Path) -> str:
    return root.stem if root.suffix.lower() in label_table.ENDINGS else root.name


def _is_there(path: Path) -> bool:
    """Whether it is a folder, or the table of one."""
    return path.is_dir() or (path.suffix.lower() in label_table.ENDINGS and path.is_file())
