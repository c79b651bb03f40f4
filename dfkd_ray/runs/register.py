"""What a file of one's own registers: `from dfkd_ray import register`, then a decorator for each kind.

Each takes the name that configuration files call it by. What is needed is imported when it is asked for, and with it
all that ships of the kind, whose names are taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, wraps
from inspect import signature
from pathlib import Path
from typing import Any, Literal, TypeVar

from dfkd_ray.util.registry import did_you_mean
from dfkd_ray.util.shipped import first_sentence

T = TypeVar("T")
Keep = Callable[[T], T]
_MEASURED = ("images", "labels", "teacher_logits", "student_logits")


def loss(name: str) -> Keep[Any]:
    """A term: a frozen dataclass that is called with signals, or a function of tensors by their names."""
    import dfkd_ray.parts.losses  # noqa: F401
    from dfkd_ray.parts.total_loss import terms

    return terms.register(name)


def source(name: str) -> Keep[Any]:
    """A source of images: a frozen dataclass with `open`, see `parts.slots.Source`."""
    import dfkd_ray.parts.sources  # noqa: F401
    from dfkd_ray.parts.slots import sources

    return sources.register(name)


def memory(name: str) -> Keep[Any]:
    """A memory: a frozen dataclass with `open`, see `parts.slots.Memory`."""
    import dfkd_ray.parts.memories  # noqa: F401
    from dfkd_ray.parts.slots import memories

    return memories.register(name)


def view(name: str) -> Keep[Any]:
    """A view: a frozen dataclass that is called with pictures and a generator, see `parts.slots.View`."""
    import dfkd_ray.parts.views  # noqa: F401
    from dfkd_ray.parts.slots import views

    return views.register(name)


def net(name: str, stages: Sequence[str] = (), head: str | None = None) -> Keep[Any]:
    """A classifier: a function of (classes, channels) that returns a module, freshly initialised.

    stages: modules in it whose outputs, (B, C, H, W), are its stages, for terms that read them. head: its last linear
    layer, whose input is the embedding; None: the last `nn.Linear` that it has.
    """
    from dfkd_ray.nets import Taps, attach_taps, classifiers, taps_of

    def keep(build: Any) -> Any:
        @wraps(build)
        def built(classes: int, channels: int) -> Any:
            made = build(classes, channels)
            return attach_taps(made, Taps(tuple(stages), head or taps_of(made).head))

        classifiers.register(name)(built if stages or head else build)
        return build

    return keep


def task(name: str) -> Keep[Any]:
    """A task: a function that returns it, as its YAML file would have it."""
    from dfkd_ray.datasets import HERE
    from dfkd_ray.datasets.named import parse, tasks
    from dfkd_ray.util.yamls import Document

    if (HERE / f"{name}.yaml").is_file():
        raise ValueError(f"task {name!r} ships with dfkd-ray: give yours another name")

    def keep(tell: Any) -> Any:
        @wraps(tell)
        def told() -> Any:
            return parse(Document({"name": name, **tell()}, file=f"the task {name}"))

        tasks.register(name)(told)
        return tell

    return keep


def reader(name: str, splits: Sequence[str] = ("train", "test")) -> Keep[Any]:
    """A reader: a function of (split, folder) that returns images, (N, H, W) or (N, H, W, C) uint8, and labels (N,), as
    numpy arrays. `folder` is --data or the task's `data`, and all of its files count for what the images are."""
    from dfkd_ray.datasets import readers
    from dfkd_ray.datasets.readers import Opened, Part

    def keep(read: Any) -> Any:
        @wraps(read)
        def opened(task: Any, folder: Path) -> Opened:
            def part(split: str) -> Part:
                return Part(*read(split, folder))

            return Opened(_own_folder(task, folder), {split: partial(part, split) for split in splits})

        readers.register(name)(opened)
        return read

    return keep


def _own_folder(task: Any, folder: Path) -> Path | None:
    """Where a reader's images lie; None where nobody has named a place, so it draws them."""
    from dfkd_ray.datasets.image_files import data_folder

    return None if task.data is None and folder == data_folder() else folder


def metric(name: str, better: Literal["max", "min"], label: str = "") -> Keep[Any]:
    """A metric that every trial reports after each epoch: a function that returns a number for held-out images of the
    run's own source, by the names of its arguments: `images` (N, C, H, W), `labels` (N,) or None, `teacher_logits` and
    `student_logits` (N, K). No real image is among them, so a study may select by it."""
    from dfkd_ray import metrics

    def keep(compute: Any) -> Any:
        reads = list(signature(compute).parameters)
        if wrong := [each for each in reads if each not in _MEASURED]:
            raise ValueError(
                f"{name}: no argument of a metric is called {wrong[0]!r}{did_you_mean(wrong[0], _MEASURED)}"
            )

        @wraps(compute)
        def measured(*given: Any) -> float:
            values = dict(zip(_MEASURED, given))
            return float(compute(**{each: values[each] for each in reads}))

        about = first_sentence(compute.__doc__ or "")
        metrics.own.register(name)(measured).row = metrics.Metric(name, label or name, about, better)
        return compute

    return keep


def chart(name: str) -> Keep[Any]:
    """A chart of a study's page: a subclass of `report.chart.Chart`."""
    import dfkd_ray.report.charts  # noqa: F401
    from dfkd_ray.report.chart import charts

    return charts.register(name)


def sampler(name: str) -> Keep[Any]:
    """A sampler: a frozen dataclass with `seed`, the class variables `multi_objective` and `stopped` (see
    `study.specs.SamplerSpec`; "idle" where it has none), and `build(study, seed)`, which returns the one of Optuna's
    that proposes a trial."""
    from dfkd_ray.study.specs import samplers
    from dfkd_ray.tune.sampling import builders

    def keep(spec: Any) -> Any:
        if not hasattr(spec, "stopped"):
            spec.stopped = "idle"
        builders.register(name)(spec.build)
        return samplers.register(name)(spec)

    return keep


def stopper(name: str) -> Keep[Any]:
    """A stopper: a frozen dataclass with `grace`, `rank(epoch, values)` and `stops(values, ranks)`, see
    `tune.stoppers.Rule`."""
    from dfkd_ray.study.specs import stoppers
    from dfkd_ray.tune.stoppers import rules

    def keep(spec: Any) -> Any:
        rules.register(name)(spec)
        return stoppers.register(name)(spec)

    return keep
