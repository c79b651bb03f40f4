"""The evaluation of one student on real images, beside its teacher: from networks to tables and pictures.

Nothing here is drawn or worded: `report.evaluation` makes the page, from the tables alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dfkd_ray import datasets
from dfkd_ray.datasets.readers import balanced
from dfkd_ray.parts.catching import catch
from dfkd_ray.parts.signals import mode
from dfkd_ray.runs import measures
from dfkd_ray.runs.evaluation.classification import confused, measure, rank
from dfkd_ray.runs.evaluation.overlays import FORMAT, overlaid, picture
from dfkd_ray.runs.evaluation.saliency import saliency
from dfkd_ray.runs.evaluation.shown import for_gallery, for_saliency
from dfkd_ray.runs.evaluation.tsne import MOST, plane
from dfkd_ray.runs.students import Distilled, Network
from dfkd_ray.train.runtime import Runtime
from dfkd_ray.util import tables
from dfkd_ray.util.errors import ConfigError, DataError, MissingExtra
from dfkd_ray.util.progress import progress


class Evaluation:
    """A student and its teacher on one split: both are run over it when this is made.

    part: images (N, C, H, W) uint8 and labels (N,) of the student's task. Raises DataError for logits that are not
    finite.
    """

    def __init__(self, distilled: Distilled, part: datasets.Split, runtime: Runtime) -> None:
        self.distilled, self.part, self.device = distilled, part, runtime.open()
        self.logits: dict[str, Tensor] = {}
        for name, network in distilled.networks.items():
            network.to(self.device)
            seen = progress(f"the {name} looks", len(part.images), "images")
            with torch.no_grad(), runtime.autocast(self.device), seen as tell:
                found = measures.logits(network.net, part.images, network.prepare, tell).cpu()
            if not found.isfinite().all():
                raise DataError(f"{network.weights}: the {name}'s logits are not finite: it diverged, or is damaged")
            self.logits[name] = found
        self.named = {name: found.argmax(1) for name, found in self.logits.items()}
        self.confidence = {name: found.softmax(1).amax(1) for name, found in self.logits.items()}

    def measures(self) -> dict[str, Any]:
        """Of each network: `classification.measure`; of both: `measures.faithfulness`; and what is confused most."""
        labels, classes = self.part.labels, len(self.distilled.task.classes)
        found: dict[str, Any] = {name: measure(logits, labels) for name, logits in self.logits.items()}
        if "teacher" in self.logits:
            found["agreement"], found["kl"] = measures.faithfulness(self.logits["teacher"], self.logits["student"])
        pairs = confused(self.named["student"], labels, classes)
        for pair in pairs:
            of = labels == pair["label"]
            pair["of"] = int(of.sum())
            if "teacher" in self.named:
                pair["teacher"] = int((self.named["teacher"][of] == pair["named"]).sum())
        return {**found, "confused": pairs}

    def tables(self, note: Mapping[str, Any]) -> dict[str, Any]:
        """`evaluation` and `examples`, see `dfkd_ray.util.tables`, with `note` and the measures in their metadata."""
        measures = self.measures()
        places, without = self._places()
        pictures, blind = self._pictures(measures)
        note = {**note, "measures": measures, "plane": {"missing": without}, "looks": {"missing": blind}}
        made = {"evaluation": self._rows(places), "examples": pictures}
        return {kind: tables.table(kind, rows, note) for kind, rows in made.items()}

    def _rows(self, places: Mapping[str, Mapping[int, list[float]]]) -> list[dict[str, Any]]:
        """One an image."""
        labels = self.part.labels
        columns: dict[str, list[Any]] = {"index": list(range(len(labels))), "label": labels.tolist()}
        for name, logits in self.logits.items():
            at = [places.get(name, {}).get(i, [None, None]) for i in columns["index"]]
            columns |= {
                name: self.named[name].tolist(),
                f"{name}_confidence": self.confidence[name].tolist(),
                f"{name}_rank": rank(logits, labels).tolist(),
                f"{name}_x": [x for x, _ in at],
                f"{name}_y": [y for _, y in at],
            }
        if "teacher" in self.logits:
            columns["kl"] = measures.divergence(self.logits["teacher"], self.logits["student"]).tolist()
        return [dict(zip(columns, row)) for row in zip(*columns.values())]

    def _places(self) -> tuple[dict[str, dict[int, list[float]]], str | None]:
        """By network and row: where its penultimate features lie in the plane; or why they do not.

        Of at most `tsne.MOST` images, of every class by its share.
        """
        drawn = sorted(balanced(self.part.labels.numpy())[:MOST].tolist())
        if len(drawn) < 4:
            return {}, "too few images"
        try:
            found = {name: plane(self._features(network, drawn)) for name, network in self.distilled.networks.items()}
        except MissingExtra as error:
            return {}, str(error)
        return {name: dict(zip(drawn, at.tolist())) for name, at in found.items()}, None

    @torch.no_grad()
    def _features(self, network: Network, rows: list[int]) -> Tensor:
        """(n, D): the input of the last linear layer."""
        with mode(network.net, training=False):
            batches = torch.split(torch.tensor(rows), measures.at_a_time(*self.part.images.shape[2:]))
            parts = [catch(network.net, self._prepared(network, batch), norms=False).embedding for batch in batches]
        return torch.cat(parts).float()

    def _prepared(self, network: Network, rows: Tensor) -> Tensor:
        return network.prepare(self.part.images[rows].to(self.device)).to(memory_format=torch.channels_last)

    def _pictures(self, measures: Mapping[str, Any]) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """Images, and where the networks look for the class that each of some is; and who cannot be asked, and why."""
        labels, named, confidence = self.part.labels, self.named["student"], self.confidence["student"]
        asked = torch.tensor(for_saliency(labels, named, confidence))
        rows = sorted({*for_gallery(labels, named, confidence, measures["confused"]), *asked.tolist()})
        made = [_picture(row, "image", self.part.images[row]) for row in rows]
        blind: dict[str, str] = {}
        for name, network in self.distilled.networks.items():
            try:
                heat = saliency(network.net, self._prepared(network, asked), labels[asked].to(self.device)).cpu()
            except ConfigError:
                blind[name] = f"the stages of {network.arch} are not known"
                continue
            images = self.part.images[asked]
            made += [_picture(i, name, overlaid(image, h)) for i, image, h in zip(asked.tolist(), images, heat)]
        return made, blind


def _picture(row: int, what: str, image: Tensor) -> dict[str, Any]:
    return {"index": row, "what": what, "format": FORMAT, "picture": picture(image)}
