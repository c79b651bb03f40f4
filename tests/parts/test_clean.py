"""The selection of TA-DFKD, against EM written out number by number, and against the library that its code calls."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dfkd_ray.parts.clean import clean, only_clean, posterior
from dfkd_ray.parts.slots import Batch
from dfkd_ray.util.errors import TrialFailed

FLOOR = 5e-4


def normal(x: float, mean: float, variance: float) -> float:
    return math.exp(-((x - mean) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)


def by_hand(values: list[float]) -> list[float]:
    """Ten steps of two means, ten of EM: the posterior of the lower component."""
    means = [0.0, 1.0]
    for _ in range(10):
        groups: list[list[float]] = [[], []]
        for x in values:
            groups[abs(x - means[0]) > abs(x - means[1])].append(x)
        means = [sum(group) / len(group) for group in groups]
    belongs = [[float(x in groups[0]), float(x in groups[1])] for x in values]
    for _ in range(11):
        sizes = [sum(row[i] for row in belongs) for i in (0, 1)]
        means = [sum(row[i] * x for row, x in zip(belongs, values)) / sizes[i] for i in (0, 1)]
        spread = [
            sum(row[i] * (x - means[i]) ** 2 for row, x in zip(belongs, values)) / sizes[i] + FLOOR for i in (0, 1)
        ]
        found = belongs
        dense = [[sizes[i] / len(values) * normal(x, means[i], spread[i]) for i in (0, 1)] for x in values]
        belongs = [[row[0] / sum(row), row[1] / sum(row)] for row in dense]
    lower = means.index(min(means))
    return [row[lower] for row in found]


def two_heaps(seed: int = 0) -> Tensor:
    """80 losses: 60 low ones and 20 high ones, in [0, 1]."""
    rng = torch.Generator().manual_seed(seed)
    low, high = torch.rand(60, generator=rng) * 0.2, 0.5 + torch.rand(20, generator=rng) * 0.5
    both = torch.cat([low, high]).double()
    return (both - both.min()) / (both.max() - both.min())


@pytest.mark.parametrize("seed", range(4))
def test_the_posterior_is_that_of_em(seed: int) -> None:
    values = two_heaps(seed)
    assert posterior(values).tolist() == pytest.approx(by_hand(values.tolist()), abs=1e-9)


def test_it_selects_as_the_library_of_the_code_does() -> None:
    mixture = pytest.importorskip("sklearn.mixture")
    for seed in range(6):
        values = two_heaps(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = mixture.GaussianMixture(2, max_iter=10, tol=1e-2, reg_covar=FLOOR, random_state=0)
            theirs = model.fit(values[:, None].numpy()).predict_proba(values[:, None].numpy())[:, model.means_.argmin()]
        ours = posterior(values) > 0.5
        assert (ours.numpy() == (theirs > 0.5)).mean() > 0.97
        assert ours[:60].float().mean() > 0.9
        assert not ours[60:].any()


def logits_of(losses: list[float]) -> Tensor:
    """Two classes, of which the first is the argmax, and the cross-entropy with it is each of these (< log 2)."""
    p = torch.tensor(losses, dtype=torch.float64).neg().exp()
    return torch.stack([p.log(), (1 - p).log()], 1)


def test_what_the_teacher_is_sure_of_is_clean() -> None:
    losses = [0.01, 0.02, 0.03, 0.02, 0.55, 0.6, 0.65]
    assert clean(logits_of(losses), 0.5).tolist() == [True] * 4 + [False] * 3
    assert clean(logits_of(losses) + 7.0, 0.5).tolist() == [True] * 4 + [False] * 3, "a shift of logits is no loss"


def test_images_that_are_alike_are_all_clean_and_one_is_always() -> None:
    assert clean(torch.zeros(5, 3), 0.5).all()
    assert clean(torch.randn(1, 3), 0.99).all()
    assert clean(torch.randn(9, 3), 1 - 1e-12).sum() >= 1


def test_what_is_not_finite_is_not_clean_and_hides_no_other() -> None:
    losses, bad = [0.01, 0.02, 0.03, 0.02, 0.55, 0.6, 0.65], torch.tensor([[math.nan, 0.0], [math.inf, 0.0]])
    logits = torch.cat([bad[:1], logits_of(losses), bad[1:]])
    assert clean(logits, 0.5).tolist() == [False] + [True] * 4 + [False] * 4
    assert not clean(bad, 0.0).any()
    with pytest.raises(
        TrialFailed, match=r"^not finite: what the teacher says of the source's images, so none of them"
    ):
        only_clean(nn.Flatten(), Batch(bad[:, :, None, None], None), 0.5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-60, 60), min_size=4, max_size=24), st.floats(0, 0.99))
def test_any_logits_have_a_clean_image_and_lower_losses_are_clean_first(row: list[float], threshold: float) -> None:
    logits = torch.tensor(row[: len(row) // 2 * 2], dtype=torch.float64).view(-1, 2)
    kept = clean(logits, threshold)
    assert kept.any()
    losses = -logits.log_softmax(1).amax(1)
    assert losses[kept].min() == losses.min()


def test_a_batch_loses_its_images_and_labels_together_and_no_gradient_is_asked_for() -> None:
    teacher = nn.Sequential(nn.Flatten(), nn.Linear(3, 2, bias=False))
    with torch.no_grad():
        teacher[1].weight.copy_(torch.eye(2, 3))  # type: ignore[operator]
    images = torch.zeros(6, 3, 1, 1)
    images[:4, 0] = 9.0  # sure; the rest is not
    kept = only_clean(teacher, Batch(images, torch.arange(6)), 0.5)
    assert kept.labels is not None
    assert kept.labels.tolist() == [0, 1, 2, 3]
    assert torch.equal(kept.images, images[:4])
    assert only_clean(teacher, Batch(images, None), 0.5).labels is None
    assert teacher[1].weight.grad is None
