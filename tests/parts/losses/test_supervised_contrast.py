from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.parts.losses.semantic_contrast import contrast
from dfkd_ray.parts.losses.supervised_contrast import SupervisedContrast, supcon
from dfkd_ray.parts.signals import Layout, Setting, Signals
from dfkd_ray.util.errors import ConfigError


def setting(teacher: int, student: int) -> Setting:
    return Setting((3, 8, 8), 10, (0.5,) * 3, (0.5,) * 3, Layout((), teacher), Layout((), student))


def oracle(views: list[list[float]], labels: list[int], temperature: float) -> float:
    """Eq. 2 of the paper, sum by sum, with cosines."""

    def similar(i: int, j: int) -> float:
        dot = sum(a * b for a, b in zip(views[i], views[j]))
        return dot / math.sqrt(sum(a * a for a in views[i]) * sum(b * b for b in views[j])) / temperature

    losses = []
    for i in range(len(views)):
        others = [a for a in range(len(views)) if a != i]
        positives = [p for p in others if labels[p] == labels[i]]
        total = math.log(sum(math.exp(similar(i, a)) for a in others))
        losses.append(-sum(similar(i, p) - total for p in positives) / len(positives))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
@pytest.mark.parametrize("labels", [[0, 1, 2, 3], [0, 0, 1, 0], [2, 2, 2, 2]], ids=str)
def test_supcon_is_the_formula(labels: list[int], temperature: float) -> None:
    views, twice = torch.randn(8, 6, dtype=torch.float64), [*labels, *labels]
    expected = oracle(views.tolist(), twice, temperature)
    assert supcon(views, torch.tensor(twice), temperature).item() == pytest.approx(expected)


def test_with_classes_all_different_it_is_the_contrast_without_labels() -> None:
    first, second = torch.randn(2, 5, 7)
    value = supcon(torch.cat([first, second]), torch.arange(5).repeat(2), 0.1)
    assert value.item() == pytest.approx(contrast(first, second, 0.1, symmetric=True).item(), rel=1e-5)


@pytest.mark.parametrize(("teacher", "student"), [(6, 6), (8, 6)])
def test_the_whole_term_reaches_both_networks(see: Any, teacher: int, student: int) -> None:
    live = SupervisedContrast().open(setting(teacher, student))
    t, s = torch.randn(4, teacher, requires_grad=True), torch.randn(4, student, requires_grad=True)
    labels = torch.tensor([1, 0, 1, 2])
    value = live(see(teacher={"embedding": t}, student={"embedding": s}, labels=labels))
    views = [*live.adapt(s).tolist(), *t.tolist()]
    assert value.item() == pytest.approx(oracle(views, [*labels.tolist()] * 2, 0.07), rel=1e-4)
    value.backward()
    assert all(x.grad is not None and x.grad.abs().max() > 0 for x in (t, s))
    assert isinstance(live.adapt, nn.Identity) is (teacher == student)
    assert all(p.grad is not None for p in live.parameters())


def test_near_parallel_views_stay_finite() -> None:
    views = torch.ones(6, 4, requires_grad=True)
    value = supcon(views, torch.tensor([0, 1, 2] * 2), 0.01)
    value.backward()
    assert value.item() == pytest.approx(math.log(5))
    assert views.grad is not None
    assert views.grad.isfinite().all()


def test_it_needs_labels() -> None:
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    live = SupervisedContrast().open(setting(6, 6))
    signals = Signals(torch.randn(2, 3, 8, 8), None, Net(), Net())
    for seen in (signals.teacher, signals.student):
        seen.__dict__["_caught"] = type("Caught", (), {"embedding": torch.randn(2, 6)})()
    with pytest.raises(ConfigError, match="this term needs labels, and the source of this method asks for none"):
        live(signals)


def test_impossible_values() -> None:
    with pytest.raises(ValueError, match="temperature must be > 0, got 0"):
        SupervisedContrast(temperature=0)
