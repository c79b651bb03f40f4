"""Which images of a pool are kept: each score against sums by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from dfkd_ray.datasets.pools import Images
from dfkd_ray.runs.pruning import Looked, herded, selected
from dfkd_ray.util.errors import ConfigError

LABELS = [0, 1, 0, 1, 0, 1, 0, 2]
TEACHER = [[3.0, 0, 0], [0, 1.0, 0], [1.0, 0, 0], [0, 4.0, 0], [2.0, 0, 0], [0, 2.0, 0], [0, 0, 1.0], [1.0, 0, 0]]
STUDENT = [[0.0, 0, 0], [0, 1.0, 0], [1.0, 0, 0], [0, 0.0, 0], [0.0, 0, 0], [0, 2.0, 0], [0, 0, 1.0], [1.0, 0, 0]]


def images(final: bool = True) -> Images:
    count = len(LABELS)
    flags = torch.tensor([final or i % 2 == 0 for i in range(count)])
    return Images(torch.zeros(count, 3, 2, 2, dtype=torch.uint8), torch.tensor(LABELS), torch.arange(count), flags)


def looked(rows: list[list[float]], embeddings: Any = None) -> Looked:
    return Looked(torch.tensor(rows), torch.randn(len(rows), 4) if embeddings is None else embeddings)


def made(**fields: Any) -> Any:
    told = {"score": "teacher_loss", "share": 0.5, "weights": "none", "teacher": looked(TEACHER), "student": None}
    return selected(images(), "d" * 16, **{**told, **fields})  # type: ignore[arg-type]


def loss(row: list[float], label: int) -> float:
    return math.log(sum(map(math.exp, row))) - row[label]


def test_the_lowest_losses_of_each_class_are_kept_and_one_at_least() -> None:
    wanted = []
    for label, count in ((0, 2), (1, 2), (2, 1)):
        own = [i for i, each in enumerate(LABELS) if each == label]
        wanted += sorted(own, key=lambda i: loss(TEACHER[i], LABELS[i]))[:count]
    found = made()
    assert found.rows == tuple(sorted(wanted)) == (0, 3, 4, 5, 7)
    assert found.weights == pytest.approx((0.4, 0.4, 0.2))
    assert (found.pool, found.score, found.share, found.intermediate) == ("d" * 16, "teacher_loss", 0.5, False)
    assert selected(images(False), "d", looked(TEACHER), None, "teacher_loss", 1.0, "none").intermediate


def test_the_largest_gradients_of_a_student_are_kept() -> None:
    def softmax(row: list[float]) -> list[float]:
        return [math.exp(x) / sum(map(math.exp, row)) for x in row]

    norms = [math.dist(softmax(s), softmax(t)) for s, t in zip(STUDENT, TEACHER)]
    wanted = []
    for label, count in ((0, 2), (1, 2), (2, 1)):
        own = [i for i, each in enumerate(LABELS) if each == label]
        wanted += sorted(own, key=lambda i: -norms[i])[:count]
    assert made(score="student_gradient", student=looked(STUDENT)).rows == tuple(sorted(wanted))
    with pytest.raises(ConfigError, match="--student: the score student_gradient needs the weights of a student"):
        made(score="student_gradient")


def test_herding_follows_the_mean() -> None:
    """On a line: of 0, 1, 2, 3 and 10, whose mean is 3.2, first 3, then 3 +- what brings the mean of two nearest."""
    points = torch.tensor([[0.0], [1.0], [2.0], [3.0], [10.0]])
    chosen, total = [], 0.0
    for k in range(1, 6):
        free = [i for i in range(5) if i not in chosen]
        best = min(free, key=lambda i: abs(3.2 - (total + points[i, 0].item()) / k))
        chosen.append(best)
        total += points[best, 0].item()
    assert herded(points, 5).tolist() == chosen
    assert chosen[0] == 3
    assert len(made(score="herding").rows) == 5


def test_classes_may_be_drawn_alike_or_by_their_loss() -> None:
    assert made(weights="balanced").weights == pytest.approx((1 / 3,) * 3)
    found = made(weights="loss")
    means = [
        sum(loss(TEACHER[i], LABELS[i]) for i in found.rows if LABELS[i] == label)
        / sum(LABELS[i] == label for i in found.rows)
        for label in range(3)
    ]
    assert found.weights == pytest.approx([mean / sum(means) for mean in means], rel=1e-5)


def test_a_class_that_the_teacher_is_sure_of_is_still_drawn() -> None:
    """Of losses 0, 1.2 and 1.8, say: the first class gets a tenth of the mean, 0.1."""
    sure = [[200.0, 0, 0] if label == 0 else row for label, row in zip(LABELS, TEACHER)]
    found = made(weights="loss", share=1.0, teacher=looked(sure))
    means = [
        sum(loss(row, label) for row, label in zip(sure, LABELS) if label == own) / LABELS.count(own)
        for own in range(3)
    ]
    assert means[0] == pytest.approx(0, abs=1e-9)
    wanted = [sum(means) / 3 / 10, *means[1:]]
    assert found.weights == pytest.approx([each / sum(wanted) for each in wanted], rel=1e-5)
    alike = [[200.0 * (label == k) for k in range(3)] for label in LABELS]
    assert made(weights="loss", teacher=looked(alike)).weights == pytest.approx((1 / 3,) * 3), "sure of all"
    rows = [row if label else [200.0, 0, 0, 0] for label, row in zip(LABELS, [[*row, 0.0] for row in TEACHER])]
    assert made(weights="loss", teacher=looked(rows)).weights[3] == 0, "a class without images has none"


@pytest.mark.parametrize("share", [0.0, -0.5, 1.5, math.nan])
def test_a_share_is_one(share: float) -> None:
    with pytest.raises(ConfigError, match=r"--keep: should be a share in \(0, 1\]"):
        made(share=share)
