from __future__ import annotations

import pickle
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

import dfkd_ray.parts.losses  # noqa: F401  the first import of a term fills the registry
from dfkd_ray.parts.losses.adversarial import Adversarial
from dfkd_ray.parts.losses.feature_mse import FeatureMSE
from dfkd_ray.parts.losses.kd import KD
from dfkd_ray.parts.losses.l2 import L2
from dfkd_ray.parts.losses.onehot import OneHot
from dfkd_ray.parts.losses.semantic_contrast import SemanticContrast
from dfkd_ray.parts.signals import Layout, Setting, Signals
from dfkd_ray.parts.total_loss import Opens, TotalLoss, Weighted
from dfkd_ray.util.errors import ConfigError

SETTING = Setting((3, 4, 4), 5, (0.5,) * 3, (0.5,) * 3, Layout((), 6), Layout((), 6))


class Net(nn.Module):
    """Counts its forward passes."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head, self.calls = nn.Linear(48, 6), nn.Linear(6, 5), 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.head(self.body(x.flatten(1)).tanh())


@dataclass(frozen=True)
class Never:
    """A term that must not be called, nor opened."""

    def open(self, setting: Setting) -> nn.Module:
        raise AssertionError("opened")


@pytest.fixture
def nets() -> tuple[Net, Net]:
    torch.manual_seed(0)
    return Net(), Net()


def signals(nets: tuple[Net, Net]) -> Signals:
    images = torch.randn(3, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    return Signals(images, torch.tensor([0, 1, 2]), *nets)


def test_it_is_the_weighted_sum_and_logs_each_part_unweighted(nets: tuple[Net, Net]) -> None:
    live = TotalLoss({"soft": Weighted(2.0, KD()), "small": Weighted(-0.5, L2())}).open(SETTING)
    total, values = live(signals(nets))
    kd, l2 = KD()(signals(nets)).item(), L2()(signals(nets)).item()
    assert total.item() == pytest.approx(2 * kd - 0.5 * l2)
    assert list(values) == ["soft", "small", "total"]
    assert (values["soft"].item(), values["small"].item()) == pytest.approx((kd, l2))
    assert values["total"].item() == total.item()
    assert total.requires_grad
    assert not any(value.requires_grad for value in values.values())


def test_the_same_term_can_stand_twice(nets: tuple[Net, Net]) -> None:
    parts = {"cold": Weighted(1.0, KD(1.0)), "warm": Weighted(1.0, KD(4.0))}
    total, values = TotalLoss(parts).open(SETTING)(signals(nets))
    assert values["cold"].item() != pytest.approx(values["warm"].item())
    assert total.item() == pytest.approx(values["cold"].item() + values["warm"].item())


def test_networks_run_once_however_many_terms_read_them(nets: tuple[Net, Net]) -> None:
    parts = {f"term{n}": Weighted(1.0, term) for n, term in enumerate((KD(), KD(4.0), Adversarial(), OneHot()))}
    TotalLoss(parts).open(SETTING)(signals(nets))
    assert [net.calls for net in nets] == [1, 1]


def test_without_the_adversary_the_student_is_not_run(nets: tuple[Net, Net]) -> None:
    both = {"onehot": Weighted(1.0, OneHot()), "adversarial": Weighted(0.0, Adversarial())}
    removed = {"onehot": Weighted(1.0, OneHot())}
    for parts in (both, removed):
        _, values = TotalLoss(parts).open(SETTING)(signals(nets))
        assert set(values) == {"onehot", "total"}
    teacher, student = nets
    assert (teacher.calls, student.calls) == (2, 0)


def test_a_weight_of_zero_is_never_opened_and_an_empty_sum_runs_nothing(nets: tuple[Net, Net]) -> None:
    live = TotalLoss({"never": Weighted(0.0, Never())}).open(SETTING)
    total, values = live(signals(nets))
    assert (total.item(), list(values)) == (0.0, ["total"])
    assert [net.calls for net in nets] == [0, 0]
    assert list(live.parameters()) == []
    assert list(live.state_dict()) == []


def test_state_belongs_to_the_objective() -> None:
    parts = {"contrast": Weighted(8.0, SemanticContrast(dim=4)), "kd": Weighted(1.0, KD())}
    first, second = (TotalLoss(parts).open(SETTING, seed) for seed in (0, 1))
    assert isinstance(parts["contrast"].term, Opens)
    assert not isinstance(parts["kd"].term, Opens)
    assert all(key.startswith("state.contrast_.") for key in first.state_dict())
    assert len(list(first.parameters())) == 4
    assert not torch.equal(next(first.parameters()), next(second.parameters()))
    second.load_state_dict(first.state_dict())
    assert torch.equal(next(first.parameters()), next(second.parameters()))
    first.double()
    assert next(first.calls["contrast"].parameters()).dtype == torch.float64  # type: ignore[attr-defined]


def test_a_term_that_does_not_fit_is_named_by_its_path() -> None:
    with pytest.raises(ConfigError) as caught:
        TotalLoss({"plain": Weighted(1.0, FeatureMSE())}).open(SETTING)
    assert [problem.path for problem in caught.value.problems] == ["plain.where"]


def test_an_objective_survives_pickling() -> None:
    objective = TotalLoss({"kd": Weighted(1.0, KD(4.0)), "contrast": Weighted(8.0, SemanticContrast())})
    assert pickle.loads(pickle.dumps(objective)) == objective


class Gauged(nn.Module):
    """A live term that shows a number beside its value."""

    def forward(self, seen: Signals) -> Tensor:
        self.gauges = {"mean": seen.images.mean()}
        return seen.images.square().mean()


@dataclass(frozen=True)
class Shown:
    """The spec of Gauged."""

    def open(self, setting: Setting) -> nn.Module:
        return Gauged()


def test_gauges_are_logged_and_not_added(nets: tuple[Net, Net]) -> None:
    seen = signals(nets)
    total, values = TotalLoss({"shown": Weighted(3.0, Shown())}).open(SETTING)(seen)
    assert set(values) == {"shown", "shown/mean", "total"}
    assert values["shown/mean"].item() == seen.images.mean().item()
    assert total.item() == pytest.approx(3 * values["shown"].item())


def test_a_weight_that_grows_is_whole_in_the_last_epoch_of_its_ramp(nets: tuple[Net, Net]) -> None:
    part = Weighted(6.0, KD(), start=2, ramp=3)
    assert [part.at(done) for done in range(7)] == [0, 0, 2, 4, 6, 6, 6]
    assert [Weighted(6.0, KD(), start=2).at(done) for done in range(4)] == [0, 0, 6, 6]
    live = TotalLoss({"kd": part}).open(SETTING)
    kd = KD()(signals(nets)).item()
    for epoch, factor in ((1, 0), (2, 0), (3, 2), (4, 4), (5, 6), (9, 6)):
        live.begin(epoch)
        total, values = live(signals(nets))
        assert total.item() == pytest.approx(factor * kd)
        assert ("kd" in values) is (factor > 0)
    with pytest.raises(ValueError, match="ramp must be >= 0 epochs, got -1"):
        Weighted(1.0, KD(), ramp=-1)
