"""`folder:PATH`: any folder of images as a task, with a folder for each class.

PATH holds the folders of the classes, which are the test split, or `train/`, `val/`, `test/` (or some of them) with
such folders in each; without a `test/`, `val/` is the test split. Where there are test images alone there are none for
validation: nothing is chosen by images that are there to measure. `folder:PATH@96` reads them at 96 pixels in place of
224. A teacher's card goes before: with its `class_names` the folders are classes of the teacher, and its `image` is the
size where none is asked for.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dfkd_ray.datasets.naming import Classes
from dfkd_ray.datasets.readers import WHICH, Opened, missing, readers
from dfkd_ray.datasets.task import HoldOut, Task, TeacherRef, TeachRecipe
from dfkd_ray.datasets.trees import folders_in, splits
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
    there = _splits(root)
    places = [there["train"]] if "train" in there else there.values()
    classes = {each for place in places for each in folders_in(root / place)}
    if len(classes) < 2 or classes <= {*WHICH}:
        found = f"there is {', '.join(sorted(classes))}" if classes else "there is none"
        raise DataError(f"{root}: there must be a folder for each class, and at least two of them; {found}")
    crops = TeachRecipe(epochs=200, batch=64, lr=0.1, weight_decay=5e-4, augment="resized_crop_flip")
    made = Task(
        name=root.name,
        reader="folder",
        classes=tuple(sorted(classes)),
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
    )
    return _sized(made, (3, side, side))


def spoken(task: Task) -> str:
    """What a command calls a task by: its name, or `folder:PATH@SIDE`."""
    return task.name if task.reader != "folder" else f"{PREFIX}{task.data}@{task.image[1]}"


def as_trained(task: Task, names: tuple[str, ...] | None, image: tuple[int, int, int] | None, net: str) -> Task:
    """The task of a folder by the classes and the size that a net knows, None where nobody says; another as it is.

    Raises DataError for a folder of a class that the net does not know; it may know more than the folder holds.
    """
    if task.reader != "folder":
        return task
    if names is not None:
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
    """`folder:PATH`: the folders of the classes, or `train/`, `val/`, `test/` with them; not every class has to be."""
    if not data.is_dir():
        raise missing(task, data, "a folder for each class, or train/, val/ and test/ with those")
    return splits(task, data, _splits(data), partly=True)


def _splits(root: Path) -> dict[str, str]:
    """The folder of each split. One that is called `train` and holds no folder is a class of that name."""
    there: dict[str, str] = {which: which for which in WHICH if (root / which).is_dir() and folders_in(root / which)}
    if "val" in there and "test" not in there:
        there["test"] = there.pop("val")
    return there or {"test": ""}


def _parted(text: str) -> tuple[Path, int]:
    """Folder and side of `PATH` or `PATH@SIDE`."""
    whole = Path(text).expanduser()
    before, at, behind = text.rpartition("@")
    root, side = (Path(before).expanduser(), behind) if at and not whole.is_dir() else (whole, str(SIDE))
    if at and root.is_dir() and not (side.isdecimal() and 0 < int(side[:9]) <= MOST["image"]):
        raise DataError(f"{PREFIX}{text}: behind @ stands the side of the images in pixels, as in {PREFIX}{before}@96")
    if not root.is_dir():
        beside = folders_in(root.resolve().parent) if root.resolve().parent.is_dir() else set()
        near = did_you_mean(root.name, beside).partition(" (")[0]
        raise DataError(f"{PREFIX}{text}: there is no folder {root}{near}")
    return root.resolve(), int(side[:9])
