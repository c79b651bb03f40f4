"""The plug-ins that a study was run with, for whoever looks at it later: its own charts and metrics are in them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from dfkd_ray.runs import plugins
from dfkd_ray.util.errors import ConfigError


def recall(folder: Path, given: Iterable[str], say: Callable[[str], None]) -> None:
    """Load the plug-ins of the study in a folder, where they are there and what they were; `say` of each other that it
    is left out, and why. One that is `given` was loaded as it is, and stands for that of its name."""
    known = plugins.modules(given)
    digests = _digests(folder)
    for place in plugins.recorded(folder):
        for name in plugins.modules([place]):
            if name not in known and (why := _lacking(place, name, digests.get(name))):
                say(f"{folder}: without its plug-in {name}, and the charts of it: {why}; --plugin FILE loads one")


def _digests(folder: Path) -> dict[str, str]:
    """Module -> its digest in the newest session that had it."""
    own = [each for record in plugins.sessions(folder) for each in record.get("provenance", {}).get("plugins", ())]
    return {each["name"]: each["digest"] for each in own}


def _lacking(place: str, name: str, was: str | None) -> str:
    """Why a plug-in is not loaded; empty where it is."""
    try:
        plugins.load([place])
    except ConfigError as error:
        return str(error)
    (now,) = plugins.facts([place])
    if was in (None, now["digest"]):
        return ""
    plugins.drop(name)
    return f"it has changed since ({was} there, {now['digest']} here)"
