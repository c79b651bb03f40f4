"""Real images and real teachers, where they are at hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from dfkd_ray import datasets, teachers
from dfkd_ray.nets.heads import ToData
from dfkd_ray.parts.augmenting import augment
from dfkd_ray.parts.signals import Signals, deviation, statistics
from dfkd_ray.parts.views.crop import Crop
from dfkd_ray.teachers.weights import read_card

pytestmark = pytest.mark.shared


@pytest.mark.parametrize(("arch", "first_thousand"), [("resnet20", 0.915), ("resnet56", 0.926)])
def test_the_public_cifar10_teachers_reach_their_accuracy(shared: Path, arch: str, first_thousand: float):
    weights, data = shared / f"cifar10_{arch}.pt", shared / "cifar10_test.npz"
    task = teachers.adopt(datasets.load("cifar10"), weights, arch)
    assert task.mean == (0.485, 0.456, 0.406)
    assert task.normalised_by == f"the card beside cifar10_{arch}.pt"
    net, val = teachers.teacher(task), datasets.split(task, "val", data)
    assert len(val.labels) == 2_000
    x, y = datasets.normalise(task, val.images[:1000]), val.labels[:1000]
    with torch.no_grad():
        accuracy = (net(x).argmax(1) == y).double().mean().item()
    print(f"{arch} on the first 1,000 of {data.name}: {accuracy:.1%}")
    assert abs(accuracy - first_thousand) < 0.002  # as measured; a pixel's rounding may turn one image
    stated = (read_card(weights) or {})["test_accuracy_measured"] / 100  # of all 10,000
    assert abs(accuracy - stated) < 2 * (stated * (1 - stated) / 1000) ** 0.5


def test_the_test_file_of_cifar10_is_cut_as_its_readme_says(shared: Path):
    task, data = datasets.load("cifar10"), shared / "cifar10_test.npz"
    test = datasets.split(task, "test", data)
    assert test.images.shape == (8_000, 3, 32, 32)


def test_fashion_mnist_from_an_npz(shared: Path):
    task, data = datasets.load("fashion_mnist"), shared / "fashion_mnist.npz"
    train = datasets.split(task, "train", data)
    assert train.images.shape == (8_000, 1, 32, 32)
    x = datasets.normalise(task, train.images)
    assert abs(x.mean().item()) < 1e-3
    assert abs(x.std().item() - 1) < 1e-3
    assert datasets.split(task, "test", data).images.shape == (10_000, 1, 32, 32)


def test_the_prior_of_real_images_asks_for_the_black_border_that_the_teacher_learned_with(shared: Path):
    """Else the source loss pulls away from real images: a border of the mean colour leaves it nearly as it is."""
    task = teachers.adopt(datasets.load("cifar10"), shared / "cifar10_resnet20.pt", "resnet20")
    net = teachers.teacher(task)
    real = datasets.normalise(task, datasets.split(task, "val", shared / "cifar10_test.npz").images[:1000])

    def prior(images: Tensor) -> float:
        with torch.no_grad():
            norms = Signals(images, None, net, net).teacher.norms
            return sum(float(deviation(norm.layer, *statistics(norm.input))) for norm in norms)

    rng = torch.Generator().manual_seed(0)
    black = prior(augment((Crop(padding=4),), real, rng, ToData(task.mean, task.std)))
    grey = prior(Crop(padding=4)(real, rng))
    print(f"{prior(real):.1f} as they are, {black:.1f} with a black border, {grey:.1f} with a grey one")
    assert black < 0.2 * grey
    assert grey > 0.8 * prior(real)
