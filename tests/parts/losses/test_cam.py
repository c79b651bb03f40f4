from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.parts.losses.cam import Cam
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.util.errors import ConfigError

CLASSES = 3


def setting(teacher: Layout, student: Layout) -> Setting:
    return Setting((3, 8, 8), CLASSES, (0.5,) * 3, (0.5,) * 3, teacher, student)


LIVE = Cam().open(setting(Layout(((4, 6, 4),), 4), Layout(((2, 6, 4),), 2)))


def head(channels: int) -> nn.Linear:
    return nn.Linear(channels, CLASSES).double()


def maps(*shape: int) -> Tensor:
    return torch.randn(2, *shape, dtype=torch.float64, requires_grad=True)


def by_hand(last: Tensor, layer: nn.Linear) -> Any:
    """One map for each class, (B, K, H, W)."""
    weight = layer.weight.detach().numpy()
    return np.stack([sum(w[c] * last.detach().numpy()[:, c] for c in range(len(w))) for w in weight], axis=1)


def test_it_is_the_error_of_the_maps_of_all_classes_at_the_last_stage(see: Any) -> None:
    t, s, head_t, head_s = maps(4, 6, 4), maps(2, 6, 4), head(4), head(2)
    signals = see(
        teacher={"stages": (maps(9, 9, 9), t), "head": head_t}, student={"stages": (maps(8, 9, 9), s), "head": head_s}
    )
    value = LIVE(signals)
    expected = ((by_hand(s, head_s) - by_hand(t, head_t)) ** 2).mean()
    assert value.item() == pytest.approx(expected)
    value.backward()
    assert t.grad is None
    assert s.grad is not None
    assert s.grad.abs().max() > 0
    assert head_s.weight.grad is None, "the weights are constants"


def test_the_maps_add_up_to_the_logits_of_a_network_that_averages() -> None:
    last, layer = maps(4, 6, 4), head(4)
    means = torch.from_numpy(by_hand(last, layer).mean((2, 3)))
    torch.testing.assert_close(means + layer.bias, layer(last.mean((2, 3))))


def test_other_sizes_are_averaged_to_the_smaller(see: Any) -> None:
    t, s, layer = maps(4, 6, 4), maps(4, 3, 2), head(4)
    halved = by_hand(t, layer).reshape(2, CLASSES, 3, 2, 2, 2).mean((3, 5))
    value = LIVE(see(teacher={"stages": (t,), "head": layer}, student={"stages": (s,), "head": layer}))
    assert value.item() == pytest.approx(((halved - by_hand(s, layer)) ** 2).mean())


def test_a_network_without_such_maps_is_refused_when_the_term_is_opened() -> None:
    fits = Layout(((4, 3, 3),), 4)
    with pytest.raises(ConfigError, match="need stages, and those of the teacher are not known"):
        Cam().open(setting(Layout((), 4), fits))
    with pytest.raises(ConfigError, match=r"the student .* last stage has 4 channels, its last linear layer reads 36"):
        Cam().open(setting(fits, Layout(((4, 3, 3),), 36)))


def test_the_teacher_as_the_student_is_zero(see: Any) -> None:
    net = {"stages": (maps(4, 3, 3),), "head": head(4)}
    assert LIVE(see(teacher=net, student=net)).item() == 0
