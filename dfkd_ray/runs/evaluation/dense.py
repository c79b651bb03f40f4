"""The evaluation of a dense student beside its teacher: how right they are at the positions of real images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch

from dfkd_ray import datasets, metrics
from dfkd_ray.datasets.quality import TALLIES, Areas
from dfkd_ray.runs import measures
from dfkd_ray.runs.students import Distilled, Network
from dfkd_ray.train.runtime import Runtime
from dfkd_ray.util import words
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.progress import progress


def evaluated(distilled: Distilled, part: datasets.Split, runtime: Runtime) -> dict[str, dict[str, Any]]:
    """By network its measures, see `datasets.quality`; of a segmentation `classes` too, the IoU of each (None: of one
    that is nowhere). DataError for outputs that are not finite."""
    return {name: _measured(name, network, part, runtime) for name, network in distilled.networks.items()}


def _measured(name: str, network: Network, part: datasets.Split, runtime: Runtime) -> dict[str, Any]:
    device, tally = runtime.open(), TALLIES[network.task.targets]()
    network.to(device)
    targets = torch.split(part.labels, measures.at_a_time(*part.images.shape[2:]))
    seen = progress(f"the {name} looks", len(part.images), "images")
    with torch.no_grad(), runtime.autocast(device), seen as tell:
        for outputs, true in zip(measures.outputs(network.net, part.images, network.prepare, tell), targets):
            if not outputs.isfinite().all():
                raise DataError(f"{network.weights}: the {name}'s outputs are not finite: it diverged, or is damaged")
            tally.add(outputs.float(), true.to(device))
    if not isinstance(tally, Areas):
        return tally.measures()
    shares = [None if share != share else share for share in tally.by_class().tolist()]
    return {**tally.measures(), "classes": dict(zip(network.task.classes, shares))}


def said(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """The measures in lines, student and teacher side by side; under a mean IoU those of the classes."""
    keys = [key for key in found["student"] if key != "classes"]
    rows: list[tuple[str, list[str]]] = [("", [*found])]
    for quality in map(metrics.measure, keys):
        rows.append((quality.said, [_printed(quality.val, own[quality.key]) for own in found.values()]))
    for name in found["student"].get("classes", {}):
        rows.append((f"  {name}", [_printed(metrics.MIOU.val, own["classes"][name]) for own in found.values()]))
    width = max(len(name) for name, _ in rows)
    for name, cells in rows:
        yield f"{name:<{width}}" + "".join(f"{cell:>10}" for cell in cells)


def _printed(metric: str, value: float | None) -> str:
    return words.for_terminal(metrics.with_unit(metric, value))
