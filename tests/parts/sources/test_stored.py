"""A pool on the disk as a source: what the student sees of it, what it never sees, and whose it has to be."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from dfkd_ray.datasets.pools import Pool, TeacherFacts, selection
from dfkd_ray.datasets.pools.selection import Selection
from dfkd_ray.nets.digest import digest
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.slots import Batch, Belongs
from dfkd_ray.parts.sources import stored
from dfkd_ray.parts.sources.stored import LiveStored, Stored
from dfkd_ray.util.errors import ConfigError, DataError
from tests.datasets.pools.made import CARD, fill, trajectory
from tests.tiny import opened, small, toy

NAMES = CARD.classes
SETTING = Setting(CARD.image, 5, CARD.mean, CARD.std, Layout((), 6), Layout((), 6), NAMES)
CPU = torch.device("cpu")
COUNT = 20  # trajectories: four of each class, each of two latents with two estimates


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Pool:
    return fill(tmp_path_factory.mktemp("pool"), COUNT)


def live(pool: Pool, setting: Setting = SETTING, **fields: Any) -> LiveStored:
    return Stored(str(pool.folder), **fields).open(setting, (), CPU)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@cache
def known() -> dict[bytes, tuple[int, int, bool, int]]:
    """Every image of the pool by its bytes: its trajectory, latent, whether it is finished, and its class."""
    return {
        row.image.numpy().tobytes(): (number, row.latent, row.final, row.label)
        for number in range(COUNT)
        for row in trajectory(CARD, number)
    }


def seen(batch: Batch) -> list[tuple[int, int, bool, int]]:
    """What the images of a batch are, found by their pixels, with the labels that the batch has."""
    pixels = ((batch.images * 0.25 + 0.5) * 255).round().to(torch.uint8)
    found = [known()[image.numpy().tobytes()] for image in pixels]
    assert batch.labels is not None
    assert batch.labels.tolist() == [label for *_, label in found]
    return found


def test_the_student_gets_the_images_as_the_teacher_takes_them_with_their_labels(pool: Pool) -> None:
    batch = live(pool).sample(200, rng(), training=True)
    found = seen(batch)
    assert batch.images.dtype == torch.float32
    assert {final for _, _, final, _ in found} == {True, False}
    assert {label for *_, label in found} == set(range(5))
    assert len(set(found)) > 50, "at random"


def test_finished_images_alone_and_the_first_of_each_class(pool: Pool) -> None:
    finished = seen(live(pool, intermediate=False, held_out=0).sample(300, rng(), training=True))
    assert {final for _, _, final, _ in finished} == {True}
    few = seen(live(pool, per_class=3, held_out=0).sample(300, rng(), training=True))
    assert {each[:3] for each in few if each[3] == 1} == {(1, 0, False), (1, 0, True), (1, 1, False)}


@pytest.mark.parametrize(("held_out", "latents"), [(10, 5), (9, 5), (11, 6), (0.25, 10), (0.001, 1), (1, 1)])
def test_what_is_held_out_is_never_taught(held_out: float, latents: int, pool: Pool) -> None:
    source = live(pool, held_out=held_out)
    held = seen(source.sample(2 * latents, rng(), training=False))
    assert len(set(held)) == 2 * latents, "all estimates of a latent"
    assert len({each[:2] for each in held}) == latents
    taught = seen(source.sample(800, rng(), training=True))
    assert not {each[:2] for each in held} & {each[:2] for each in taught}
    per_class = torch.bincount(torch.tensor([label for *_, label in held]), minlength=5)
    assert per_class.max() - per_class.min() <= 2, "the classes in turn"
    last = {label: max(each[:2] for each in held if each[3] == label) for label in {each[3] for each in held}}
    assert last == {label: (15 + label, 1) for label in last}, "the last of each"


def test_an_evaluation_takes_them_in_order_from_a_random_one_on(pool: Pool) -> None:
    source = live(pool, held_out=20)
    all_of_them = source.sample(20, rng(), training=False)
    again = source.sample(30, rng(), training=False)
    assert torch.equal(again.images[:20], all_of_them.images)
    assert torch.equal(again.images[20:], all_of_them.images[:10]), "and over again where more are wanted"
    starts = {seen(source.sample(1, rng(seed), training=False))[0] for seed in range(30)}
    assert len(starts) > 5


def test_with_none_held_out_the_student_knows_what_is_evaluated(pool: Pool) -> None:
    source = live(pool, held_out=0)
    held = {*seen(source.sample(80, rng(), training=False))}
    assert held == {*known().values()}


def test_too_much_to_hold_out_is_refused(pool: Pool, tmp_path: Path) -> None:
    few = fill(tmp_path, 5)  # one latent of each class is spare
    with pytest.raises(ConfigError) as refused:
        live(few, held_out=11)
    assert str(refused.value) == (
        "held_out: 11 asks for 11 images, and only 10 of 20 images are beyond the first latent of their class: "
        "make more, or take fewer"
    )
    assert len(set(seen(live(few, held_out=10).sample(10, rng(), training=False)))) == 10


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"per_class": 0}, "per_class must be at least 1, got 0"),
        ({"held_out": -1}, "held_out must be a number of images or a share of them below 1, got -1"),
        ({"held_out": 1.5}, "held_out must be a number of images or a share of them below 1, got 1.5"),
    ],
)
def test_what_makes_no_sense_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Stored("pool", **fields)


def test_nothing_improves_and_nothing_is_remembered(pool: Pool) -> None:
    source = live(pool)
    assert list(source.improve(4, 3, None, rng(), 0.0)) == []  # type: ignore[arg-type]
    assert source.state_dict() == {}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (replace(SETTING, image=(3, 8, 8)), "images (channels, height, width) (3, 16, 16) there, (3, 8, 8) here"),
        (replace(SETTING, classes=7), "a number of classes 5 there, 7 here"),
        (replace(SETTING, names=("a", "b", "c", "x", "e")), "a class d there, x here"),
        (replace(SETTING, mean=(0.0,) * 3), "mean (0.5, 0.5, 0.5) there, (0.0, 0.0, 0.0) here"),
        (replace(SETTING, std=(1.0,) * 3), "std (0.25, 0.25, 0.25) there, (1.0, 1.0, 1.0) here"),
    ],
)
def test_a_pool_for_another_task_is_refused(setting: Setting, said: str, pool: Pool) -> None:
    with pytest.raises(ConfigError) as refused:
        live(pool, setting)
    assert str(refused.value) == f"folder: {pool.folder} is a pool for shapes: {said}"


def test_a_pool_that_is_not_there_or_empty_is_refused(pool: Pool, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no pool"):
        Stored(str(tmp_path / "none")).open(SETTING, (), CPU)
    with pytest.raises(ConfigError, match=r"folder: .*: no image is in this pool yet"):
        live(Pool.create(tmp_path, CARD))


def test_a_digest_holds_the_pool_as_it_is(tmp_path: Path) -> None:
    pool = fill(tmp_path, 10)
    bound = pool.digest
    assert len(live(pool, digest=bound).images) == 40
    fill(tmp_path, 15)
    with pytest.raises(ConfigError) as refused:
        live(pool, digest=bound)
    assert str(refused.value) == f"digest: {tmp_path} is {pool.digest}, another pool or one that has grown"
    assert len(live(pool).images) == 60, "what was read before is not taken for what is there now"


def test_trials_of_a_process_read_it_once(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    first = live(pool)
    monkeypatch.setattr(Pool, "images", lambda *args: pytest.fail("read again"))
    assert live(pool, held_out=8).images is first.images


def test_large_pools_stay_in_the_memory_of_the_host(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    few = live(pool)
    monkeypatch.setattr(stored, "ON_DEVICE", 0)
    many = live(pool)
    assert torch.equal(few.sample(5, rng(), True).images, many.sample(5, rng(), True).images)


def test_a_run_refuses_the_images_of_another_teacher(tmp_path: Path) -> None:
    teacher, other = toy(1), toy(2)
    card = replace(CARD, teacher=TeacherFacts("toy", digest(teacher.state_dict())))
    pool = fill(tmp_path, 15, card)
    changes = {"source": {"name": "stored", "folder": str(tmp_path)}, "source_loss": {}, "memory": "fresh"}
    run = opened(small(changes), teacher=teacher)
    assert isinstance(run.source, LiveStored)
    assert isinstance(run.source, Belongs)
    with pytest.raises(ConfigError) as refused:
        opened(small(changes), teacher=other)
    assert str(refused.value) == (
        f"source.folder: {pool.folder} is a pool for shapes, made from the teacher toy with the weights "
        f"{digest(teacher.state_dict())}; those here are {digest(other.state_dict())}"
    )


def chosen(of: Pool, rows: tuple[int, ...] = (0, 1), weights: tuple[float, ...] = (0.2,) * 5, **fields: Any) -> str:
    told = {"pool": of.digest, "score": "herding", "share": 0.5, "intermediate": True, "rows": rows}
    selection.write(of.folder, "some", Selection(**{**told, "weights": weights, **fields}))  # type: ignore[arg-type]
    return "some"


def test_only_what_a_selection_keeps_is_seen_and_its_classes_as_often_as_it_says(pool: Pool) -> None:
    images = pool.images()
    rows = tuple(i for i, label in enumerate(images.labels.tolist()) if label < 2 or i % 4 == 0)
    keep = chosen(pool, rows, (0.5, 0.1, 0.2, 0.1, 0.1))
    source = live(pool, keep=keep, held_out=0)
    batch = source.sample(4000, rng(), training=True)
    kept = {images.images[row].numpy().tobytes() for row in rows}
    pixels = ((batch.images * 0.25 + 0.5) * 255).round().to(torch.uint8)
    assert {image.numpy().tobytes() for image in pixels} == kept
    assert batch.labels is not None
    shares = torch.bincount(batch.labels, minlength=5) / 4000
    assert shares.tolist() == pytest.approx([0.5, 0.1, 0.2, 0.1, 0.1], abs=0.03)


def test_what_is_held_out_is_the_same_with_a_selection(pool: Pool) -> None:
    keep = chosen(pool, tuple(range(0, 80, 2)), (0.2,) * 5)
    whole, part = live(pool, held_out=10), live(pool, held_out=10, keep=keep)
    assert torch.equal(whole.held, part.held)
    assert not {*part.train.tolist()} & {*part.held.tolist()}
    assert {*part.train.tolist()} < {*whole.train.tolist()}


def test_a_selection_of_another_pool_or_of_other_images_is_refused(pool: Pool) -> None:
    for fields, message in (
        ({"pool": "0" * 16}, "keep: some is of this pool as it was, 0000000000000000: prune it again"),
        ({"intermediate": False}, "keep: some was chosen with intermediate false and per_class null: set them so"),
        ({"rows": ()}, "keep: some keeps no image but those that are held out"),
        (
            {"rows": (0, 1), "weights": (0.0, 0.25, 0.25, 0.25, 0.25)},
            "keep: the selection has no weight for any class of the images that it keeps and does not hold out: prune "
            "it again, or set held_out to fewer",
        ),
    ):
        keep = chosen(pool, **fields)
        with pytest.raises(ConfigError, match=message):
            live(pool, keep=keep)
