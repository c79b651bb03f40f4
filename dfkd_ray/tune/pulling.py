"""A copy, in any folder, of a study that lies in a store."""

from __future__ import annotations

from pathlib import Path

from dfkd_ray.tune.copies import PARTS, bring_home, pull
from dfkd_ray.tune.history import read_history
from dfkd_ray.tune.packing import Students
from dfkd_ray.util import store
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.store import Store


def fetch(url: str, folder: Path, students: Students) -> int:
    """Make a folder the copy of a study in a store, with its tables, its page, and the students of these trials; how
    many files it has then. StudyError where the store holds no study."""
    if not Store(url).names(PARTS):
        raise StudyError(f"{url} holds no study to pull")
    folder.mkdir(parents=True, exist_ok=True)
    there = store.bind(folder, url)
    pull(folder, there)
    history = read_history(folder)
    best = history.best()
    wanted = {"all": list(history.trials), "best": [] if best is None else [best.number], "none": []}[students]
    for number in wanted:
        bring_home(folder, there, number)
    return sum(path.is_file() for path in folder.rglob("*"))
