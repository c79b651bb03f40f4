"""What is told of a network's logits on labelled images: how often it is right, and whether it knows it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

BINS = 15  # Guo et al.'s number
TOP = 5
PAIRS = 10  # most confused pairs that are told


def measure(logits: Tensor, labels: Tensor) -> dict[str, Any]:
    """Measures of one network as plain data, from logits (N, K) and labels (N,).

    top1, top5 (None up to 5 classes): shares of images. classes: the mean over the classes of each one's share, over
    those that have images. confidence: the mean softmax of the top class. ece: see `calibration_error`; reliability:
    the bins that it is the sum of.
    """
    confidence, named = logits.double().softmax(1).max(1)
    right, ranks = named == labels, rank(logits, labels)
    counts = torch.bincount(labels, minlength=logits.shape[1])
    by_class = torch.bincount(labels[right], minlength=logits.shape[1]) / counts
    bins = reliability(confidence, right)
    return {
        "top1": _mean(right),
        "top5": _mean(ranks < TOP) if logits.shape[1] > TOP else None,
        "classes": _mean(by_class[counts > 0]),
        "confidence": _mean(confidence),
        "ece": calibration_error(bins),
        "reliability": bins,
    }


def rank(logits: Tensor, labels: Tensor) -> Tensor:
    """(N,): how many classes have a higher logit than the image's own."""
    own = logits.gather(1, labels[:, None])
    return (logits > own).sum(1)


def reliability(confidence: Tensor, right: Tensor) -> list[dict[str, Any]]:
    """The bins of a reliability diagram: ends, number of images, and the means of confidence and accuracy in it.

    Of equal width: bin m of M holds confidences in ((m - 1) / M, m / M]. Guo, Pleiss, Sun, Weinberger, "On Calibration
    of Modern Neural Networks", ICML 2017, arXiv:1706.04599, section 2. A bin without images has no means (None).
    """
    confidence = confidence.double()
    edges = torch.arange(1, BINS, dtype=torch.float64, device=confidence.device) / BINS
    place = torch.bucketize(confidence, edges)
    bins = []
    for m in range(BINS):
        inside = place == m
        images = int(inside.sum())
        means = (_mean(confidence[inside]), _mean(right[inside])) if images else (None, None)
        ends = {"low": m / BINS, "high": (m + 1) / BINS, "images": images}
        bins.append({**ends, "confidence": means[0], "accuracy": means[1]})
    return bins


def calibration_error(bins: list[dict[str, Any]]) -> float:
    """The expected calibration error: sum_m |B_m| / n |acc(B_m) - conf(B_m)|, eq. 3 of Guo et al. 2017, over `bins`.

    0 where a network that is sure to 80 % is right in 80 % of the cases; a share, so 0.04 is four points.
    """
    total = sum(b["images"] for b in bins)
    gaps = (b["images"] * abs(b["accuracy"] - b["confidence"]) for b in bins if b["images"])
    return float(sum(gaps) / total)


def confused(named: Tensor, labels: Tensor, classes: int) -> list[dict[str, int]]:
    """The pairs (label, named) of different classes that occur most, the first of the most first; at most PAIRS."""
    wrong = named != labels
    counts = torch.bincount(labels[wrong] * classes + named[wrong], minlength=classes * classes)
    images, pairs = counts.sort(descending=True, stable=True)
    return [
        {"label": pair // classes, "named": pair % classes, "images": count}
        for pair, count in zip(pairs[:PAIRS].tolist(), images[:PAIRS].tolist())
        if count
    ]


def _mean(values: Tensor) -> float:
    return float(values.double().mean())
