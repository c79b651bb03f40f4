"""The evaluation of a dense student beside its teacher: how right they are at the positions of real images.

Nothing here is drawn or worded but `said`: `report.evaluation.dense_page` makes the page, from the tables alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from dfkd_ray import datasets, metrics
from dfkd_ray.datasets.quality import TALLIES, Areas, Judge
from dfkd_ray.runs import measures
from dfkd_ray.runs.evaluation.overlays import FORMAT, painted, palette, picture, shaded
from dfkd_ray.runs.students import Distilled, Network
from dfkd_ray.train.runtime import Runtime
from dfkd_ray.util import tables, words
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.progress import progress

EACH = 4  # images that are shown of the worst, of the middle and of the best
SWATCH = 14  # pixels of a class's colour
OF_IMAGE = {"segmentation": "miou", "depth": "rmse"}  # the measure that an image has by itself


class DenseEvaluation:
    """A student and its teacher on one split: both are run over it when this is made.

    part: images (N, C, H, W) uint8 and targets (N, H, W) of the student's task. Raises DataError for outputs that are
    not finite.
    """

    def __init__(self, distilled: Distilled, part: datasets.Split, runtime: Runtime) -> None:
        self.distilled, self.part, self.runtime, self.device = distilled, part, runtime, runtime.open()
        self.targets = distilled.task.targets
        self.measures: dict[str, dict[str, Any]] = {}
        self.positions: dict[str, int] = {}  # of each class
        self.by_image: dict[str, list[float]] = {}
        for name, network in distilled.networks.items():
            network.to(self.device)
            self.measures[name], self.by_image[name] = self._measured(name, network)

    def _measured(self, name: str, network: Network) -> tuple[dict[str, Any], list[float]]:
        """By network its measures, see `datasets.quality`; of a segmentation `classes` too, the IoU of each (None: of
        one that is nowhere). And the measure of each image by itself."""
        tally, found = TALLIES[self.targets](), list[float]()
        truth = torch.split(self.part.labels, measures.at_a_time(*self.part.images.shape[2:]))
        seen = progress(f"the {name} looks", len(self.part.images), "images")
        with torch.no_grad(), self.runtime.autocast(self.device), seen as tell:
            for told, true in zip(measures.outputs(network.net, self.part.images, network.prepare, tell), truth):
                if not told.isfinite().all():
                    raise DataError(
                        f"{network.weights}: the {name}'s outputs are not finite: it diverged, or is damaged"
                    )
                outputs, true = told.float(), true.to(self.device)
                tally.add(outputs, true)
                found += [self._alone(*each) for each in zip(torch.split(outputs, 1), torch.split(true, 1))]
        if not isinstance(tally, Areas):
            return tally.measures(), found
        self.positions = dict(zip(self.distilled.task.classes, tally.counts.sum(1).tolist()))
        shares = [None if share != share else share for share in tally.by_class().tolist()]
        return {**tally.measures(), "classes": dict(zip(self.distilled.task.classes, shares))}, found

    def _alone(self, outputs: Tensor, true: Tensor) -> float:
        judge: Judge = TALLIES[self.targets]()
        judge.add(outputs, true)
        return judge.measures()[OF_IMAGE[self.targets]]

    def tables(self, note: Mapping[str, Any]) -> dict[str, Any]:
        """`dense` and `examples`, see `dfkd_ray.util.tables`, with `note` and the measures in their metadata."""
        low, high = self._depths()
        of_image = OF_IMAGE[self.targets]
        said = {"measures": self.measures, "positions": self.positions, "of_image": of_image, "depths": [low, high]}
        rows = [
            {"index": row, **{name: found[row] for name, found in self.by_image.items()}}
            for row in range(len(self.part.images))
        ]
        made = {"dense": rows, "examples": [*self._swatches(), *self._pictures(low, high)]}
        return {kind: tables.table(kind, own, {**note, **said}) for kind, own in made.items()}

    def _depths(self) -> tuple[float, float]:
        """From the second to the 98th per cent of the true depths: what is drawn from violet to yellow."""
        if self.targets != "depth":
            return 0.0, 0.0
        some = self.part.labels.flatten().float()
        ends = torch.quantile(some[:: len(some) // 1_000_000 + 1], torch.tensor([0.02, 0.98])).tolist()
        return ends[0], ends[1]

    def _shown(self) -> list[int]:
        """The student's worst images, those in the middle, and its best."""
        found = torch.tensor(self.by_image["student"])
        order = found.argsort(descending=self.targets == "depth", stable=True).tolist()
        middle = max(0, len(order) // 2 - EACH // 2)
        return list(dict.fromkeys([*order[:EACH], *order[middle : middle + EACH], *order[-EACH:]]))

    def _pictures(self, low: float, high: float) -> Iterator[dict[str, Any]]:
        rows = torch.tensor(self._shown())
        images, classes = self.part.images[rows], len(self.distilled.task.classes)
        drawn: dict[str, list[bytes]] = {"image": [picture(image) for image in images]}
        told: dict[str, Tensor] = {"target": self.part.labels[rows]}
        for name, network in self.distilled.networks.items():
            outputs = torch.cat([*measures.outputs(network.net, images, network.prepare)]).float().cpu()
            told[name] = outputs[:, 0] if self.targets == "depth" else outputs.argmax(1)
        for what, maps in told.items():
            shown = (shaded(each, low, high) if self.targets == "depth" else painted(each, classes) for each in maps)
            drawn[what] = [picture(each, exact=True) for each in shown]
        for what, files in drawn.items():
            yield from (_row(index, what, file) for index, file in zip(rows.tolist(), files))

    def _swatches(self) -> Iterator[dict[str, Any]]:
        """The colour of each class."""
        if self.targets == "segmentation":
            for number, colour in enumerate(palette(len(self.distilled.task.classes))):
                flat = colour[:, None, None].expand(3, SWATCH, SWATCH)
                yield _row(number, "class", picture(flat, exact=True))


def _row(index: int, what: str, file: bytes) -> dict[str, Any]:
    return {"index": index, "what": what, "format": FORMAT, "picture": file}


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
