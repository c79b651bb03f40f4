"""Against numpy, and against Guo et al.'s definition written out image by image."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dfkd_ray.runs.evaluation.classification import BINS, PAIRS, calibration_error, confused, measure, rank, reliability


def drawn(seed: int, count: int, classes: int, sharp: float = 2.0) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (count,), generator=rng)
    logits = torch.randn(count, classes, generator=rng) * sharp
    logits[torch.arange(count), labels] += 1.5
    return logits, labels


def softmax(logits: Tensor) -> np.ndarray[Any, Any]:
    e = np.exp(logits.double().numpy() - logits.double().numpy().max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def ece(confidence: np.ndarray[Any, Any], right: np.ndarray[Any, Any], m: int = 15) -> float:
    """Eq. 3, with bin k of the images whose confidence is in ((k - 1) / m, k / m]."""
    bins: dict[int, list[int]] = {}
    for i, p in enumerate(confidence):
        bins.setdefault(math.ceil(round(p * m, 12)), []).append(i)
    return sum(len(b) / len(right) * abs(right[b].mean() - confidence[b].mean()) for b in bins.values())


@pytest.mark.parametrize(("count", "classes"), [(200, 12), (37, 6), (1, 7)])
def test_top_k_confidence_and_calibration(count: int, classes: int) -> None:
    logits, labels = drawn(count, count, classes)
    found, p = measure(logits, labels), softmax(logits)
    best = np.argsort(-p, 1)
    right = best[:, 0] == labels.numpy()
    assert found["top1"] == pytest.approx(right.mean())
    assert found["top5"] == pytest.approx((best[:, :5] == labels.numpy()[:, None]).any(1).mean())
    shares = [right[labels.numpy() == c].mean() for c in set(labels.tolist())]
    assert found["classes"] == pytest.approx(np.mean(shares)), "classes without images have no share"
    assert found["confidence"] == pytest.approx(p.max(1).mean())
    assert found["ece"] == pytest.approx(ece(p.max(1), right))
    assert sum(b["images"] for b in found["reliability"]) == count


def test_up_to_five_classes_there_is_no_top_five() -> None:
    assert measure(*drawn(0, 20, 5))["top5"] is None
    assert measure(*drawn(0, 20, 6))["top5"] is not None


def test_the_rank_counts_what_is_higher() -> None:
    logits, labels = drawn(1, 50, 9)
    order = np.argsort(-logits.numpy(), 1)
    assert rank(logits, labels).tolist() == [int(np.where(o == c)[0][0]) for o, c in zip(order, labels.tolist())]


def test_a_bin_holds_its_upper_end_and_not_its_lower() -> None:
    confidence = torch.tensor([1 / 15, 0.2, math.nextafter(0.2, 1), 1.0], dtype=torch.float64)
    bins = reliability(confidence, torch.tensor([True, True, False, True]))
    assert len(bins) == BINS
    assert {m: b["images"] for m, b in enumerate(bins) if b["images"]} == {0: 1, 2: 1, 3: 1, 14: 1}
    assert [(b["low"], b["high"]) for b in bins] == [(m / 15, (m + 1) / 15) for m in range(15)]
    empty = bins[1]
    assert (empty["confidence"], empty["accuracy"]) == (None, None)


def test_calibration_by_hand() -> None:
    """Four images at 0.9, of which two are right, and one at 0.5 that is: (4 * 0.4 + 1 * 0.5) / 5."""
    bins = reliability(torch.tensor([0.9, 0.9, 0.9, 0.9, 0.5]), torch.tensor([True, False, True, False, True]))
    assert calibration_error(bins) == pytest.approx(0.42)
    sure = reliability(torch.ones(4), torch.ones(4, dtype=torch.bool))
    assert calibration_error(sure) == 0.0


def test_confused_pairs_are_counted_and_sorted() -> None:
    labels, named = torch.randint(0, 8, (2, 400), generator=torch.Generator().manual_seed(3))
    expected = Counter(pair for pair in zip(labels.tolist(), named.tolist()) if pair[0] != pair[1])
    found = confused(named, labels, 8)
    assert len(found) == PAIRS
    assert [pair["images"] for pair in found] == sorted(expected.values(), reverse=True)[:PAIRS]
    assert all(expected[pair["label"], pair["named"]] == pair["images"] for pair in found)
    assert confused(labels, labels, 8) == []
    assert confused(torch.tensor([1, 0]), torch.tensor([0, 0]), 2) == [{"label": 0, "named": 1, "images": 1}]
