from __future__ import annotations

import numpy as np
import pytest

from dfkd_ray import datasets
from dfkd_ray.datasets import gliders

# Means of a 4x4 grid of blocks over the three channels of the first images of seed 7, as drawn on x86-64 with numpy 2.
GOLDEN = [
    [
        [48.1, 47.93, 67.51, 49.59],
        [81.39, 97.51, 106.13, 52.35],
        [61.89, 129.68, 131.82, 97.95],
        [57.88, 110.5, 69.19, 58.97],
    ],
    [
        [19.13, 55.19, 40.58, 51.69],
        [25.12, 81.09, 103.91, 100.22],
        [66.12, 107.69, 132.44, 57.57],
        [25.04, 38.72, 121.62, 68.85],
    ],
    [
        [49.41, 52.83, 70.35, 58.31],
        [85.18, 124.59, 105.69, 56.19],
        [59.17, 127.34, 94.18, 77.86],
        [49.31, 65.82, 70.93, 50.34],
    ],
]


def blocks(image: np.ndarray) -> np.ndarray:
    return image.reshape(4, 8, 4, 8, 3).mean(axis=(1, 3, 4))


def test_the_drawing_is_the_same_everywhere():
    images, labels = gliders.draw(3, seed=7)
    assert labels.tolist() == [0, 1, 2]
    np.testing.assert_allclose([blocks(image) for image in images], GOLDEN, atol=0.05)


def test_an_image_depends_on_its_number_alone():
    few, many = gliders.draw(5, seed=4)[0], gliders.draw(70, seed=4)[0]  # 70: more than one chunk
    np.testing.assert_array_equal(few, many[:5])


def test_another_seed_draws_other_images():
    assert (gliders.draw(4, seed=1)[0] != gliders.draw(4, seed=2)[0]).mean() > 0.5


def test_twelve_classes_of_three_parts():
    assert len(gliders.CLASSES) == len(set(gliders.CLASSES)) == 12
    assert datasets.load("gliders").classes == gliders.CLASSES
    assert gliders.CLASSES[0] == "straight-plain-2"
    assert gliders.CLASSES[7] == "swept-v-4"


@pytest.mark.parametrize(
    ("one", "other", "where"), [(0, 1, "engines"), (0, 2, "tail"), (4, 6, "tail"), (8, 9, "engines"), (0, 4, "wing")]
)
def test_a_class_differs_only_in_its_part(one: int, other: int, where: str):
    """The same random numbers, another label: most pixels stay, some change."""
    uniform = np.random.default_rng(0).random((1, 24)).repeat(2, axis=0)
    first, second = gliders._render(np.array([one, other]), uniform, gliders.SIZE)[0]
    share = (np.abs(first - second).max(axis=2) > 0.02).mean()
    low, high = {"engines": (0.01, 0.15), "tail": (0.01, 0.10), "wing": (0.03, 0.30)}[where]
    assert low < share < high, share


def test_splits_are_balanced_and_share_no_image():
    drawn = {which: gliders.draw(240, seed) for which, (_, seed) in gliders.SPLITS.items()}
    assert all(np.bincount(labels).tolist() == [20] * 12 for _, labels in drawn.values())
    assert all(count % 12 == 0 for count, _ in gliders.SPLITS.values())
    assert len({seed for _, seed in gliders.SPLITS.values()}) == 3
    seen = [image.tobytes() for images, _ in drawn.values() for image in images]
    assert len(set(seen)) == len(seen)


def test_the_aircraft_stands_out_from_its_background():
    images, _ = gliders.draw(240, seed=5)
    level = images.max(axis=3).astype(float)
    corners = np.concatenate([level[:, :3, :3], level[:, -3:, -3:]]).mean()
    assert level[:, 12:20, 12:20].mean() > corners + 60


def test_val_and_test_have_the_stated_sizes():
    task = datasets.load("gliders")
    for which, count in (("val", 1_200), ("test", 2_400)):
        part = datasets.split(task, which)
        assert part.images.shape == (count, 3, 32, 32)
        assert part.labels.bincount().tolist() == [count // 12] * 12


def test_twice_the_side_is_the_same_drawing_with_more_detail():
    coarse, labels = gliders.draw(12, seed=7)
    fine, same = gliders.draw(12, seed=7, size=64)
    assert fine.shape == (12, 64, 64, 3)
    assert same.tolist() == labels.tolist()
    halved = fine.reshape(12, 32, 2, 32, 2, 3).astype(float).mean(axis=(2, 4))
    assert np.abs(halved - coarse).mean() < 7  # grey levels; edges and noise differ
    assert np.abs(halved[::-1] - coarse).mean() > 20


def test_gliders64_has_the_classes_of_gliders():
    task = datasets.load("gliders64")
    assert task.classes == gliders.CLASSES
    assert datasets.split(task, "val").images.shape == (1_200, 3, 64, 64)


@pytest.mark.parametrize("name", ["gliders", "gliders64"])
def test_the_normalisation_is_that_of_the_training_images(name: str):
    task = datasets.load(name)
    images, _ = gliders.draw(1_200, gliders.SPLITS["train"][1], task.image[-1])  # the beginning of the training split
    np.testing.assert_allclose(images.mean(axis=(0, 1, 2)) / 255, task.mean, atol=5e-3)
    np.testing.assert_allclose(images.std(axis=(0, 1, 2)) / 255, task.std, atol=5e-3)


def test_parts_and_depths_are_those_of_the_picture():
    images, labels, parts, depth = gliders.drawn(240, seed=5)
    assert all(set(np.unique(each)) == set(range(5)) for each in parts), "every aircraft shows every part"
    red, blue = images[..., 0].astype(float), images[..., 2].astype(float)
    warm, cool = (parts == gliders.PARTS.index(part) for part in ("engine", "tail"))
    assert (red > blue)[warm].mean() > 0.99
    assert (blue > red)[cool].mean() > 0.95
    engines = warm.sum((1, 2))
    assert engines[labels % 2 == 1].mean() > 1.7 * engines[labels % 2 == 0].mean(), "four of them, and two"
    assert (depth[parts == 0] == 2).all()
    near = [np.unique(d[p > 0]) for d, p in zip(depth, parts)]
    assert all(len(each) == 1 and 13.5 / 14.5 <= each[0] <= 13.5 / 12.5 for each in near)
    area = (parts > 0).sum((1, 2))[:12]
    assert np.corrcoef([each[0] for each in near], (parts > 0).sum((1, 2)))[0, 1] < 0, "what is near is large"
    assert (area > 0.1 * gliders.SIZE**2).all()


def test_a_split_has_what_is_drawn():
    images, labels = gliders.draw(6, 2)
    drawn = gliders.drawn(6, 2)
    np.testing.assert_array_equal(drawn.images, images)
    np.testing.assert_array_equal(drawn.labels, labels)
