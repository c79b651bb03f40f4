"""TensorBoard: a folder of event files a trial, each epoch one event, so that it is there or it is not.

`tensorboard --logdir reports/mhad/tensorboard`. What the event files of a trial hold already is read from them.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from dfkd_ray.tune.observers.sending import About, Curve, Point

IMAGES = "images"  # the tag of the pictures
_SETTINGS = "_hparams_/session_start_info"


class TensorBoard:
    """Writers of the trials that run, and what their files hold: (tag, step)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writers: dict[str, EventFileWriter] = {}
        self._held: dict[str, set[tuple[str, int]]] = {}

    def begin(self, curve: Curve) -> None:
        folder = self.folder / curve.key
        self._held[curve.key] = {each for file in sorted(folder.glob("events.out.tfevents.*")) for each in _held(file)}
        self._writers[curve.key] = EventFileWriter(str(folder))
        if (_SETTINGS, 0) not in self._held[curve.key]:
            plain = {name: _plain(value) for name, value in curve.settings.items()}
            self._write(curve, hparams_pb(plain, trial_id=curve.key, start_time_secs=curve.started), 0, 0.0)

    def point(self, curve: Curve, epoch: int, point: Point) -> None:
        self._add(curve, epoch, point.seconds, [*_scalars(point.metrics), *_images(point.picture)])

    def end(self, curve: Curve) -> None:
        last = curve.at(curve.epoch)
        self._add(curve, curve.epoch, 0.0 if last is None else last.seconds, _scalars(curve.final))
        self._writers.pop(curve.key).close()

    def close(self) -> None:
        while self._writers:
            self._writers.popitem()[1].close()

    def _add(self, curve: Curve, epoch: int, seconds: float, values: Iterable[Any]) -> None:
        new = [value for value in values if (value.tag, epoch) not in self._held[curve.key]]
        if new:
            self._write(curve, Summary(value=new), epoch, seconds)

    def _write(self, curve: Curve, summary: Any, step: int, seconds: float) -> None:
        at = time.time() if curve.started is None else curve.started + seconds
        self._writers[curve.key].add_event(Event(wall_time=at, step=step, summary=summary))
        self._writers[curve.key].flush()


def open_tracker(place: str, about: About) -> TensorBoard:
    """Inside the study's folder; a folder that was named holds others too."""
    return TensorBoard(Path(place) / f"{about.name}-{about.ident}" if place else about.folder / "tensorboard")


def _scalars(metrics: Mapping[str, float]) -> Iterator[Any]:
    return (Summary.Value(tag=name, simple_value=value) for name, value in metrics.items())


def _images(picture: bytes | None) -> Iterator[Any]:
    """Of a PNG file, whose width and height stand at its beginning."""
    if picture is not None:
        width, height = struct.unpack(">II", picture[16:24])
        held = Summary.Image(encoded_image_string=picture, width=width, height=height, colorspace=3)
        yield Summary.Value(tag=IMAGES, image=held)


def _held(file: Path) -> set[tuple[str, int]]:
    """What an event file holds, up to where a crash has cut it off."""
    events = map(Event.FromString, RawEventFileLoader(str(file)).Load())
    return {(value.tag, event.step) for event in events for value in event.summary.value}


def _plain(value: Any) -> bool | float | str:
    return value if isinstance(value, (bool, int, float, str)) else str(value)
