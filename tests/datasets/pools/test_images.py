"""The images of trajectories, decoded: in the order in which they were asked for, each with what it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
import torch

from dfkd_ray.datasets.pools.images import decoded
from dfkd_ray.datasets.pools.stream import read_shard
from dfkd_ray.util.errors import DataError
from tests.datasets.pools.made import CARD, changed, fill, trajectory

ONE = replace(CARD, shards=1)
COUNT = 3


@pytest.fixture(scope="module")
def batches(tmp_path_factory: pytest.TempPathFactory) -> list[pa.RecordBatch]:
    return read_shard(fill(tmp_path_factory.mktemp("pool"), COUNT, ONE).path(1)).batches


def nowhere(number: int) -> Path:
    return Path(f"of-{number}")


def test_rows_come_as_they_were_asked_for(batches: list[pa.RecordBatch]) -> None:
    asked = [(2, [3, 0]), (0, [1])]
    found = decoded([(batches[number], rows) for number, rows in asked], ONE, nowhere)
    wanted = [trajectory(ONE, number)[row] for number, rows in asked for row in rows]
    assert torch.equal(found.images, torch.stack([row.image for row in wanted]))
    assert found.labels.tolist() == [row.label for row in wanted]
    assert found.final.tolist() == [row.final for row in wanted]
    # four images a trajectory, two of each latent: the number of a latent is its own in the whole pool
    assert found.latents.tolist() == [2 * 4 + 1, 2 * 4 + 0, 0]
    assert (found.labels.dtype, found.latents.dtype, found.final.dtype) == (torch.int64, torch.int64, torch.bool)


def test_of_nothing_there_are_no_images(batches: list[pa.RecordBatch]) -> None:
    for parts in ([], [(batches[0], [])]):
        found = decoded(parts, ONE, nowhere)
        assert found.images.shape == (0, *ONE.image)
        assert [(part.shape, part.dtype) for part in found[1:]] == [
            ((0,), torch.int64),
            ((0,), torch.int64),
            ((0,), torch.bool),
        ]


def test_images_of_another_size_come_at_that_of_the_task(batches: list[pa.RecordBatch]) -> None:
    found = decoded([(batches[0], [0])], replace(ONE, image=(1, 8, 8), mean=(0.5,), std=(0.25,)), nowhere)
    assert found.images.shape == (1, 1, 8, 8)


def test_a_picture_that_is_none_is_told_with_its_file_and_its_trajectory(batches: list[pa.RecordBatch]) -> None:
    broken = changed(batches[1], image=[b"no picture"] * 4)
    with pytest.raises(DataError, match=r"^of-1: an image of trajectory 1 cannot be decoded"):
        decoded([(batches[0], [0]), (broken, [2])], ONE, nowhere)
