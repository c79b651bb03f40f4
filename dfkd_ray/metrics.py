"""One row a metric: its name, what it is, which way is better, its unit, when and from what it is taken.

Training, study files, terminal and page go by these rows. A new metric is one row and the function that computes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, cast

from dfkd_ray.util import words
from dfkd_ray.util.choices import EVERY, NAMED, Targets
from dfkd_ray.util.registry import Registry, did_you_mean
from dfkd_ray.util.words import DASH, MINUS, NBSP

Mode = Literal["max", "min"]


@dataclass(frozen=True)
class Unit:
    """How values are printed, and the range that none can leave.

    printed: a value with its unit. scale: what a difference is multiplied by for print. points: its unit then. head:
    what stands at the head of a column of values without their unit.
    """

    name: str
    printed: Callable[[float], str] = words.number
    scale: float = 1.0
    points: str = ""
    head: str = ""
    low: float = -math.inf
    high: float = math.inf


SHARE = Unit("share", words.percent, 100.0, "points", "%", 0.0, 1.0)
RATIO = Unit("ratio of shares", words.percent, 100.0, "points", "%", 0.0)
NATS = Unit("nats", lambda value: f"{words.number(value)}{NBSP}nats", 1.0, "nats", "nats", 0.0)
SECONDS = Unit("seconds", words.duration, 1.0, "s", "s", 0.0)
BYTES = Unit("bytes", lambda value: words.memory(round(value)), 1.0, "bytes", "bytes", 0.0)
LENGTH = Unit("that of the depth", low=0.0)
COEFFICIENT = Unit("coefficient", low=-1.0, high=1.0)
COUNT = Unit("count", lambda value: words.number(round(value)), low=0.0)
NONE = Unit("none")

REAL = "real images"
NORM = "a teacher with BatchNorm layers"
SELECTED = "a study that selects by it, or by another on these images"
VARIED = "a memory with variations (memory.varied)"
LABELS = "a source that asks for classes (source.labels)"


@dataclass(frozen=True)
class Metric:
    """A row. A name that ends in `/` is that of a family: its members have its facts and their own names.

    better: `max` or `min`; None: neither. when: after each epoch, once at the end, or as the cost of a trial. split: of
    the real images that it is taken on; None: it needs none. needs: what a trial must have to report it. fair: whether
    trials may be compared by it, which differ in their settings: of a loss that may be the weight. of: the targets of
    the tasks that it is taken on.
    """

    name: str
    label: str
    about: str
    better: Mode | None = "max"
    unit: Unit = NONE
    when: Literal["epoch", "end", "cost"] = "epoch"
    split: Literal["val", "test"] | None = None
    needs: str = ""
    fair: bool = True
    of: tuple[Targets, ...] = EVERY

    @property
    def data_free(self) -> bool:
        """Whether trials may be compared by it where there is no real image."""
        return self.split is None and self.when == "epoch" and self.fair and self.better is not None


@dataclass(frozen=True)
class Quality:
    """The metrics of one measure of `datasets.quality` on real images, by their names. said: in a sentence."""

    key: str
    said: str
    about: str
    unit: Unit = SHARE
    better: Mode = "max"

    @property
    def val(self) -> str:
        return f"val_{self.key}"

    @property
    def median(self) -> str:
        return f"val_{self.key}/median5"

    def test(self, which: Literal["last", "best"]) -> str:
        return f"test_{self.key}/{which}"

    def relative(self, which: Literal["last", "best"]) -> str:
        return f"relative_{self.key}/{which}"

    @property
    def test_last(self) -> str:
        return self.test("last")

    @property
    def test_best(self) -> str:
        return self.test("best")


ACCURACY = Quality("accuracy", "accuracy", "share of {} images named right")
MIOU = Quality(
    "miou", "mean IoU", "mean over the classes of the area that both name over that which one names, {} images"
)
DELTA1 = Quality(
    "delta1", "share within 1.25", "share of positions of {} images whose depth is told within a factor of 1.25"
)
RMSE = Quality("rmse", "RMSE", "root mean square error of the depth, {} images", LENGTH, "min")
REL = Quality("rel", "relative error", "mean error of the depth over the depth, {} images", NONE, "min")
QUALITY: Mapping[Targets, Quality] = {  # by which networks are compared
    "classes": ACCURACY,
    "segmentation": MIOU,
    "depth": DELTA1,
}
VAL_ACCURACY, VAL_MEDIAN = ACCURACY.val, ACCURACY.median
TEST_LAST, TEST_BEST = ACCURACY.test_last, ACCURACY.test_best
RELATIVE_LAST, RELATIVE_BEST = ACCURACY.relative("last"), ACCURACY.relative("best")
AGREEMENT, AGREEMENT_NOISE = "agreement/source", "agreement/noise"
KL, KL_NOISE = "kl/source", "kl/noise"
AGREEMENT_LEAVES, KL_LEAVES = "agreement/dead_leaves", "kl/dead_leaves"
CORRELATION, CORRELATION_NOISE = "correlation/source", "correlation/noise"
CORRELATION_LEAVES = "correlation/dead_leaves"
AGREEMENT_INVERTED, KL_INVERTED = "agreement/inverted", "kl/inverted"
CORRELATION_INVERTED = "correlation/inverted"
FOLLOWED = {  # of each bank of images
    "source": (AGREEMENT, KL, CORRELATION),
    "noise": (AGREEMENT_NOISE, KL_NOISE, CORRELATION_NOISE),
    "dead_leaves": (AGREEMENT_LEAVES, KL_LEAVES, CORRELATION_LEAVES),
    "inverted": (AGREEMENT_INVERTED, KL_INVERTED, CORRELATION_INVERTED),
}
DATA_FREE = (
    CORRELATION_INVERTED  # what to select by where there is no real image: see `choice` in benchmarks/RESULTS.md
)
BATCHNORM, ASKED, OUTSIDE = "batchnorm/source", "asked/source", "outside"
CLASS_ENTROPY, UNCERTAINTY = "class_entropy/source", "uncertainty/source"
IMAGE_DISTANCE, EMBEDDING_DISTANCE = "image_distance/source", "embedding_distance/source"
LOSS, LR, SKIPPED, KEPT = "loss/", "lr/student", "skipped/", "kept/memory"
BEST_EPOCH = "best_epoch"
STUDENT_UPDATES, SOURCE_UPDATES, STUDENT_IMAGES = "updates/student", "updates/source", "images/student"
TIME, PEAK_MEMORY, PARAMETERS = "seconds", "peak_memory", "parameters"
COSTS = (TIME, PEAK_MEMORY, PARAMETERS)  # of a trial as a whole
SPENT = (STUDENT_UPDATES, SOURCE_UPDATES, STUDENT_IMAGES)  # what a trial was given, to compare budgets by

_VAL: dict[str, Any] = {"split": "val", "needs": REAL}
_TEST: dict[str, Any] = {"split": "test", "needs": REAL, "when": "end"}
_OTHER = "the same of the epoch where the study's first objective was best"
_OVER = "that of the student of the last epoch over that of its teacher"
_AGREE = "share of images for which student and teacher name the same class, from the run's own source, but none that \
the student trains on"
_NOISE = "the same on a bank of Gaussian images that is the same for every trial"
_LEAVES = "the same on dead leaves, discs over discs in random colours, the same for every trial"
_INVERTED = "the same on images inverted from the teacher, in steps that are the same for every trial"
_SHAPE = "Pearson's correlation of the teacher's and the student's logits for one of these images, mean over images: 1 \
also where the student is surer, or less sure, than its teacher"
_SPREAD = "entropy of the classes that the teacher names on these images over log K: 100 % where it names all alike"
_UNSURE = "mean entropy of the teacher's prediction for one of these images over log K: 100 % where it knows none"
_APART = "root mean square difference of two of these images, black 0 and white 1, mean over all pairs"
_EMBEDDED = "1 - cosine similarity of the teacher's embeddings of two of these images, mean over all pairs"
_PRIOR = "how far these images are from the statistics in the teacher's BatchNorm layers"
_TOLD = "share of these images that the teacher takes for the class that was asked for"
_SWINGS = "what a curve that swings from epoch to epoch has come to"
_VARIED = "share of the diffusion model's variations so far that the teacher finds like their images"
_RANGE = "share of these images' values that are darker than black or lighter than white"


def _of(targets: Targets) -> tuple[Quality, ...]:
    return (DELTA1, RMSE, REL) if targets == "depth" else (QUALITY[targets],)


def _val(q: Quality, of: Targets) -> Metric:
    return Metric(q.val, f"Validation {q.said}", q.about.format("validation"), q.better, q.unit, of=(of,), **_VAL)


def _tests(q: Quality, of: Targets) -> tuple[Metric, ...]:
    facts: dict[str, Any] = {"better": q.better, "unit": q.unit, "of": (of,), **_TEST}
    last = Metric(q.test_last, f"Test {q.said}, last epoch", q.about.format("test"), **facts)
    return last, Metric(q.test_best, f"Test {q.said}, best epoch", _OTHER, **facts)


def _compared(q: Quality, of: Targets) -> tuple[Metric, ...]:
    """What is told of the first quality alone."""
    facts: dict[str, Any] = {"better": "max", "unit": RATIO, "of": (of,), **_TEST}
    name = f"Validation {q.said}, median of the last five epochs"
    swings = Metric(q.median, name, _SWINGS, q.better, q.unit, "end", of=(of,), **_VAL)
    head = f"Test {q.said} relative to the teacher's"
    last = Metric(q.relative("last"), f"{head}, last epoch", _OVER, **facts)
    return last, Metric(q.relative("best"), f"{head}, best epoch", _OTHER, **facts), swings


ROWS = (
    *(_val(quality, of) for of in EVERY for quality in _of(of)),
    Metric(AGREEMENT, "Agreement with the teacher, own images", _AGREE, "max", SHARE, of=NAMED),
    Metric(KL, "KL to the teacher, own images", "mean KL(teacher, student) on these images", "min", NATS, of=NAMED),
    Metric(CORRELATION, "Correlation with the teacher, own images", _SHAPE, "max", COEFFICIENT),
    Metric(AGREEMENT_NOISE, "Agreement with the teacher, noise", _NOISE, "max", SHARE, of=NAMED),
    Metric(KL_NOISE, "KL to the teacher, noise", _NOISE, "min", NATS, of=NAMED),
    Metric(CORRELATION_NOISE, "Correlation with the teacher, noise", _NOISE, "max", COEFFICIENT),
    Metric(AGREEMENT_LEAVES, "Agreement with the teacher, dead leaves", _LEAVES, "max", SHARE, of=NAMED),
    Metric(KL_LEAVES, "KL to the teacher, dead leaves", _LEAVES, "min", NATS, of=NAMED),
    Metric(CORRELATION_LEAVES, "Correlation with the teacher, dead leaves", _LEAVES, "max", COEFFICIENT),
    Metric(
        AGREEMENT_INVERTED,
        "Agreement with the teacher, inverted images",
        _INVERTED,
        "max",
        SHARE,
        needs=SELECTED,
        of=NAMED,
    ),
    Metric(KL_INVERTED, "KL to the teacher, inverted images", _INVERTED, "min", NATS, needs=SELECTED, of=NAMED),
    Metric(
        CORRELATION_INVERTED,
        "Correlation with the teacher, inverted images",
        _INVERTED,
        "max",
        COEFFICIENT,
        needs=SELECTED,
    ),
    Metric(CLASS_ENTROPY, "Class entropy, own images", _SPREAD, "max", SHARE, of=NAMED),
    Metric(UNCERTAINTY, "Uncertainty of the teacher, own images", _UNSURE, "min", SHARE, of=NAMED),
    Metric(IMAGE_DISTANCE, "Pairwise distance, own images", _APART, "max"),
    Metric(EMBEDDING_DISTANCE, "Pairwise distance of embeddings, own images", _EMBEDDED, "max"),
    Metric(BATCHNORM, "BatchNorm distance, own images", _PRIOR, "min", needs=NORM),
    Metric(ASKED, "Share of own images of the class asked for", _TOLD, "max", SHARE, needs=LABELS),
    Metric(OUTSIDE, "Values that no picture has, own images", _RANGE, "min", SHARE),
    Metric(LOSS, "Loss", "a term of a loss by its slot and name, mean over the epoch", "min", fair=False),
    Metric(
        SKIPPED,
        "Skipped steps",
        "of one optimiser so far: gradients overflowed in float16",
        "min",
        COUNT,
        fair=False,
    ),
    Metric(KEPT, "Variations kept", _VARIED, None, SHARE, needs=VARIED),
    Metric(LR, "Learning rate of the student", "as it is when the epoch ends", None),
    *(row for of in EVERY for quality in _of(of) for row in _tests(quality, of)),
    *(row for of in EVERY for row in _compared(QUALITY[of], of)),
    Metric(BEST_EPOCH, "Best epoch", "where the study's first objective was best", None, COUNT, "end"),
    Metric(STUDENT_UPDATES, "Student updates", "steps of the student's optimiser", None, COUNT, "end"),
    Metric(SOURCE_UPDATES, "Source updates", "steps of what makes the images", None, COUNT, "end"),
    Metric(STUDENT_IMAGES, "Student images", "images that the student has seen", None, COUNT, "end"),
    Metric(TIME, "Time", "the trial's own work, over all its attempts", "min", SECONDS, "cost"),
    Metric(PEAK_MEMORY, "Peak memory", "the most that the trial held at once", "min", BYTES, "cost"),
    Metric(PARAMETERS, "Parameters of the student", "numbers that its training sets", "min", COUNT, "cost"),
)
_GREY = "entropy of the teacher's mean prediction over log K, high also on grey images of which it is unsure"
OLD = (Metric("diversity", "Prediction diversity", _GREY, "max", SHARE),)  # in tables of before
_BY_NAME = {row.name: row for row in (*ROWS, *OLD)}
own: Registry[Any] = Registry("metric")  # of plug-ins: what computes it, which carries its `row`


def known_rows() -> tuple[Metric, ...]:
    """The rows that ship, and those of plug-ins."""
    return (*ROWS, *(own[name].row for name in own))


def find(name: str) -> Metric:
    """The row of a metric; one that nobody knows, of an older table or of another's own work, has facts that fit all.

    Its name is its label, it has no unit, and neither way is better.
    """
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name in own:
        return cast(Metric, own[name].row)
    family = next((row for row in ROWS if row.name.endswith("/") and name.startswith(row.name)), None)
    other = Metric(name, name, "", None, fair=False)
    return other if family is None else replace(family, name=name, label=name)


def measure(key: str) -> Quality:
    """By the key that `datasets.quality` has for it."""
    return next(each for of in EVERY for each in _of(of) if each.key == key)


def quality(names: Iterable[str]) -> Quality:
    """The quality that these metrics are of: of classes, unless they are of other targets alone."""
    held = {*names}
    return next((q for q in QUALITY.values() if {q.val, q.test_last} & held), ACCURACY)


def loss(slot: str, term: str) -> str:
    """The metric of a loss term; the total of a slot's loss is its term `total`."""
    return f"{LOSS}{slot}/{term}"


