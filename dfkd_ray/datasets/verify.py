"""Whether the images of a task are there as they were published: what is missing, damaged or more, and how many.

It looks where the task's reader looks, and goes on where that would stop at the first mistake.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from dfkd_ray.datasets.image_files import Files
from dfkd_ray.datasets.listing import folders_in, is_clutter, is_picture
from dfkd_ray.datasets.naming import Classes
from dfkd_ray.datasets.readers import Part, opened
from dfkd_ray.datasets.task import Task
from dfkd_ray.datasets.trees import ClassFolders, lines
from dfkd_ray.datasets.unused import Unused, of_task
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.host import decoders
from dfkd_ray.util.progress import progress

_CHUNK = 256  # files at a time
_GONE = "gone"
_CLUTTER = "BACKGROUND_Google"  # Caltech101's folder that is no class
_BESIDE = {"readme.html", "file.txt~"}  # what lies in CIFAR's archives beside the batches


@dataclass
class DataReport:
    """What was found, paths as under `root` (None: there is nothing on a disk).

    counts: images that are there, by split; `whole`: of a set without splits. damaged: paths, and what is wrong with
    each. unreadable: why a split could not be read. unused: what else lies in a folder of one's own.
    """

    root: Path | None
    official: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    surplus: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    unused: Unused = field(default_factory=Unused)

    def path(self, file: Path) -> str:
        return str(file if self.root is None else file.relative_to(self.root))

    @property
    def miscounted(self) -> list[str]:
        """The splits with another number of images than the publisher's."""
        return [which for which, count in self.official.items() if self.counts.get(which, 0) != count]

    @property
    def complete(self) -> bool:
        return not (self.missing or self.damaged or self.surplus or self.unreadable or self.miscounted)


def verify(task: Task, data: Path | None = None) -> DataReport:
    """Check every file of the task's images (of all classes, where it has some); DataError where there is nothing."""
    task = replace(task, classes=task.among or task.classes, among=())
    there = opened(task, data)
    report, listed = DataReport(there.root), defaultdict[Path, set[str]](set)
    if there.root is None:
        return report
    if not there.root.is_dir():  # an .npz, somebody's own or the publisher's
        if task.origin is not None and there.root != data:
            report.official = task.origin.counts.stated
        for which, part in there.parts.items():
            _counted(which, part, report)
        return report
    if task.origin is not None:
        report.official = task.origin.counts.stated
    _arrays(task, there.root, report)
    parts = {"whole": ClassFolders(task, there.root)} if task.reader == "caltech101" else there.parts
    for which, part in parts.items():
        if (found := _listed(task, there.root, which, part, report)) is not None:
            folder, names = found
            listed[folder].update(names)
            report.counts[which] = _readable(f"{task.name}, {which}", folder, names, report)
    report.unused = of_task(task, data)
    report.surplus += report.unused.pictures
    for folder, own in listed.items() if task.reader != "folder" else ():
        report.surplus += [report.path(folder / name) for name in sorted(_images(folder) - own)]
    return report


def _listed(
    task: Task, root: Path, which: str, part: Callable[[], Part], report: DataReport
) -> tuple[Path, Sequence[str]] | None:
    """The files of a split, a folder and the names in it; None where it has none, or nobody can tell."""
    try:
        if isinstance(part, ClassFolders) and not part.partly:
            return part.root, _by_class(part, report)
        if task.reader == "tiny_imagenet":
            table = root / "val" / "val_annotations.txt"
            return root / "val" / "images", [line.partition("\t")[0] for _, line in lines(table)]
    except DataError as error:
        report.unreadable.append(f"{which}: {error}")
        return None
    images = _counted(which, part, report)
    return (images.root, images.names) if isinstance(images, Files) else None


def _counted(which: str, part: Callable[[], Part], report: DataReport) -> Files | None:
    """How many images a split holds; its files, if that is what they are."""
    try:
        images = part().images
    except DataError as error:
        report.unreadable.append(f"{which}: {error}")
        return None
    report.counts[which] = len(images)
    return images if isinstance(images, Files) else None


def _by_class(part: ClassFolders, report: DataReport) -> list[str]:
    """The images in the folders of the classes; a class without a folder is missing."""
    known = part.task.folders or part.task.classes
    classes = Classes(known, part.task.name)
    labels = {folder: classes.label(folder) for folder in sorted(folders_in(part.root))}
    lacking = [name for label, name in enumerate(known) if label not in labels.values()]
    report.missing += [f"{report.path(part.root / name)}/" for name in lacking]
    names = []
    for folder in (folder for folder, label in labels.items() if label is not None):
        place = os.path.join(folder, part.within)
        own = _images(part.root / place, deep=False)
        names += [os.path.join(place, name) for name in sorted(own)]
    return names


def _readable(title: str, folder: Path, names: Sequence[str], report: DataReport) -> int:
    """How many of the files are there; each is decoded, in threads, because Pillow lets go of the interpreter."""
    count = 0
    with decoders() as pool, progress(title, len(names), "images") as tell:
        for start in range(0, len(names), _CHUNK):
            paths = [folder / name for name in names[start : start + _CHUNK]]
            for path, wrong in zip(paths, pool.map(_wrong, paths)):
                if wrong == _GONE:
                    report.missing.append(report.path(path))
                elif wrong is not None:
                    report.damaged[report.path(path)] = wrong
                count += wrong != _GONE
            tell(start + len(paths))
    return count


def _wrong(path: Path) -> str | None:
    """What is wrong with an image file, if anything is."""
    try:
        with Image.open(path) as image:
            image.load()
    except FileNotFoundError:
        return _GONE
    except UnidentifiedImageError:
        return "no image"
    except Exception as error:  # a damaged file raises almost anything
        return str(error) or type(error).__name__
    return None


def _images(folder: Path, deep: bool = True) -> set[str]:
    """The images under a folder, without those of what is hidden or belongs to no split."""
    names: set[str] = set()
    for place, inside, files in os.walk(folder):
        inside[:] = [name for name in inside if deep and not is_clutter(name) and name != _CLUTTER]
        within = os.path.relpath(place, folder)
        own = (name for name in files if not is_clutter(name) and is_picture(os.path.join(place, name)))
        names.update(os.path.normpath(os.path.join(within, name)) for name in own)
    return names


def _arrays(task: Task, root: Path, report: DataReport) -> None:
    """The files of the sets that come as arrays: against torchvision's checksums, or the length in their headers."""
    if task.reader in ("cifar10", "cifar100"):
        from torchvision.datasets import CIFAR10, CIFAR100  # here, because importing it takes seconds

        kind = CIFAR10 if task.reader == "cifar10" else CIFAR100
        stated = dict([*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])])
        for name, md5 in stated.items():
            if not (root / name).is_file():
                report.missing.append(name)
            elif hashlib.md5((root / name).read_bytes(), usedforsecurity=False).hexdigest() != md5:
                report.damaged[name] = f"its md5 is not {md5} (stated by torchvision)"
        report.surplus += sorted({path.name for path in root.iterdir()} - {*stated} - _BESIDE)
    elif task.reader == "fashion_mnist":
        for path in sorted(root.glob("*-ubyte")):
            header = path.read_bytes()[:16]
            sizes = [int.from_bytes(header[at : at + 4]) for at in range(4, 4 + 4 * header[3], 4)] if header[3:] else []
            expected = 4 + 4 * len(sizes) + math.prod(sizes)
            if path.stat().st_size != expected:
                report.damaged[path.name] = f"has {path.stat().st_size:,} bytes and should have {expected:,}"
