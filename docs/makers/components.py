"""A page for each kind of component, from its registry: what is registered appears by itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import dfkd_ray.report.charts  # noqa: F401  fills the registry
from dfkd_ray.cli import kinds
from dfkd_ray.datasets import readers
from dfkd_ray.methods import config
from dfkd_ray.parts.optimizers import lr_schedules, optimizers
from dfkd_ray.report.chart import Chart, charts
from dfkd_ray.study.domains import domains
from dfkd_ray.util.registry import Registry
from makers import fields, markup
from makers.told import told


class Kind(NamedTuple):
    """A page of the gallery: its title, and what stands above its entries."""

    title: str
    about: str


KINDS = {
    "losses": Kind(
        "Losses",
        "Terms of `source_loss` and `student_loss`. Every term has a `weight` (default 1.0) and a `start`, the epochs "
        "before it counts (default 0), beside the fields listed here: see [terms](../concepts/terms.md). The formulas "
        "are those of the docstrings: t teacher, s student, b image of the batch of B, K classes.",
    ),
    "sources": Kind("Sources", "Where images come from, the slot `source`: see [sources](../concepts/sources.md)."),
    "lifecycles": Kind("Lifecycles", "How long the weights of a generator live, the field `source.lifecycle`."),
    "conditioners": Kind("Conditioners", "How a generator is told the class to draw, the field `source.condition`."),
    "augmentations": Kind("Latent augmentations", "What a diffusion model's latents go through, `source.augment`."),
    "memories": Kind(
        "Memories", "What the student trains on, the slot `memory`: see [memories](../concepts/memories.md)."
    ),
    "views": Kind("Views", "Augmentations of synthetic images, the lists `views.synthesis` and `views.student`."),
    "optimizers": Kind("Optimisers", "The fields `student.optimizer` and `source.optimizer`."),
    "lr_schedules": Kind("Learning-rate schedules", "The fields `student.lr_schedule` and `source.lr_schedule`."),
    "readers": Kind("Readers", "How a [task](../concepts/tasks.md)'s images lie on the disk, its key `reader`."),
    "domains": Kind("Domains", "What a sweep may draw for a path under `search`: see [sweeps](../concepts/sweeps.md)."),
    "samplers": Kind("Samplers", "Who proposes the trials of a [sweep](../concepts/sweeps.md), the key `sampler`."),
    "stoppers": Kind("Stoppers", "Which trials of a [sweep](../concepts/sweeps.md) end early, the key `stopper`."),
    "designs": Kind("Designs", "Which arms an [ablation](../concepts/ablations.md) runs, the key `design`."),
    "charts": Kind("Charts", "What a study's page draws: see [reports](../concepts/reports.md)."),
}
OWN: dict[str, Registry[Any]] = {
    "optimizers": optimizers,
    "lr_schedules": lr_schedules,
    "domains": domains,
    "charts": charts,
    "readers": readers,
}


def pages() -> Iterator[tuple[str, str, str]]:
    """(path, title, Markdown) of each; a kind that `ls` knows and nobody has named here is named by its key."""
    for kind in dict.fromkeys([*KINDS, *kinds.COMPONENTS]):
        title, about = KINDS.get(kind, Kind(kind.capitalize(), ""))
        found = registry(kind)
        entries = (_entry(kind, name, found[name]) for name in found)
        yield f"gallery/{kind}.md", title, markup.page(title, about, *entries)


def registry(kind: str) -> Registry[Any]:
    """The registry of a kind."""
    return OWN[kind] if kind in OWN else kinds.registry(kind)


def _entry(kind: str, name: str, component: Any) -> str:
    about = _chart(component) if kind == "charts" else _told(component)
    uses = ", ".join(f"[{method}](methods/{method}.md)" for method in _using(kind, name))
    parts = [f"## `{name}`", *about, fields.table(component), f"In {uses}." if uses else ""]
    return "\n\n".join(part for part in parts if part)


def _told(component: Any) -> Iterator[str]:
    """The docstring: what is a formula stands apart."""
    found = told(component)
    for paragraph in (found.first, *found.more):
        yield markup.formula(paragraph) if paragraph.startswith("L = ") else markup.text(paragraph)


def _chart(chart: type[Chart]) -> Iterator[str]:
    yield f"**{markup.text(chart.title)}**, in the section “{markup.text(chart.section)}”. {markup.text(chart.reading)}"
    yield f"Where there is nothing to draw: {markup.text(chart.empty)}"


def _using(kind: str, name: str) -> Iterator[str]:
    """The shipped methods that have a component."""
    return (method for method in config.method_names() if (kind, name) in _parts_of(method))


@cache
def _parts_of(method: str) -> frozenset[tuple[str, str]]:
    return frozenset(_parts(config.plain(config.load(method))))


def _parts(plain: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(kind, name) of every component in a resolved method."""
    for slot in ("source_loss", "student_loss"):
        yield from (("losses", term.get("name", name)) for name, term in plain[slot].items())
    source = plain["source"]
    yield "sources", source["name"]
    yield "memories", plain["memory"]["name"]
    for key, kind in {"lifecycle": "lifecycles", "condition": "conditioners", "augment": "augmentations"}.items():
        if source.get(key):
            yield kind, source[key]["name"]
    for owner in (plain["student"], source):
        for key, kind in {"optimizer": "optimizers", "lr_schedule": "lr_schedules"}.items():
            if owner.get(key):
                yield kind, owner[key]["name"]
    yield from (("views", view["name"]) for views in plain["views"].values() for view in views)
