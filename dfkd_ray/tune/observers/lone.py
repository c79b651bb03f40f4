"""Trackers of one curve that is no trial of a study, and has no ledger: the training of a teacher.

Whoever trains tells each epoch again after a resume, so that the same holds as of a study: nothing is lost or doubled.
"""

from __future__ import annotations

import secrets
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from dfkd_ray.study.trackers import absolute, parse
from dfkd_ray.tune.observers.sending import FOLDER, About, Curve, Point, Sender, opener
from dfkd_ray.util.errors import ConfigError


class Lone:
    """`folder` is for what trackers keep on this disk, and for what tells this training from others of its name; it
    is made with the first epoch, and gone where all begins anew: `fresh`, or epochs of one that had ended, whose file
    somebody has removed.

    ConfigError for a tracker that is unknown or of trials alone, MissingExtra where a package is not installed.
    """

    def __init__(
        self, tracks: Iterable[str], name: str, folder: Path, settings: Mapping[str, Any], fresh: bool = False
    ) -> None:
        try:
            self._tracks = [parse(absolute(text)) for text in dict.fromkeys(tracks)]
        except ValueError as error:
            raise ConfigError.at("--track", str(error)) from None
        for track in self._tracks:
            if track.name == "optuna":
                raise ConfigError.at("--track", "optuna is for studies: a teacher has no trials")
            opener(track)
        if fresh:
            shutil.rmtree(folder, ignore_errors=True)
        self._name, self._folder = name, folder
        self._points: dict[int, Point] = {}
        self._curve = Curve(name, settings, 0, self._points.get)
        self._senders: list[Sender] = []

    def point(self, epoch: int, metrics: Mapping[str, float], seconds: float) -> None:
        if self._tracks and not self._points:
            try:
                self._begin()
            except (OSError, ValueError) as error:
                print(f"warning: no tracker is told: {error}; the work goes on", file=sys.stderr, flush=True)
        self._points[epoch] = Point(metrics, seconds)
        self._tell(replace(self._curve, epoch=epoch))

    def end(self, final: Mapping[str, float]) -> None:
        """It is complete; nothing of one that was there before, of which no epoch was told."""
        if self._points:
            self._tell(replace(self._curve, state="complete", final=final))

    def __enter__(self) -> Lone:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for sender in self._senders:
            sender.close()

    def _begin(self) -> None:
        if (self._folder / FOLDER).exists():  # a tracker had that one to its end
            shutil.rmtree(self._folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "ident"
        if not path.exists():
            path.write_text(secrets.token_hex(4), encoding="ascii")
        about = About(self._name, path.read_text(encoding="ascii"), self._folder.resolve())
        self._curve = replace(self._curve, started=path.stat().st_mtime)
        lacks = "what it lacks is not told again: a teacher that is done has no ledger"
        self._senders = [Sender(track, about, lambda: [self._curve], lacks) for track in self._tracks]

    def _tell(self, curve: Curve) -> None:
        self._curve = curve
        for sender in self._senders:
            sender.send([curve])
