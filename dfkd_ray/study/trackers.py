"""Trackers as a study, or `--track`, names them: inert, a name and a place, such as `mlflow:http://tracking:5000`.

What stands behind the colon is what the tool itself calls its place. tune/observers has one file for each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dfkd_ray.util.registry import did_you_mean
from dfkd_ray.util.secrets import redacted

TRACKERS: Mapping[str, str] = {
    "mlflow": "MLflow: an experiment a study, a run a trial. Place: its tracking URI.",
    "optuna": "An Optuna storage, as optuna-dashboard shows it. Place: its URL, sqlite:///FILE or postgresql://HOST/DB.",
    "tensorboard": "TensorBoard: event files, a folder a trial. Place: the folder.",
    "wandb": "Weights & Biases: a group a study, a run a trial. Place: PROJECT or ENTITY/PROJECT.",
}
_USER = re.compile(r"(?<=://)[^:@/?#\s]+@")  # without a password
_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Track:
    """A tracker, and where it is; without a place it is where the tool's own environment says, else in the folder of
    the study."""

    name: str
    place: str = ""


def parse(text: str) -> Track:
    """ValueError for a tracker that nobody knows."""
    name, _, place = text.partition(":")
    if name not in TRACKERS:
        raise ValueError(f"unknown tracker {name!r}{did_you_mean(name, TRACKERS)}")
    return Track(name, place)


def absolute(text: str) -> str:
    """The same with an absolute path in it, where it has one: whoever resumes may stand elsewhere."""
    name, _, place = text.partition(":")
    if place.startswith(_SQLITE):
        return f"{name}:{_SQLITE}{Path(place.removeprefix(_SQLITE)).resolve()}"
    return f"{name}:{Path(place).resolve()}" if name == "tensorboard" and place else text


def secret(text: str) -> bool:
    """Whether there is a password, or a token, in it."""
    bare = _USER.sub("", text)
    return redacted(bare) != bare


def kept(text: str) -> str:
    """The same as a ledger keeps it: without user and password, where there is a password."""
    return redacted(text) if secret(text) else text
