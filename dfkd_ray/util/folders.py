"""How the folders of studies and of their trials are laid out, and what stands in a trial's, by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

CARD = "run.json"  # what a trial was, see runs/card.py
STUDENTS: Mapping[str, str] = {"last": "student.safetensors", "best": "student_best.safetensors"}
TRIALS = "trials"


def of_trial(study: Path, number: int) -> Path:
    """`reports/mhad/trials/0003`."""
    return study / TRIALS / f"{number:04d}"


def trials(study: Path) -> list[int]:
    """The trials whose folder is there, by number."""
    return sorted(int(each.name) for each in study.glob(f"{TRIALS}/*") if each.name.isdecimal())


def trials_in(names: Iterable[str]) -> list[int]:
    """The trials of which there is a file among those of these names (`trials/0003/run.json`), by number."""
    parts = [name.split("/") for name in names]
    return sorted({int(p[1]) for p in parts if len(p) > 2 and p[0] == TRIALS and p[1].isdecimal()})


def with_students(study: Path) -> list[int]:
    """The trials whose student is there, by number."""
    return sorted(int(each.parent.name) for each in study.glob(f"{TRIALS}/*/{STUDENTS['last']}"))


def place(trial: Path) -> tuple[Path, int] | None:
    """The study's folder and the trial's number, of a path that is named as a trial's folder; None of any other."""
    for path in (trial, trial.absolute()):  # `.` knows its own name only there
        if path.parent.name == TRIALS and path.name.isdecimal():
            return path.parent.parent, int(path.name)
    return None
