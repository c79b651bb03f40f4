"""How a preset's amounts become changes of a method: each rule reads the method and the task, and says why."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dfkd_ray.methods.method import Method
from dfkd_ray.parts.optimizers import SGD
from dfkd_ray.parts.total_loss import TotalLoss

START = 8  # pixels: the side of a generator's first maps, about
FULL = 64  # pixels: above, a generator is twice as wide
BATCH = 256  # images: the largest batch that a rule makes of many classes
TIME = "what the time allows"
POOL = 2 << 30  # bytes of images, in half precision, that a memory may hold


@dataclass(frozen=True)
class Seen:
    """What a rule knows of a task: its images' (channels, height, width), and how many classes it has."""

    image: tuple[int, int, int]
    classes: int


@dataclass(frozen=True)
class Amounts:
    """What a preset gives a kind of method, for images of 32 pixels; null: the method's own value.

    epochs, rounds, source_steps, student_steps, batch, warmup: of the schedule. width: of a generator. source_lr,
    latent_lr, student_lr: learning rates. student_decay, nesterov: weight decay and momentum of a student's SGD.
    output: of a generator that ends in a sigmoid or a tanh.
    """

    epochs: int
    rounds: int = 1
    source_steps: int = 0
    student_steps: int = 1
    batch: int = 64
    warmup: int = 0
    width: int | None = None
    source_lr: float | None = None
    latent_lr: float | None = None
    student_lr: float | None = None
    student_decay: float | None = None
    nesterov: bool | None = None
    output: str | None = None


@dataclass(frozen=True)
class Change:
    """A value at a path of a method, and why it is this one."""

    path: str
    value: Any
    why: str


def kind_of(method: Method) -> str:
    """How a method comes to its images, which decides how its time is spent best.

    noise: none are looked for; diffusion: they are painted; pixels: each batch is descended to by itself, in many
    steps; fresh: a generator makes them for each step; kept: it makes them for a memory, in a few steps; first: the
    same, all of them before the student begins; anew: with a generator that begins again for each batch, or nearly, and
    so takes many steps.
    """
    name = _name(method.source)
    if name in ("diffusion", "pixels"):
        return name
    if name == "stored" or not hasattr(method.source, "lifecycle"):
        return "noise"
    if not hasattr(method.memory, "capacity"):
        return "fresh"
    if _name(method.source.lifecycle) not in ("keep", "meta"):
        return "anew"
    return "first" if _two_phases(method) else "kept"


def _two_phases(method: Method) -> bool:
    """Whether the source rests as soon as the student begins."""
    return method.schedule.source_epochs is not None and method.schedule.source_epochs == method.schedule.warmup


def changes_of(method: Method, kinds: Mapping[str, Amounts], seen: Seen, preset: str) -> Iterator[Change]:
    """The changes of a method on a task, in an order in which they can be made."""
    kind = kind_of(method)
    amounts = kinds[kind]
    for rule in RULES:
        for path, value, why in rule(method, amounts, seen):
            if value is not None:
                yield Change(path, value, f"{preset}: {why}")


Found = Iterator[tuple[str, Any, str]]  # path, value (None: as it is), why
Rule = Callable[[Method, Amounts, Seen], Found]


