"""Which images of a split are shown: what is confused, what is wrong and sure, what is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

EACH = 3  # images of a confused pair
WRONG = RIGHT = 12
SALIENCY = 8  # images with the saliency of the networks, half of them wrong where there are so many


def for_gallery(labels: Tensor, named: Tensor, confidence: Tensor, pairs: Sequence[Mapping[str, int]]) -> list[int]:
    """Rows of the split, each once: of every confused pair, its surest; the surest mistakes; a right one of a class.

    Beside a pair stands a right image of the class that was named. All arguments but `pairs` are (N,).
    """
    right = named == labels
    order = confidence.argsort(descending=True, stable=True)
    chosen: list[int] = []
    for pair in pairs:
        of = (labels == pair["label"]) & (named == pair["named"])
        chosen += order[of[order]][:EACH].tolist()
        chosen += order[((labels == pair["named"]) & right)[order]][:1].tolist()
    chosen += order[~right[order]][:WRONG].tolist()
    chosen += _one_a_class(labels, right)[:RIGHT]
    return list(dict.fromkeys(chosen))


def for_saliency(labels: Tensor, named: Tensor, confidence: Tensor) -> list[int]:
    """Rows whose saliency is shown: sure mistakes of different classes, then right ones."""
    order = confidence.argsort(descending=True, stable=True)
    wrong = _one_a_class(labels[order], (named != labels)[order])[: SALIENCY // 2]
    right = _one_a_class(labels, named == labels)
    return [int(order[i]) for i in wrong] + right[: SALIENCY - len(wrong)]


def _one_a_class(labels: Tensor, wanted: Tensor) -> list[int]:
    """The first row of each class that is wanted, in the order of the rows."""
    rows = wanted.nonzero()[:, 0].tolist()
    first = {int(labels[row]): row for row in reversed(rows)}
    return sorted(first.values())
