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
    """Eq. 2 of the paper, sum by sum."""

    def similar(i: int, j: int) -> float:
        return sum(a * b for a, b in zip(views[i], views[j])) / temperature

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
    first, second = torch.nn.functional.normalize(torch.randn(2, 5, 7), dim=2)
    value = supcon(torch.cat([first, second]), torch.arange(5).repeat(2), 0.1)
    assert value.item() == pytest.approx(contrast(first, second, 0.1, symmetric=True).item(), rel=1e-5)


@pytest.mark.parametrize(("teacher", "student"), [(6, 6), (8, 6)])
def test_the_whole_term_reaches_both_networks(see: Any, teacher: int, student: int) -> None:
    live = SupervisedContrast().open(setting(teacher, student))
    t, s = torch.randn(4, teacher, requires_grad=True), torch.randn(4, student, requires_grad=True)
    labels = torch.tensor([1, 0, 1, 2])
    parts = [parameter.tolist() for parameter in live.parameters()]

    def adapted(row: list[float]) -> list[float]:
        """Linear - ReLU - linear, of a row of length 1, which is not scaled again."""
        inner = [max(0.0, each) for each in affine(parts[0], parts[1], scaled(row))]
        return affine(parts[2], parts[3], inner)

    value = live(see(teacher={"embedding": t}, student={"embedding": s}, labels=labels))
    views = [*map(adapted if teacher != student else scaled, s.tolist()), *map(scaled, t.tolist())]
    assert value.item() == pytest.approx(oracle(views, [*labels.tolist()] * 2, 0.07), rel=1e-4)
    value.backward()
    assert all(x.grad is not None and x.grad.abs().max() > 0 for x in (t, s))
    assert isinstance(live.adapt, nn.Identity) is (teacher == student)


def scaled(row: list[float]) -> list[float]:
    length = math.sqrt(sum(x * x for x in row))
    return [x / length for x in row]


def affine(weight: list[list[float]], bias: list[float], row: list[float]) -> list[float]:
    return [sum(w * x for w, x in zip(each, row)) + b for each, b in zip(weight, bias)]


def test_the_views_may_be_the_students_alone(see: Any) -> None:
    """Image 3 is alone of its class: it is no anchor, and a negative of the others."""
    live = SupervisedContrast(views="student").open(setting(8, 6))
    assert isinstance(live.adapt, nn.Identity)
    s, labels = torch.randn(5, 6, dtype=torch.float64), [1, 0, 1, 2, 0]
    v = [scaled(row) for row in s.tolist()]

    def similar(i: int, j: int) -> float:
        return math.exp(sum(a * b for a, b in zip(v[i], v[j])) / 0.07)

    partner = {0: 2, 2: 0, 1: 4, 4: 1}
    losses = [-math.log(similar(i, p) / sum(similar(i, a) for a in range(5) if a != i)) for i, p in partner.items()]
    found = live(see(student={"embedding": s}, labels=torch.tensor(labels)))
    assert found.item() == pytest.approx(sum(losses) / 4)


def test_a_batch_in_which_all_are_alone_says_nothing_and_makes_no_nan(see: Any) -> None:
    s = torch.randn(3, 6, requires_grad=True)
    value = SupervisedContrast(views="student").open(setting(6, 6))(
        see(student={"embedding": s}, labels=torch.arange(3))
    )
    value.backward()
    assert value.item() == 0
    assert s.grad is not None
    assert s.grad.abs().max() == 0


def test_the_adapter_is_part_of_the_state_and_no_optimiser_moves_it() -> None:
    live = SupervisedContrast().open(setting(128, 64))
    assert [tuple(p.shape) for p in live.parameters()] == [(64, 64), (64,), (128, 64), (128,)]
    assert not any(p.requires_grad for p in live.parameters())
    assert len(live.state_dict()) == 4
    assert not list(SupervisedContrast().open(setting(64, 64)).parameters())


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
        seen.__dict__["share"] = type("Caught", (), {"embedding": torch.randn(2, 6)})()
    with pytest.raises(ConfigError, match="this term needs labels, and the source of this method asks for none"):
        live(signals)


def test_impossible_values() -> None:
    with pytest.raises(ValueError, match="temperature must be > 0, got 0"):
        SupervisedContrast(temperature=0)
    with pytest.raises(ValueError, match="views must be one of both, student, got 'teacher'"):
        SupervisedContrast(views="teacher")  # type: ignore[arg-type]