def better(name: str) -> Mode:
    """`max` or `min`: which way is better of a metric by which a study may select.

    ValueError names the nearest one, or says what to do.
    """
    row = find(name)
    if row.better is None and name in _BY_NAME:
        raise ValueError(f"{name} is neither better high nor low: no study may select by it")
    if row.better is None:
        known = [
            each.name for each in known_rows() if each.when == "epoch" and each.better and not each.name.endswith("/")
        ]
        way = "; a metric of your own needs `mode: max` or `mode: min`"
        raise ValueError(f"no trial reports {name!r}{did_you_mean(name, [*known, loss('SLOT', 'TERM')])}{way}")
    return row.better


def label(name: str) -> str:
    """A metric in words; an unknown one keeps its own name."""
    return find(name).label


def inside(name: str) -> str:
    """A metric in the middle of a sentence: `validation accuracy`, but `KL to the teacher`; its own name as it is."""
    said = label(name)
    return said[0].lower() + said[1:] if said != name and said[1:2].islower() else said


def headed(name: str) -> str:
    """A metric at the head of a column of bare values: `Validation accuracy (%)`."""
    unit = find(name).unit.head
    return f"{label(name)}{f' ({unit})' if unit else ''}"


def with_unit(name: str, value: float | None) -> str:
    """A value with its unit: `78.1 %`, `0.0124 nats`, `6 min 40 s`."""
    return DASH if value is None or not math.isfinite(value) else find(name).unit.printed(value)


