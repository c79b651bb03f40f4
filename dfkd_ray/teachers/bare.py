"""A teacher and nothing else: a task without images, known from the file of weights, its card, and what the user adds.

A task file of one's own says the same with `reader: none`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfkd_ray.datasets.task import Task, TeacherRef
from dfkd_ray.nets import targets
from dfkd_ray.teachers.recognition import Recognised, recognised
from dfkd_ray.teachers.stated import architecture, class_count, class_names, image_size
from dfkd_ray.teachers.unwrapping import file_of
from dfkd_ray.teachers.weights import adopt, read_card, read_weights
from dfkd_ray.util.choices import Targets
from dfkd_ray.util.errors import ConfigError, DataError, Problem
from dfkd_ray.util.words import counted, some

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and std, as torchvision's nets are trained
LARGE = 64  # pixels; above, a teacher is taken for one of ImageNet's kind

Statistics = tuple[tuple[float, ...], tuple[float, ...]]


def bare(
    arch: str | None = None,
    classes: int | None = None,
    size: int | None = None,
    channels: int | None = None,
    *,
    weights: Path,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Task:
    """The task of the teacher in `weights`, called like the file; its card says what is not given here, and what that
    does not say its names and shapes do, which `tell` hears of.

    size: the side of its square images in pixels. mean, std: of its input in [0, 1], a number a channel, or one for
    all; where nobody says, ImageNet's for colour images above 64 pixels (a reconstruction, and `normalised_by` says
    so). Its student is DFKD-FGVC's ResNet-18, up to that size the one for CIFAR (a reconstruction).
    Raises ConfigError, under the names of the options, for what nobody says and for what the card says otherwise,
    DataError for a card or a file of weights that is damaged or missing.
    """
    if not file_of(weights).is_file():
        raise DataError(f"{weights}: there is no such file")
    card = read_card(weights) or {}
    names, stated = class_names(weights, card), image_size(weights, card)
    counted, known = class_count(weights, card), arch or architecture(weights, card)
    said = {"classes": (classes, counted)}
    said |= {"channels": (channels, stated[0]), "size": (size, stated[1])} if stated else {}
    given = _Given(known, classes or counted, stated or (None if size is None else (channels or 3, size, size)))
    given, found = given.with_guesses(weights, channels)
    lacking = {"teacher-arch": given.arch, "classes": given.classes, "size": given.image}
    _complete(weights, said, [option for option, value in lacking.items() if not value], found)
    count, image = given.classes or 0, given.image or (0, 0, 0)  # which `_complete` has seen to
    statistics, by = _normalisation(weights, card, image, mean, std)
    told = targets(given.arch or "", count)
    seen = names or tuple(map(str, range(count))), image, *statistics, TeacherRef(""), _student(told, image)
    task = Task(file_of(weights).stem, "none", *seen, normalised_by=by, targets=told)
    given.say(tell)
    return adopt(task, weights, given.arch)


def _student(told: Targets, image: tuple[int, int, int]) -> str:
    """The net that learns from a teacher of which nothing else is known."""
    if told != "classes":
        return "unet8"
    return "resnet18" if min(image[1:]) > LARGE else "cifar_resnet18"


@dataclass(frozen=True)
class _Given:
    """What is known of a teacher; None where it is not."""

    arch: str | None
    classes: int | None
    image: tuple[int, int, int] | None
    guessed: str = ""  # what of it is a guess, in a line

    def with_guesses(self, weights: Path, channels: int | None) -> tuple[_Given, Recognised | None]:
        """With what names and shapes say of the rest, and the net that they are of."""
        if self.arch and self.classes and self.image:
            return self, None
        if (found := recognised(read_weights(weights))) is None:
            return self, None
        arch = self.arch or (None if found.also else found.arch)
        count = self.classes or (found.classes if found.classes > 1 else None)
        side = found.side
        image = self.image or (None if side is None else (channels or found.channels, side, side))
        return _Given(arch, count, image, self._told(weights, found)), found

    def say(self, tell: Callable[[str], None]) -> None:
        """What of it is a guess, if anything is."""
        if self.guessed:
            tell(self.guessed)

    def _told(self, weights: Path, found: Recognised) -> str:
        """What is taken from names and shapes, as nobody has said it."""
        taken = [] if self.arch else [found.arch + (f" (by {found.naming} names)" if found.naming else "")]
        taken += [] if self.classes else [counted(found.classes, "class", "classes")]
        taken += [] if self.image else [f"{found.side} pixels, as such nets are made for (--size says otherwise)"]
        note = "" if self.arch or not found.note else f"; {found.note}"
        return f"{weights.name}: by its names and shapes {', '.join(taken)}{note}"


def _complete(
    weights: Path, said: Mapping[str, tuple[Any, Any]], missing: Sequence[str], found: Recognised | None
) -> None:
    """ConfigError for options that are not what the card says, and for those that are missing. said: both values."""
    several = f"; its names and shapes fit {some([found.arch, *found.also], 4)}" if found else ""
    other = {option: both for option, both in said.items() if None not in both and both[0] != both[1]}
    problems = [Problem(f"--{o}", f"{g}, but the card of {weights} says {s}") for o, (g, s) in other.items()]
    lines = dict.fromkeys(missing, f"is missing, and no card beside {weights} says it")
    problems += [Problem(f"--{o}", line + several * (o == "teacher-arch")) for o, line in lines.items()]
    if problems:
        raise ConfigError(problems)


def _normalisation(
    weights: Path,
    card: Mapping[str, Any],
    image: tuple[int, int, int],
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> tuple[Statistics, str]:
    """Mean and std, and who says so; those of a card are left to `adopt`."""
    channels = image[0]
    if "normalise" in card:
        if mean is not None or std is not None:
            raise ConfigError.at("--mean", f"the card of {weights} says how its input is normalised: leave it out")
        return ((0.0,) * channels, (1.0,) * channels), ""
    if mean is not None and std is not None:
        return (_for_each("--mean", mean, channels), _for_each("--std", std, channels)), "--mean and --std"
    if mean is None and std is None and channels == 3 and min(image[1:]) > LARGE:
        return IMAGENET, f"ImageNet's mean and std, a reconstruction, as no card beside {weights} says"
    raise ConfigError.at("--mean", f"no card beside {weights} says how its input is normalised: give --mean and --std")


def _for_each(option: str, values: Sequence[float], channels: int) -> tuple[float, ...]:
    if len(values) not in (1, channels):
        raise ConfigError.at(option, f"a number for each channel, {channels} in all, or one, got {len(values)}")
    if option == "--std" and min(values) <= 0:
        raise ConfigError.at(option, f"must be > 0, got {min(values)}")
    return tuple(values) * (channels if len(values) == 1 else 1)
