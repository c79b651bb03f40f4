"""The images of trajectories, decoded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import torch
from torch import Tensor

from dfkd_ray.datasets.pools.card import PoolCard
from dfkd_ray.datasets.pools.pictures import decode
from dfkd_ray.datasets.pools.stream import trajectory_of
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.host import decoders


class Images(NamedTuple):
    """Images uint8 (N, C, H, W) at the size of the task, and of each (N,): the class that it was asked for, the number
    of the latent that it comes from (the estimates of one latent are much alike), whether it is finished."""

    images: Tensor
    labels: Tensor
    latents: Tensor
    final: Tensor


def decoded(
    parts: Sequence[tuple[pa.RecordBatch, Sequence[int]]], card: PoolCard, path_of: Callable[[int], Path]
) -> Images:
    """The chosen rows of trajectories; DataError names the file (`path_of` a trajectory) where one is no picture."""
    images = torch.empty((sum(len(rows) for _, rows in parts), *card.image), dtype=torch.uint8)
    found: list[tuple[int, int, bool]] = []
    with decoders() as threads:
        for batch, rows in parts:
            number = trajectory_of(batch)
            part = batch.select(["label", "latent", "final", "image"]).take(pa.array(rows, pa.int32()))
            labels, places, finals, pictures = (column.to_pylist() for column in part.columns)
            try:
                _fill(images[len(found) :], threads.map(partial(decode, image=card.image), pictures))
            except DataError as error:
                raise DataError(f"{path_of(number)}: an image of trajectory {number} {error}") from None
            found += zip(labels, (number * card.per_trajectory + place for place in places), finals)
    labels, latents, final = (torch.tensor(column) for column in zip(*found)) if found else [torch.empty(0)] * 3
    return Images(images, labels.long(), latents.long(), final.bool())


def _fill(images: Tensor, pictures: Iterator[Tensor]) -> None:
    for to, picture in enumerate(pictures):
        images[to] = picture