def labelled(name: str, value: float | None) -> str:
    """A value after its metric: `Validation accuracy: 78.1 %`."""
    return f"{label(name)}: {with_unit(name, value)}"


def without_unit(name: str, value: float | None) -> str:
    """A value without its unit, for a column whose head has it: `78.1`."""
    if value is None or not math.isfinite(value):
        return DASH
    unit = find(name).unit
    return f"{unit.scale * value:.1f}" if unit.head == "%" else f"{value:.4g}"


def within(name: str, low: float | None, high: float | None) -> tuple[float | None, float | None]:
    """An interval of a mean, cut where it leaves what the metric can be."""
    unit = find(name).unit
    return None if low is None else max(low, unit.low), None if high is None else min(high, unit.high)


def limits(name: str) -> str:
    """What a metric can be, in words; empty where it can be anything."""
    unit = find(name).unit
    low = unit.printed(unit.low)
    above = f"{low} or more" if unit.low > -math.inf else ""
    return f"{low} to {unit.printed(unit.high)}" if unit.high < math.inf else above


def cut(name: str, whose: Sequence[str]) -> str:
    """That the intervals of these means were cut (`within`), in words; empty where none was."""
    if not whose:
        return ""
    many, verb = ("", "is") if len(whose) == 1 else ("s", "are")
    head = f"The interval{many} of {words.listed(whose)} would leave what {inside(name)} can be, {limits(name)}"
    return f"{head}, and {verb} cut there."


