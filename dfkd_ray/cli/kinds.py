"""What there is of each kind, a name and a line each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any

from dfkd_ray.util import shipped
from dfkd_ray.util.errors import UnknownName
from dfkd_ray.util.registry import Registry, did_you_mean

COMPONENTS = (
    *("losses", "sources", "lifecycles", "conditioners", "augmentations", "memories", "views"),
    *("samplers", "stoppers", "designs", "readers", "charts"),
)
RUNS = "runs"  # of `ls`: what is not shipped, but has been run here


def listing(kind: str) -> list[tuple[str, str]]:
    """Everything of a kind by name, each with a line that says what it is."""
    if (read := _READ.get(kind)) is not None:
        return list(read())
    if kind not in COMPONENTS:
        raise UnknownName(f"unknown kind {kind!r}{did_you_mean(kind, [*KINDS, RUNS])}")
    found = registry(kind)
    return [(name, _from(_told(found[name]), found[name])) for name in found]


Rows = Iterable[tuple[str, str]]


def _studies() -> Rows:
    return ((path.stem, shipped.question(path)) for path in shipped.studies())


def _methods() -> Rows:
    from dfkd_ray.methods import config

    return ((name, _method(name)) for name in config.method_names())


def _presets() -> Rows:
    from dfkd_ray.methods import presets

    return ((name, presets.headline(name)) for name in presets.names())


def _tasks() -> Rows:
    from dfkd_ray import datasets

    own = datasets.named.tasks
    for name in datasets.names():
        shown = shipped.headline(datasets.HERE / f"{name}.yaml") if name not in own else _told(own[name])
        yield name, _from(shown, own[name]) if name in own else shown


def _nets() -> Rows:
    from dfkd_ray import nets

    return ((name, _from(_net(name), nets.classifiers[name])) for name in nets.classifiers)


def _metrics() -> Rows:
    from dfkd_ray import metrics

    for row in sorted(metrics.known_rows(), key=attrgetter("name")):
        yield row.name, _from(row.about, metrics.own[row.name]) if row.name in metrics.own else row.about


def _trackers() -> Rows:
    from dfkd_ray.study.trackers import TRACKERS

    return TRACKERS.items()


_READ: Mapping[str, Callable[[], Rows]] = {
    "studies": _studies,
    "methods": _methods,
    "presets": _presets,
    "tasks": _tasks,
    "nets": _nets,
    "metrics": _metrics,
    "trackers": _trackers,
}
KINDS = (*_READ, *COMPONENTS)


def _told(item: Any) -> str:
    if hasattr(item, "section"):  # a chart
        return f"{item.title} ({item.section})"
    return shipped.first_sentence(item.__doc__ or "")


def _from(line: str, item: Any) -> str:
    """The line of a component, with where it is from if it does not ship."""
    from dfkd_ray.runs import plugins

    return f"{line} [{found}]".lstrip() if (found := plugins.origin(item)) else line


def registry(kind: str) -> Registry[Any]:
    """What there is of a kind of component."""
    if kind in ("samplers", "stoppers"):
        from dfkd_ray.study import specs

        found: Registry[Any] = getattr(specs, kind)
        return found
    if kind == "readers":
        from dfkd_ray.datasets import readers

        return readers
    if kind == "charts":
        import dfkd_ray.report.charts  # noqa: F401  fills the registry
        from dfkd_ray.report.chart import charts

        return charts
    if kind == "designs":
        from dfkd_ray.study.arms import designs

        return designs
    from dfkd_ray.methods import config  # noqa: F401  config fills the registries
    from dfkd_ray.parts import slots, total_loss

    if kind == "losses":
        return total_loss.terms
    if kind in ("lifecycles", "conditioners", "augmentations"):
        from dfkd_ray.parts.sources.conditions import conditioners
        from dfkd_ray.parts.sources.latents import augmentations
        from dfkd_ray.parts.sources.lifecycles import lifecycles

        parts: dict[str, Registry[Any]] = {"lifecycles": lifecycles, "conditioners": conditioners}
        return parts.get(kind, augmentations)
    found = getattr(slots, kind)
    return found


def _method(name: str) -> str:
    """The first sentence of a method's file, and what it rests on where that is not the paper or its code."""
    from dfkd_ray.methods import config, origins

    said = {"secondary": " [from secondary sources]", "reconstruction": " [reconstruction]", "own": " [our own]"}
    return shipped.headline(config.method_file(name)) + said.get(origins.evidence(name) or "", "")


def _net(name: str) -> str:
    """How large a net is; its weights are counted, not made."""
    import torch

    from dfkd_ray import nets

    with torch.device("meta"):
        net = nets.build(name, classes=10)
    millions = sum(p.numel() for p in net.parameters()) / 1e6
    return f"{millions:6.2f} M parameters at 10 classes, stages {', '.join(nets.taps_of(net).stages) or 'none'}"
