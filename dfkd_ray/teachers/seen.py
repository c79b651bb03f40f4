"""Which images a network was taught on, as its card says it, and whether those that are here are the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfkd_ray.datasets.identity import Identity, of_split
from dfkd_ray.datasets.readers import WHICH, NoSplit, opened
from dfkd_ray.datasets.task import Task
from dfkd_ray.util.errors import DataError


def seen_by(task: Task, data: Path | None = None) -> dict[str, Any]:
    """`images`, the identity of each split that is there, the `folder` (or file) that they lie in, and its `split`
    where it has none of its own.

    Nothing where they are drawn or bundled, or where there are none that can be read.
    """
    try:
        root = opened(task, data).root
        found = {} if root is None else _splits(task, data)
    except DataError:
        return {}
    if root is None or not found:
        return {}
    return {"images": found, "folder": str(root.resolve())} | ({} if task.split is None else {"split": task.split})


def _splits(task: Task, data: Path | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for which in WHICH:
        try:
            identity = of_split(task, which, data)
        except NoSplit:
            continue
        if identity is not None:
            found[which] = identity.plain
    return found


def as_taught(task: Task, card: Mapping[str, Any], data: Path | None = None) -> Task:
    """The task with the images that have no split of their own split as the card says, where the card is of these: by
    another split the test images may be some that the network was taught on."""
    split = card.get("split")
    if not isinstance(split, str) or task.split in (None, split):
        return task
    same = replace(task, split=split)
    here = seen_by(same, data)
    return same if here and (here["folder"] == card.get("folder") or here["images"] == card.get("images")) else task


def unlike(card: Mapping[str, Any], here: Mapping[str, Any]) -> str | None:
    """How the images of a card are not those that `seen_by` finds here, as the end of a sentence; None where they are
    the same, or where one of the two says nothing.

    Where there is nothing to train with here, the folder alone can tell.
    """
    there, now = card.get("images") or {}, here.get("images") or {}
    if not there or not now:
        return None
    places = card.get("folder"), here.get("folder")
    if places[0] == places[1] and "train" not in now:
        return None
    which = next((which for which in WHICH if there.get(which) != now.get(which)), None)
    if which is None:
        return None
    if places[0] == places[1] and card.get("split") != here.get("split"):
        splits = tuple(of.get("split") or "of its own" for of in (card, here))
        return f"was taught on the images of {places[1]} by the split {splits[0]}, not by {splits[1]}"
    one, two = (_said(of.get(which)) for of in (there, now))
    if places[0] == places[1]:
        return f"was taught before the images of {places[1]} changed ({which}: {one} then, {two} now)"
    return f"was taught on the images of {places[0]}, not on those of {places[1]} ({which}: {one} there, {two} here)"


def _said(plain: Mapping[str, Any] | None) -> str:
    if plain is None:
        return "none"
    return f"{Identity(**plain)}, digest {plain['digest'][:12]}"
