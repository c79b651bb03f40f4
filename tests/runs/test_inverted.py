"""The bank of images inverted from a teacher."""

from __future__ import annotations

import pytest
import torch

from dfkd_ray import nets
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.runs import inverted as module
from dfkd_ray.runs.inverted import COUNT, inverted

MEAN, STD, SIDE, CLASSES = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3), 8, 5


def taught() -> torch.nn.Module:
    torch.manual_seed(0)
    return nets.build("resnet8", CLASSES).eval()


def setting(net: torch.nn.Module) -> Setting:
    return Setting((3, SIDE, SIDE), CLASSES, MEAN, STD, Layout((), 1), Layout((), 1))


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STEPS", 8)
    module._kept.clear()


def test_the_teacher_knows_them_better_than_their_start_and_is_as_it_was() -> None:
    net = taught().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = torch.get_rng_state()
    images = inverted(net, setting(net), COUNT)
    assert torch.equal(torch.get_rng_state(), state), "a run's random numbers are not touched"
    assert net.training
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert all(p.grad is None for p in net.parameters())
    start = torch.randn(COUNT, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(5))
    labels = torch.arange(COUNT) % CLASSES
    net.eval()
    with torch.no_grad():
        after, first = (torch.nn.functional.cross_entropy(net(each), labels) for each in (images, start))
    assert after < first


def test_they_are_pictures_made_once_for_a_teacher() -> None:
    net = taught()
    first = inverted(net, setting(net), 50)
    middle, scale = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    pictures = first * scale + middle
    assert first.shape == (COUNT, 3, SIDE, SIDE)
    assert -1e-5 <= pictures.min() < 0.1 < 0.9 < pictures.max() <= 1 + 1e-5
    assert inverted(taught(), setting(net), 50) is first, "of the same weights"
    module._kept.clear()
    assert torch.equal(inverted(net, setting(net), 50), first), "the same in another process"
    other = taught()
    with torch.no_grad():
        next(other.parameters()).add_(1)
    assert not torch.equal(inverted(other, setting(other), 50), first)


def test_also_where_gradients_are_switched_off_and_without_batchnorm() -> None:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * SIDE * SIDE, CLASSES))
    nets.attach_taps(net, nets.Taps((), "1"))
    with torch.no_grad():
        assert inverted(net, setting(net), COUNT).isfinite().all()
