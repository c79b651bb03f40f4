from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from dfkd_ray.parts.losses.class_map import ClassMap
from dfkd_ray.parts.losses.onehot import OneHot
from dfkd_ray.parts.signals import Layout
from dfkd_ray.util.errors import ConfigError
from tests.parts.losses.test_cam import by_hand, head, maps, setting

LIVE = ClassMap().open(setting(Layout(((4, 6, 4),), 4), Layout((), 2)))


def test_it_is_the_cross_entropy_of_every_place(see: Any) -> None:
    last, layer, labels = maps(4, 3, 2), head(4), [2, 0]
    value = LIVE(see(teacher={"stages": (maps(9, 9, 9), last), "head": layer}, labels=torch.tensor(labels)))
    scores = by_hand(last, layer) + layer.bias.detach().numpy()[:, None, None]
    losses = [
        math.log(sum(math.exp(scores[b, k, i, j]) for k in range(3))) - scores[b, labels[b], i, j]
        for b in range(2)
        for i in range(3)
        for j in range(2)
    ]
    assert value.item() == pytest.approx(sum(losses) / len(losses))
    value.backward()
    assert last.grad is not None
    assert last.grad.abs().max() > 0
    assert layer.weight.grad is None
    assert layer.bias.grad is None


def test_where_all_places_are_alike_it_is_the_class_prior(see: Any) -> None:
    last, layer = maps(4, 1, 1), head(4)
    wide = last.expand(-1, -1, 3, 5)
    signals = see(
        teacher={"stages": (wide,), "head": layer, "logits": layer(last.mean((2, 3)))}, labels=torch.tensor([1, 2])
    )
    assert LIVE(signals).item() == pytest.approx(OneHot()(signals).item())


def test_a_head_without_biases(see: Any) -> None:
    layer = nn.Linear(4, 3, bias=False).double()
    assert LIVE(see(teacher={"stages": (maps(4, 2, 2),), "head": layer}, labels=torch.tensor([0, 1]))).isfinite()


def test_a_teacher_without_such_maps_is_refused() -> None:
    with pytest.raises(ConfigError, match="the teacher has no class activation maps"):
        ClassMap().open(setting(Layout(((4, 6, 4),), 8), Layout((), 2)))
