"""What there is of each kind, a name and a line each."""

from __future__ import annotations

from typing import Any

from dfkd_ray.util import shipped
from dfkd_ray.util.errors import UnknownName
from dfkd_ray.util.registry import Registry, did_you_mean

COMPONENTS = (
    *("losses", "sources", "lifecycles", "conditioners", "augmentations", "memories", "views"),
    *("samplers", "stoppers", "designs"),
)
RUNS = "runs"  # of `ls`: what is not shipped, but has been run here
KINDS = ("studies", "methods", "presets", "tasks", "nets", *COMPONENTS)


def listing(kind: str) -> list[tuple[str, str]]:
    if kind == "studies":
        return [(path.stem, shipped.question(path)) for path in shipped.studies()]
    if kind == "methods":
        from dfkd_ray.methods import config

        return [(name, _method(name)) for name in config.method_names()]
    if kind == "presets":
        from dfkd_ray.methods import presets

        return [(name, presets.headline(name)) for name in presets.names()]
    if kind == "tasks":
        from dfkd_ray import datasets

        return [(name, shipped.headline(datasets.HERE / f"{name}.yaml")) for name in datasets.names()]
    if kind == "nets":
        from dfkd_ray import nets

        return [(name, _net(name)) for name in nets.classifiers]
    if kind not in COMPONENTS:
        raise UnknownName(f"unknown kind {kind!r}{did_you_mean(kind, [*KINDS, RUNS])}")
    found = registry(kind)
    return [(name, shipped.first_sentence(found[name].__doc__ or "")) for name in found]


def registry(kind: str) -> Registry[Any]:
    """What there is of a kind of component."""
    if kind in ("samplers", "stoppers"):
        from dfkd_ray.study import specs

        found: Registry[Any] = getattr(specs, kind)
        return found
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

    said = {"secondary": " [from secondary sources]", "reconstruction": " [reconstruction]"}
    return shipped.headline(config.method_file(name)) + said.get(origins.evidence(name) or "", "")


def _net(name: str) -> str:
    """How large a net is; its weights are counted, not made."""
    import torch

    from dfkd_ray import nets

    with torch.device("meta"):
        net = nets.build(name, classes=10)
    millions = sum(p.numel() for p in net.parameters()) / 1e6
    return f"{millions:6.2f} M parameters at 10 classes, stages {', '.join(nets.taps_of(net).stages)}"
