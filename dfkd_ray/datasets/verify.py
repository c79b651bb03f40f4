"""Whether the images of a task are there as they were published: what is missing, damaged or more, and how many.

It looks where the task's reader looks, and goes on where that would stop at the first mistake.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from PIL import UnidentifiedImageError

from dfkd_ray.datasets.image_files import MODES, Files, decode, square
from dfkd_ray.datasets.listing import folders_in, is_clutter, is_picture
from dfkd_ray.datasets.naming import Classes
from dfkd_ray.datasets.readers import WHICH, Part, accepted, channelled, opened, unread_split
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
    each. left_out: the same of those that the task's `skip_damaged` goes on without. unreadable: why a split could not
    be read. unused: what else lies in a folder of one's own.
    """

    root: Path | None
    official: dict[str, int] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
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
    """Check every file of the task's images; DataError where there is nothing.

    Where the task has some of the classes of its data, what there is of the others is neither missing nor too much.
    """
    there = opened(task, data)
    report, listed = DataReport(there.root), defaultdict[Path, set[str]](set)
    if there.root is None:
        return report
    given = data or Path(task.data or "")
    if task.origin is not None and given.suffix != ".npz":  # which is somebody's own
        report.official = task.origin.counts.stated
    if not there.root.is_dir():
        for which, part in there.parts.items():
            _counted(task, which, part, report)
        return report
    _arrays(task, there.root, report)
    whole = task.reader == "caltech101" and not task.among
    parts = {"whole": ClassFolders(task, there.root)} if whole else there.parts
    for which, part in parts.items():
        if (found := _listed(task, there.root, which, part, report)) is not None:
            listed[found.root].update(found.names)
            report.counts[which] = _readable(task, which, found, report)
    report.unused = of_task(task, data)
    report.surplus += report.unused.pictures
    for folder, own in listed.items() if task.reader != "folder" and not task.among else ():
        report.surplus += [report.path(folder / name) for name in sorted(_images(folder) - own)]
    if task.skip_damaged and report.damaged:
        _leave_out(task, data, report)
    return report


def _listed(task: Task, root: Path, which: str, part: Callable[[], Part], report: DataReport) -> Files | None:
    """The files of a split; None where it has none, or nobody can tell."""
    try:
        if isinstance(part, ClassFolders) and not part.partly:
            return Files(part.root, _by_class(part, report))
        if task.reader == "tiny_imagenet" and not task.among:
            table = root / "val" / "val_annotations.txt"
            return Files(root / "val" / "images", [line.partition("\t")[0] for _, line in lines(table)])
    except DataError as error:
        report.unreadable.append(f"{which}: {error}")
        return None
    return _counted(task, which, part, report)


def _counted(task: Task, which: str, part: Callable[[], Part], report: DataReport) -> Files | None:
    """How many images a split holds, if the task can have them; its files, if that is what they are."""
    try:
        images = accepted(task, part(), str(report.root)).images
        if not isinstance(images, Files):
            channelled(task, images, str(report.root))
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


def _readable(task: Task, which: str, files: Files, report: DataReport) -> int:
    """How many of the files are there; each is decoded, in threads, because Pillow lets go of the interpreter."""
    count, (channels, _) = 0, square(task, files.root)
    wrong_in = partial(_wrong, mode=MODES[channels], own=task.origin is None)
    with decoders() as pool, progress(f"{task.name}, {which}", len(files), "images") as tell:
        for start in range(0, len(files), _CHUNK):
            paths = [files.root / name for name in files.names[start : start + _CHUNK]]
            for path, wrong in zip(paths, pool.map(wrong_in, paths)):
                if wrong == _GONE:
                    report.missing.append(report.path(path))
                elif wrong is not None:
                    report.damaged[report.path(path)] = wrong
                count += wrong != _GONE
            tell(start + len(paths))
    return count


def _wrong(path: Path, mode: str, own: bool) -> str | None:
    """What is wrong with an image file, if anything is, to whoever reads the task's images."""
    try:
        decode(path, mode, own)
    except FileNotFoundError:
        return _GONE
    except UnidentifiedImageError:
        return "no image"
    except Exception as error:  # a damaged file raises almost anything
        return str(error) or type(error).__name__
    return None


def _leave_out(task: Task, data: Path | None, report: DataReport) -> None:
    """Tell apart the damaged files that a reader of the task goes on without: of each split no more than it allows."""
    for which in WHICH:
        try:
            (images, _), _ = unread_split(task, which, data, download=False)
        except DataError:  # which is told where the split is listed
            continue
        if isinstance(images, Files):
            own = {report.path(images.root / name) for name in images.names}
            damaged = [path for path in report.damaged if path in own]
            if len(damaged) <= task.skip_damaged:
                report.left_out |= {path: report.damaged.pop(path) for path in damaged}


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
