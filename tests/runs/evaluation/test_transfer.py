"""Linear probes on features that nobody trains, against numbers by hand and the library that everybody has."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray import datasets
from dfkd_ray.nets.taps import Taps, attach_taps
from dfkd_ray.runs.evaluation.transfer import PENALTIES, difference, features, fit, probe, share, transfer
from dfkd_ray.runs.students import Network
from dfkd_ray.util.errors import DataError

CPU = torch.device("cpu")
TASK = datasets.load("gliders")


class Mean(nn.Module):
    """Its embedding is the mean colour, of which `blind` sees nothing."""

    def __init__(self, blind: bool = False) -> None:
        super().__init__()
        self.blind, self.head = blind, nn.Linear(3, 2)
        attach_taps(self, Taps((), head="head"))

    def forward(self, x: Tensor) -> Tensor:
        seen = x.mean((2, 3))
        return self.head(seen * 0 if self.blind else seen)


def network(blind: bool = False) -> Network:
    return Network("mean", Mean(blind), Path("mean.pt"), TASK)


def split(count: int, seed: int) -> datasets.Split:
    """Red and blue images: class 0 and 1, one in four of them mislabelled."""
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (count,), generator=rng)
    images = torch.randint(0, 80, (count, 3, 8, 8), generator=rng, dtype=torch.uint8)
    images[labels == 0, 0] += 150
    images[labels == 1, 2] += 150
    return datasets.Split(images, torch.where(torch.rand(count, generator=rng) < 0.25, 1 - labels, labels))


PARTS = {"train": split(120, 0), "val": split(60, 1), "test": split(200, 2)}


def test_a_probe_on_what_tells_the_classes_apart_beats_one_on_nothing() -> None:
    made = transfer({"student": network(), "untrained": network(blind=True)}, PARTS, CPU)
    accuracy = made["accuracy"]
    assert made["images"] == {"train": 120, "val": 60, "test": 200}
    assert accuracy["student"]["value"] == pytest.approx(0.75, abs=0.08)
    assert accuracy["untrained"]["value"] == pytest.approx(0.5, abs=0.12)
    gap = made["student_minus"]["untrained"]
    assert gap["value"] == pytest.approx(accuracy["student"]["value"] - accuracy["untrained"]["value"])
    assert 0 < gap["low"] < gap["value"] < gap["high"]
    assert made["penalty"]["untrained"] == max(PENALTIES), "of equals the plainer one"
    assert transfer({"student": network(), "untrained": network(blind=True)}, PARTS, CPU) == made


def test_features_are_the_input_of_the_last_layer_in_the_networks_own_normalisation() -> None:
    found = features(network(), PARTS["val"].images, CPU)
    expected = datasets.normalise(TASK, PARTS["val"].images).mean((2, 3))
    assert found.dtype == torch.float64
    assert torch.allclose(found, expected.double())


@pytest.mark.parametrize("penalty", [1e-3, 1e-1])
def test_the_probe_is_logistic_regression(penalty: float) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(90, 4, dtype=torch.float64, generator=rng)
    labels = (x @ torch.randn(4, 3, dtype=torch.float64, generator=rng)).argmax(1)
    labels[:20] = torch.randint(3, (20,), generator=rng)
    weights, bias = fit(x, labels, 3, penalty)
    theirs = linear.LogisticRegression(C=1 / (penalty * 90), tol=1e-10, max_iter=5000).fit(x.numpy(), labels.numpy())
    assert torch.allclose((x @ weights + bias).softmax(1), torch.from_numpy(theirs.predict_proba(x.numpy())), atol=1e-4)


def test_a_class_that_only_the_test_images_have_and_a_feature_that_never_moves() -> None:
    seen = {which: torch.ones(6, 2, dtype=torch.float64) for which in ("train", "val", "test")}
    labels = {"train": torch.tensor([0, 1, 1, 1, 0, 1]), "val": torch.ones(6).long(), "test": torch.full((6,), 2)}
    found = probe(seen, labels)
    assert not found.right.any()


@pytest.mark.parametrize(
    ("right", "of", "low", "high"), [(8, 10, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0)]
)
def test_wilsons_interval_as_tables_have_it(right: int, of: int, low: float, high: float) -> None:
    found = share(torch.arange(of) < right)
    assert found == pytest.approx((right / of, low, high), abs=1e-4)


def test_a_difference_is_paired() -> None:
    one, other = torch.tensor([1, 1, 1, 0]).bool(), torch.tensor([1, 0, 0, 1]).bool()
    each = [0, 1, 1, -1]
    sd = math.sqrt(sum((value - 0.25) ** 2 for value in each) / 3)
    half = 1.959964 * sd / 2
    assert difference(one, other) == pytest.approx((0.25, 0.25 - half, 0.25 + half))
    assert difference(one, one) == (0, 0, 0)


def test_features_that_are_not_finite_are_refused() -> None:
    task = datasets.load("gliders")
    broken = Network("mean", Mean(), Path("mean.pt"), task)
    broken.net.register_forward_pre_hook(lambda module, args: (args[0] * math.nan,))
    with pytest.raises(DataError, match=r"mean.pt: the student's features are not finite"):
        features(broken, PARTS["val"].images, CPU, "student")
