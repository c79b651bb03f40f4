"""A pool: the same rows and images however many shards it has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dfkd_ray.datasets.pools import Pool
from dfkd_ray.util.errors import DataError
from tests.datasets.pools.made import CARD, changed, fill, rewrite, trajectory

COUNT = 12


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return fill(tmp_path_factory.mktemp("pool"), COUNT)


def test_the_number_of_shards_decides_nothing(pool: Pool, tmp_path: Path) -> None:
    for shards in (1, 5):
        other = fill(tmp_path / str(shards), COUNT, replace(CARD, shards=shards))
        assert other.rows().equals(pool.rows())
        for one, two in zip(other.images(), pool.images()):
            assert torch.equal(one, two)
    assert pool.size == 4 * COUNT


def test_a_pool_that_stands_still_while_it_grows(tmp_path: Path) -> None:
    pool = fill(tmp_path, 4)
    still, digest = pool.still(), pool.digest
    assert fill(tmp_path, 6).digest != digest
    assert (still.digest, still.size, len(still.images().labels), pool.size) == (digest, 16, 16, 24)


def test_columns_that_were_asked_for(pool: Pool) -> None:
    rows = pool.rows(["label", "trajectory"])
    assert rows.column_names == ["label", "trajectory"]
    assert rows.column("trajectory").to_pylist() == [number for number in range(COUNT) for _ in range(4)]
    assert rows.column("label").to_pylist() == [number % 5 for number in range(COUNT) for _ in range(4)]


def test_images_as_they_were_made(pool: Pool) -> None:
    made = [(number, row) for number in range(COUNT) for row in trajectory(CARD, number)]
    images, labels, latents, final = pool.images()
    assert torch.equal(images, torch.stack([row.image for _, row in made]))
    assert labels.tolist() == [row.label for _, row in made]
    assert latents.tolist() == [4 * number + row.latent for number, row in made]
    assert final.tolist() == [row.final for _, row in made]


def test_images_that_were_asked_for(pool: Pool) -> None:
    made = [row for number in range(COUNT) for row in trajectory(CARD, number) if row.final]
    assert torch.equal(pool.images(intermediate=False).images, torch.stack([row.image for row in made]))
    few = pool.images(per_class=3)
    assert torch.bincount(few.labels).tolist() == [3] * 5
    assert few.latents[few.labels == 1].tolist() == [4, 4, 5], "the first"
    some = pool.images(intermediate=False, per_class=1, classes=[3, 1])
    assert some.labels.tolist() == [1, 3]


def test_the_estimates_of_a_latent_stand_together(tmp_path: Path) -> None:
    pool, rows = Pool.create(tmp_path, CARD), trajectory(CARD, 0)
    with pool.shard(1, 2) as shard:
        shard.append(0, [rows[0], rows[2], rows[1], rows[3]])  # in the order of the timesteps, as a source makes them
    assert torch.equal(pool.images().images, torch.stack([row.image for row in rows]))
    assert torch.equal(pool.images(per_class=2).images, torch.stack([row.image for row in rows[:2]]))


def test_an_empty_pool_has_none(tmp_path: Path) -> None:
    empty = Pool.create(tmp_path, CARD)
    assert (empty.size, empty.rows().num_rows) == (0, 0)
    images, labels, latents, final = empty.images()
    assert images.shape == (0, 3, 16, 16)
    assert (labels.dtype, latents.dtype, final.dtype) == (torch.int64, torch.int64, torch.bool)
    assert len(labels) == len(latents) == len(final) == 0


def test_images_come_at_the_size_of_the_task(tmp_path: Path) -> None:
    pool = fill(tmp_path, 2, replace(CARD, image=(1, 8, 8), mean=(0.5,), std=(0.5,)))
    assert pool.images().images.shape == (8, 1, 8, 8)


def test_the_digest_is_of_the_card_and_what_is_there(pool: Pool, tmp_path: Path) -> None:
    same = fill(tmp_path / "same", COUNT, replace(CARD, versions={}))
    assert same.digest == pool.digest
    assert fill(tmp_path / "less", COUNT - 1).digest != pool.digest
    assert fill(tmp_path / "seed", COUNT, replace(CARD, seed=8)).digest != pool.digest
    fill(same.folder, COUNT + 1)
    assert same.digest != pool.digest, "it has grown"


def test_another_number_of_shards_is_refused(pool: Pool) -> None:
    with pytest.raises(DataError, match="is a pool of 2 shards, not of 3: name another folder"):
        pool.shard(1, 3)
    for index in (0, 3):
        with pytest.raises(DataError, match=f"there is no shard {index} of 2"):
            pool.shard(index, 2)


def test_a_picture_that_is_none_is_told_with_its_file(tmp_path: Path) -> None:
    pool = fill(tmp_path, 3)
    first, third = pool.held(1).batches
    images = third.column("image").to_pylist()
    rewrite(pool.path(1), [first, changed(third, image=[images[0], b"", *images[2:]])])
    with pytest.raises(DataError) as refused:
        pool.images()
    said = f"{pool.path(1)}: an image of trajectory 2 cannot be decoded: "
    assert str(refused.value).startswith(said)
    assert len(pool.images(classes=[0, 1]).labels) == 8, "the others can be had"
