"""Whether a study is gone on with as the experiment that it is: what its ledger holds, against what there is now.

An experiment is plain data: `parts`, everything that decides results by what it is called, each with a `digest` (None
where there is none of it), what it is in words (`said`), and where it is small itself (`plain`); and `versions`, which
may differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfkd_ray.util.differing import differing
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.words import shorten

SHOWN = 4  # paths of one part
LETTERS = 12  # of a digest
SELECTION = "the selection "  # of a pool: how its part is called, which earlier versions did not record
WAY_ON = (
    "bring back what it was begun with (a file to its place, --weights, --data), or go on all the same with "
    "--accept-changes, which marks every later trial"
)


@dataclass(frozen=True)
class Difference:
    """A part of an experiment that is another than it was; None: there is none of it."""

    what: str
    there: Mapping[str, Any] | None
    here: Mapping[str, Any] | None

    @property
    def digests(self) -> tuple[str, str]:
        """The first letters of both."""
        there, here = ((_digest(part) or "none")[:LETTERS] for part in (self.there, self.here))
        return there, here

    def __str__(self) -> str:
        """`the method mine.yaml: 0123456789ab there, ba9876543210 here (schedule.batch 16 there, 64 here)`."""
        there, here = (part or {} for part in (self.there, self.here))
        said = [f" ({part['said']})" if part.get("said") else "" for part in (there, here)]
        one, two = self.digests
        both = "plain" in there and "plain" in here
        paths = list(differing(there["plain"], here["plain"])) if both else []
        told = [f"{path} {_value(a)} there, {_value(b)} here" for path, a, b in paths[:SHOWN]]
        told += [f"and {len(paths) - SHOWN} more"] if len(paths) > SHOWN else []
        return f"{self.what}: {one}{said[0]} there, {two}{said[1]} here" + (f"; {'; '.join(told)}" if told else "")

    @property
    def mark(self) -> str:
        """As a trial carries it: `the method mine.yaml (0123456789ab, now ba9876543210)`."""
        one, two = self.digests
        return f"{self.what} ({one}, now {two})"


def differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> list[Difference]:
    """The parts whose digests differ; none where one of the two was never recorded, and no selection of a pool that was
    not: where it is another one, so is the method."""
    old, new = there.get("parts"), here.get("parts")
    if not old or not new:
        return []
    both = [what for what in dict.fromkeys([*old, *new]) if what in old or not what.startswith(SELECTION)]
    found = (Difference(what, old.get(what), new.get(what)) for what in both)
    return [each for each in found if _digest(each.there) != _digest(each.here)]


def other_versions(there: Mapping[str, Any], here: Mapping[str, Any]) -> str | None:
    """Which versions are others, in a line; None where all are the same."""
    old, new = there.get("versions", {}), here.get("versions", {})
    found = [f"{name} {old[name]} there, {new[name]} here" for name in old if name in new and old[name] != new[name]]
    return f"{'; '.join(found)}: results may differ in their last bits" if found else None


def marked(found: Sequence[Difference]) -> str | None:
    """What every later trial carries; None where nothing differs from how the study was begun."""
    return "; ".join(each.mark for each in found) or None


def refused(folder: Path, found: Sequence[Difference], way_on: str = WAY_ON) -> StudyError:
    """The error of a study that would go on as another experiment: all differences at once."""
    lines = [f"{folder} was begun as another experiment:", *(f"  {each}" for each in found), way_on]
    return StudyError("\n".join(lines))


def _digest(part: Mapping[str, Any] | None) -> str | None:
    return None if part is None else part["digest"]


def _value(value: Any) -> str:
    return "nothing" if value is None else shorten(json.dumps(value))