def length(method: Method, amounts: Amounts, seen: Seen) -> Found:
    """Epochs, rounds and steps are the budget's; a source that takes no steps still takes none, and the warm-up is at
    most a quarter of the run."""
    for name in ("epochs", "rounds", "student_steps"):
        yield f"schedule.{name}", getattr(amounts, name), TIME
    yield "schedule.source_steps", amounts.source_steps if method.schedule.source_steps else None, TIME
    warm = amounts.warmup if method.schedule.warmup else 0
    yield "schedule.warmup", warm, "the memory fills before the student begins" if warm else "none, as published"
    if method.schedule.source_epochs is not None:
        both = _two_phases(method)
        yield "schedule.source_epochs", warm if both else max(1, amounts.epochs // 2), "a share, as published"


def batch(method: Method, amounts: Amounts, seen: Seen) -> Found:
    """A batch holds as many images as there are classes, up to 256."""
    why = (
        "what the time allows"
        if (size := _batch(amounts, seen)) == amounts.batch
        else f"{seen.classes} classes, in 32s"
    )
    yield "schedule.batch", size, why


def _batch(amounts: Amounts, seen: Seen) -> int:
    return max(amounts.batch, min(BATCH, 32 * math.ceil(seen.classes / 32)))


def generator(method: Method, amounts: Amounts, seen: Seen) -> Found:
    """A generator begins at maps of about 8 pixels, is twice as wide above 64, and ends in a BatchNorm."""
    channels, height, width = seen.image
    shrink, source = getattr(method.source, "shrink", 1), method.source
    side = min(height, width) // shrink
    if hasattr(source, "doublings"):
        sides = (channels, height // shrink, width // shrink)
        yield "source.doublings", doublings(sides), f"from about {START} to {side} pixels"
    if hasattr(source, "width") and amounts.width is not None:
        yield "source.width", amounts.width * (2 if side > FULL else 1), f"for {side} pixels"
    if hasattr(source, "block_norm"):
        yield "source.block_norm", True, "a generator without BatchNorm learns too slowly for the time"
    if getattr(source, "output", None) in ("sigmoid", "tanh", "normalised"):
        yield "source.output", amounts.output, "the data's range at once, where there is little time to find it"


def doublings(image: tuple[int, int, int]) -> int:
    """How often a generator doubles its maps: from about START pixels, in whole steps of both sides."""
    wanted = max(1, round(math.log2(min(image[1:]) / START)))
    exact = next((d for d in range(wanted, 0, -1) if all(side % 2**d == 0 for side in image[1:])), 1)
    return exact


def rates(method: Method, amounts: Amounts, seen: Seen) -> Found:
    """Learning rates for short runs are not below those of long ones, nor is the decay of a student's weights."""
    why = "a rate for so few steps"
    if (optimizer := getattr(method.source, "optimizer", None)) is not None:
        yield "source.optimizer.lr", _raised(optimizer.lr, amounts.source_lr), why
    if own := getattr(method.source, "latent_lr", None):
        yield "source.latent_lr", _raised(own, amounts.latent_lr), why
    if isinstance(sgd := method.student.optimizer, SGD):
        yield "student.optimizer.lr", amounts.student_lr, why
        reason = "a student's optimiser for so few steps"
        yield "student.optimizer.weight_decay", _raised(sgd.weight_decay, amounts.student_decay), reason
        yield "student.optimizer.nesterov", amounts.nesterov, reason


def _raised(own: float, least: float | None) -> float | None:
    return least if least is not None and own < least else None


def terms(method: Method, amounts: Amounts, seen: Seen) -> Found:
    """Terms that begin later do so after the warm-up at the latest, or an epoch after it where they wait for a student
    that has learned something, and grow for the same share of the run."""
    for path, part in _parts(method):
        if 0 < method.schedule.warmup < part.start:
            yield f"{path}.start", amounts.warmup + 1, "an epoch after the warm-up"
        elif part.start:
            yield f"{path}.start", min(part.start, amounts.warmup), "not after the warm-up"
        if part.ramp:
            ramp = max(1, round(part.ramp * amounts.epochs / method.schedule.epochs))
            yield f"{path}.ramp", ramp, "a share, as published"


def memory(method: Method, amounts: Amounts, seen: Seen) -> Found:
    """A memory holds all that the run makes, up to 2 GB in half precision."""
    if hasattr(method.memory, "capacity"):
        size, varied = _batch(amounts, seen), getattr(method.memory, "varied", None)
        bank = amounts.warmup * amounts.rounds * size
        if varied is not None and varied.first is not None:
            yield "memory.varied.first", max(size, bank), "the images of the warm-up"
        filled = amounts.warmup if _two_phases(method) else amounts.epochs
        all_of_it = filled * amounts.rounds * size + (0 if varied is None else varied.copies * max(size, bank))
        most = POOL // (2 * math.prod(seen.image)) // size * size
        yield "memory.capacity", max(size, min(all_of_it, most)), "all images of the run, up to 2 GB"


def renewal(method: Method, amounts: Amounts, seen: Seen) -> Found:
    """A generator that begins again from time to time does so four times in the run."""
    if (every := getattr(getattr(method.source, "lifecycle", None), "every", 1)) > 1:
        yield (
            "source.lifecycle.every",
            min(every, max(1, amounts.epochs * amounts.rounds // 4)),
            "four times in the run",
        )


RULES: tuple[Rule, ...] = (length, batch, generator, rates, terms, memory, renewal)


def _parts(method: Method) -> Iterator[tuple[str, Any]]:
    for slot in ("source_loss", "student_loss"):
        loss: TotalLoss = getattr(method, slot)
        for name, part in loss.parts.items():
            yield f"{slot}.{name}", part


def _name(spec: Any) -> str:
    return str(spec.registered_as)
