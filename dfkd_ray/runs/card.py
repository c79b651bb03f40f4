"""The card of a run: all that opens its student and its teacher again, when the study around it is gone.

Every trial's folder has one, `run.json`, whether a sweep has run it, an ablation, or `distill`. Beside it stand the
checkpoint while the trial runs (`checkpoint.pt`), then its students (`student.safetensors` of the last epoch,
`student_best.safetensors`), its curve (`curve.json`: what was measured in each epoch) and its pictures
(`images_0001.webp`). A student's file carries a card of its own, see `RunCard.student`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from dfkd_ray.datasets import Task, named
from dfkd_ray.methods import config
from dfkd_ray.methods.method import Method
from dfkd_ray.metrics import QUALITY
from dfkd_ray.runs import plugins
from dfkd_ray.teachers.weights import network_facts
from dfkd_ray.util import limits, sealed, yamls
from dfkd_ray.util.errors import ConfigError, StudyError
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.folders import CARD, STUDENTS
from dfkd_ray.util.provenance import provenance
from dfkd_ray.util.secrets import redacted_facts

VERSION = 1
Which = Literal["last", "best"]


@dataclass(frozen=True)
class RunCard:
    """task: as the run knew it, teacher and normalisation included. metric: what its best epoch was chosen by.

    data: where real images were found for it, None where none were named.
    """

    study: str
    trial: int
    arm: str | None
    seed: int
    changes: Mapping[str, Any]
    method: Method
    task: Task
    teacher_digest: str
    metric: str
    data: str | None
    versions: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        return config.fingerprint(self.method)

    @property
    def teacher_arch(self) -> str:
        return self.method.teacher.arch or self.task.teacher.arch

    @property
    def student_arch(self) -> str:
        return self.method.student.arch or self.task.student

    @property
    def name(self) -> str:
        """`mhad-trial3`; a run that is a study by itself is called like it."""
        return f"{self.study}-trial{self.trial}" if self.changes or self.arm else self.study

    @property
    def run(self) -> dict[str, Any]:
        """Which run it was."""
        names = ("name", "study", "trial", "arm", "seed", "fingerprint")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    def student(self, which: Which, final: Mapping[str, float] = {}) -> dict[str, Any]:
        """What the file of a student says of itself, as the card beside a teacher's weights does.

        Nothing of where it was run: the same method, seed and versions leave the same bytes.
        """
        accuracy = final.get(QUALITY[self.task.targets].test(which))
        measured = {} if accuracy is None else {"accuracy": {"test": accuracy}}
        lineage = {"teacher": self.teacher_arch, "teacher_digest": self.teacher_digest, "seed": self.seed}
        lineage |= {"fingerprint": self.fingerprint, "which": which}
        origin = {"student_of": lineage, "versions": dict(self.versions)}
        return {**network_facts(self.task, self.student_arch), **measured, **origin}

    def write(self, folder: Path) -> None:
        """Into `run.json`; a sound one that is there stays: a resumed run is the run that it was."""
        if (folder / CARD).exists() and sealed.is_sound(folder / CARD) is not False:
            return
        places = redacted_facts({"task": yamls.plain(self.task), "data": self.data})
        told = {**vars(self), "method": config.plain(self.method), **places}
        nets = {"teacher": self.teacher_arch, "student": self.student_arch}
        with atomic_write(folder / CARD) as file:
            file.write(sealed.seal_json({"version": VERSION, "fingerprint": self.fingerprint, "nets": nets, **told}))

    @classmethod
    def read(cls, folder: Path) -> RunCard:
        """The card in a run's folder; StudyError where there is none, or where it cannot be read."""
        path = folder / CARD
        try:
            if sealed.is_sound(path) is False:
                raise StudyError(sealed.edited(path))
            held = limits.read_json(path)
        except FileNotFoundError:
            raise StudyError(f"{folder} holds no run: {CARD} is missing") from None
        except (OSError, ValueError) as error:
            raise StudyError(f"{path}: cannot be read: {error}") from None
        if not isinstance(held, dict) or held.get("version") != VERSION:
            why = "not the card of a run that this version of dfkd-ray can read"
            raise StudyError(f"{path}: {why}: take its student by --weights {STUDENTS['last']} --arch NET --task TASK")
        lost = _load_plugins(folder)
        try:
            method = config.parse(held["method"])
            task = named.parse(yamls.Document(held["task"], file=str(path)))
            facts = yamls.typed(_Facts, {f.name: held[f.name] for f in fields(_Facts)})
        except (ConfigError, KeyError) as error:
            raise StudyError(f"{path}: not the card of a run: {error}{lost}") from None
        return cls(method=method, task=task, **vars(facts))


def _load_plugins(folder: Path) -> str:
    """The plug-ins of the study that a run's folder lies in; of those that cannot be loaded it is told why, which
    matters where something of theirs is needed."""
    try:
        plugins.load(plugins.recorded(folder.absolute().parents[1]))
    except ConfigError as error:
        return f"; its plug-in is not what it was ({error})"
    return ""


@dataclass(frozen=True)
class _Facts:
    """What a card says beside method and task, for `typed`."""

    study: str
    trial: int
    arm: str | None
    seed: int
    changes: dict[str, Any]
    teacher_digest: str
    metric: str
    data: str | None
    versions: dict[str, str]


def versions() -> dict[str, str]:
    """Of what decides the bits of a run."""
    return {name: value for name, value in provenance().items() if name in ("dfkd_ray", "python", "torch")}