def points(name: str) -> str:
    """The unit of a difference: points of per cent for a share; empty where there is none."""
    return find(name).unit.points


def difference(name: str, value: float | None, signed: bool = True) -> str:
    """A difference without its unit: `+35.2`; one that is not in points has three digits."""
    if value is None or not math.isfinite(value):
        return DASH
    unit = find(name).unit
    scaled = unit.scale * value
    said = f"{abs(scaled):.1f}" if unit.points == "points" else f"{abs(scaled):.3g}"
    sign = "" if not float(said) else MINUS if scaled < 0 else "+" if signed else ""
    return f"{sign}{said}"


def changed(name: str, value: float | None, signed: bool = True) -> str:
    """A difference with its unit: `+35.2 points`, `+0.021 nats`."""
    return f"{difference(name, value, signed)} {points(name)}".rstrip()


def give_or_take(name: str, value: float | None, error: float | None) -> str:
    """A mean with its standard error, where that is known: `78.1 % ± 0.8 points`."""
    return with_unit(name, value) + ("" if error is None else f" ± {changed(name, error, signed=False)}")


def interval(name: str, low: float | None, high: float | None) -> str:
    """An interval of a difference: `20.1 to 50.3`."""
    if low is None or high is None:
        return DASH
    return f"{difference(name, low, signed=False)} to {difference(name, high, signed=False)}"
