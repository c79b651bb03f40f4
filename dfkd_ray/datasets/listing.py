"""What lies in a folder: which of it are pictures, and which is what systems and archivers leave behind.

A picture is a file with the ending of one, or whatever its ending one that Pillow knows by its first bytes. Links to
folders are followed, as torchvision's ImageFolder follows them, but for those to a folder that they lie in.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from PIL import Image

from dfkd_ray.util.errors import DataError

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
_CLUTTER = {"__macosx", "thumbs.db", "desktop.ini", "@eadir", "lost+found", "$recycle.bin", "system volume information"}
_NO_PIXELS = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}  # that Pillow names, and without help cannot draw
_HEADER = 32  # bytes that tell Pillow's formats apart


def is_clutter(name: str) -> bool:
    """Whether a file or folder is hidden, or is one that no person has made: `__MACOSX`, `Thumbs.db` and the like."""
    return name.startswith(".") or name.casefold() in _CLUTTER


def is_picture(path: str | Path) -> bool:
    """Whether a file says that it is a picture, sound or damaged."""
    return str(path).lower().endswith(ENDINGS) or _opens(path)


def _opens(path: str | Path) -> bool:
    """Whether Pillow knows a file by its content; one without the marks of any format is never opened whole, but for
    those of the few formats that have none, such as TGA, by their endings."""
    try:
        with open(path, "rb") as file:
            header = file.read(_HEADER)
        if not (str(path).lower().endswith(_unmarked()) or any(accept(header) for accept in _accepting())):
            return False
        with Image.open(path) as image:
            return image.format not in _NO_PIXELS
    except Exception:  # a file that is no picture raises almost anything
        return False


@cache
def _accepting() -> list[Image._Accept]:  # type: ignore[name-defined]
    """Pillow's tests of the first bytes; formats without one: see `_unmarked`."""
    Image.init()
    return [accept for name, (_, accept) in Image.OPEN.items() if accept is not None and name not in _NO_PIXELS]


@cache
def _unmarked() -> tuple[str, ...]:
    """The endings of the formats that Pillow has no test of the first bytes for."""
    known = Image.registered_extensions().items()
    return tuple(ending for ending, name in known if name in Image.OPEN and Image.OPEN[name][1] is None)


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, without clutter; DataError where it cannot be read."""
    try:
        with os.scandir(folder) as found:
            return [entry for entry in found if not is_clutter(entry.name)]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error}") from None


def is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is one, or a link to one; a link that comes back to itself leads nowhere, as one to nothing does."""
    try:
        return entry.is_dir()
    except OSError:
        return False


def folders_in(root: Path) -> set[str]:
    return {entry.name for entry in entries(root) if is_folder(entry)}


def leads_up(folder: Path) -> bool:
    """Whether it is a link to a folder that it lies in, by whichever links one came: to follow it has no end."""
    if not folder.is_symlink():
        return False
    target = folder.resolve()
    return any(place.resolve().is_relative_to(target) for place in folder.absolute().parents)


def pictures_in(folder: Path, deep: bool = False) -> list[str]:
    """The pictures of a folder by name, sorted; deep: those in the folders within too, `within/name`, at the end."""
    here = entries(folder)
    names = sorted(entry.name for entry in here if not is_folder(entry) and is_picture(entry.path))
    if deep:
        for within in sorted(entry.name for entry in here if is_folder(entry) and not leads_up(Path(entry.path))):
            names += [f"{within}/{name}" for name in pictures_in(folder / within, deep)]
    return names


def holds_pictures(folder: Path, deep: bool = False) -> bool:
    """Whether there is one, without a look at all the others."""
    here = entries(folder)
    if any(not is_folder(entry) and is_picture(entry.path) for entry in here):
        return True
    inside = [folder / entry.name for entry in here if is_folder(entry)]
    return deep and any(holds_pictures(each, deep) for each in inside if not leads_up(each))
