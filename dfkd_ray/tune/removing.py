"""Moving a study out of the way: nothing is deleted, and what runs stays."""

from __future__ import annotations

from pathlib import Path

from dfkd_ray.tune.ledger import NAME, locked
from dfkd_ray.tune.standing import TRASH, named, nearest
from dfkd_ray.util import folders, store
from dfkd_ray.util.errors import StudyError


def to_trash(place: str) -> Path:
    """Move the folder of a study or a `distill` (by path, or by its name under reports/) to `trash/` beside it, and
    return where it is now.

    StudyError for what is neither, while somebody runs it, and for what lies in a store.
    """
    if store.is_uri(place):
        raise StudyError(f"{place}: what lies in a store is removed with the store's own tools")
    folder = named(place)
    if (there := folders.place(folder)) is not None and (there[0] / NAME).is_file():
        raise StudyError(f"{folder} is trial {there[1]} of a study, which counts on it: remove the study, {there[0]}")
    if not (folder / NAME).is_file():
        what = f"there is no {NAME} in it" if folder.is_dir() else f"there is no such folder{nearest(place)}"
        raise StudyError(f"{place} holds no study and no run, so it is left alone: {what}")
    if (copied := store.of(folder)) is not None:
        raise StudyError(f"{folder} is the copy of {copied.url}: delete the folder where only the copy is to go")
    trash = folder.absolute().parent / TRASH
    with locked(folder):  # nobody runs it
        trash.mkdir(exist_ok=True)
        names = [folder.absolute().name, *(f"{folder.absolute().name}.{count}" for count in range(1, 10_000))]
        target = next(trash / name for name in names if not (trash / name).exists())
        folder.absolute().rename(target)
    return target
