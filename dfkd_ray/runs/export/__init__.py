"""Students for use elsewhere: files in other formats, each compared with the network that it was made from."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import torch
from torch import Tensor, nn

from dfkd_ray.nets.heads import ToData
from dfkd_ray.runs.export.formats import FORMATS, INPUT, Card
from dfkd_ray.runs.students import Network
from dfkd_ray.teachers.weights import network_facts
from dfkd_ray.util.errors import DfkdError
from dfkd_ray.util.files import replace
from dfkd_ray.util.progress import each

COMPARED = 64  # inputs
TOLERANCE = 1e-4  # of the largest logit (of 1, where all are smaller)
TIES = 1e-3  # of the positions of dense outputs: how many may name another class, none of COMPARED images


class Differs(DfkdError):
    """What was exported does not compute what the network does."""


class FromBytes(nn.Module):
    """uint8 images in 0..255 to the network's input space, (x / 255 - mean) / std, and through the network."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.normalise, self.net = ToData(network.task.mean, network.task.std), network.net

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) uint8 -> logits (B, K), or (B, K, H, W)."""
        logits: Tensor = self.net(self.normalise(images.float() / 255))
        return logits


def export(
    network: Network, kinds: Iterable[str], folder: Path, normalised: bool, card: Card, name: str = ""
) -> list[dict[str, Any]]:
    """Write the network in each format into `folder`, compare what was written, and say of each file what it is.

    normalised: a format with a graph takes uint8 images in 0..255 and normalises them itself; else float32 ones in the
    network's input space, (x / 255 - mean) / std. The batch is of any size. Each file is run on COMPARED images of
    uniform noise beside the network, on the CPU: Differs, and nothing is left, where a logit is further off than
    TOLERANCE of the largest, or a top class is another one. A file that was there is replaced.
    name: of the files, without ending; else that of the file of weights.
    """
    network.net.to(torch.device("cpu")).to(memory_format=torch.contiguous_format)
    with _unproven(folder) as beside:
        made = [
            _made(network, kind, beside / (name or network.weights.stem), normalised, card)
            for kind in each(list(dict.fromkeys(kinds)), "exporting", "formats")
        ]
        for path in beside.iterdir():
            replace(path, folder / path.name)
    return made


@contextmanager
def _unproven(folder: Path) -> Iterator[Path]:
    """A folder inside of `folder`, which is made; it is gone when the block ends, as is an empty `folder` of ours."""
    ours = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    beside = Path(mkdtemp(prefix=".export-", dir=folder))
    try:
        yield beside
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        if ours and not any(folder.iterdir()):
            folder.rmdir()


def card_of(network: Network, **more: Any) -> dict[str, Any]:
    """What goes with the weights: all that opens them again, as a teacher too."""
    return {**network_facts(network.task, network.arch), **more}


def _made(network: Network, kind: str, stem: Path, normalised: bool, card: Card) -> dict[str, Any]:
    form = FORMATS[kind]
    inside = normalised and form.graph
    net = FromBytes(network).eval() if inside else network.net
    noise = torch.randint(0, 256, (COMPARED, *network.task.image), generator=torch.Generator().manual_seed(0))
    images = noise.to(torch.uint8) if inside else network.prepare(noise.to(torch.uint8))
    seen = "uint8 images, 0 to 255" if inside else "float32 images, (x / 255 - mean) / std"
    told = {"input": {"name": INPUT, "shape": [None, *network.task.image], "values": seen}} if form.graph else {}
    path = stem.with_name(f"{stem.name}{form.suffix}")
    form.save(net, images[:2].clone(), {**card, **told}, path)
    with torch.no_grad():
        facts = compared(net(images), form.load(path, net)(images), path.name)
    return {"format": kind, "file": path.name, "bytes": path.stat().st_size, **told, **facts}


def compared(expected: Tensor, found: Tensor, name: str) -> Mapping[str, Any]:
    """How far logits (N, K), or (N, K, H, W), are from those expected; Differs beyond the tolerance."""
    limit = TOLERANCE * max(1.0, float(expected.abs().max()))
    difference = float((found.float() - expected).abs().max())
    alike = found.argmax(1) == expected.argmax(1)
    same, count = int(alike.sum()), alike.numel()
    if not difference <= limit or count - same > TIES * count:
        raise Differs(
            f"{name} computes something else: logits differ by up to {difference:.3g} (at most {limit:.3g} is let "
            f"pass), and {same} of {count} top classes are the same; nothing was kept"
        )
    return {"inputs": count, "difference": difference, "limit": limit, "same_top_class": same}


__all__ = ["Differs", "card_of", "compared", "export"]
