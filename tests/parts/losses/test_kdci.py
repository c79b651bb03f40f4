from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from dfkd_ray.methods import config
from dfkd_ray.parts.losses.kd import KD
from dfkd_ray.parts.losses.kdci import KDCI, LiveKDCI, dictionary
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.train.loop import distill
from dfkd_ray.util.errors import ConfigError
from tests.tiny import differing, opened, small, through_a_file, toy, walked

K = 4
SETTING = Setting((3, 8, 8), K, (0.5,) * 3, (0.5,) * 3, Layout((), 6), Layout((), 6))


def opened_term(**fields: Any) -> LiveKDCI:
    return KDCI(**{"collect": 12, "prototypes": 3, "dim": 5, **fields}).open(SETTING)


def seen(see: Any, rows: int = 6) -> Any:
    return see(teacher={"logits": torch.randn(rows, K)}, student={"logits": torch.randn(rows, K, requires_grad=True)})


def standing(see: Any, **fields: Any) -> LiveKDCI:
    """With its dictionary made."""
    live = opened_term(**fields)
    for _ in range(2):
        live(seen(see))
    live.settle()
    assert live.stands
    return live


def softmax(row: list[float]) -> list[float]:
    total = sum(map(math.exp, row))
    return [math.exp(value) / total for value in row]


def prior_by_hand(live: LiveKDCI, logits: Tensor) -> list[list[float]]:
    """sum_i lambda_i P_i z_i with lambda = softmax_i(v . tanh(W s + b + U z_i)), number by number."""
    w, bias, u, v = (
        x.tolist() for x in (live.query.weight, live.query.bias, live.key.weight, live.energy.weight.squeeze(0))
    )
    prototypes, shares = live.prototypes.tolist(), live.shares.tolist()
    out = []
    for s in logits.tolist():
        energies = [
            sum(
                v[d]
                * math.tanh(bias[d] + sum(w[d][k] * s[k] for k in range(K)) + sum(u[d][k] * z[k] for k in range(K)))
                for d in range(len(v))
            )
            for z in prototypes
        ]
        attention = softmax(energies)
        out.append([sum(a * p * z[k] for a, p, z in zip(attention, shares, prototypes)) for k in range(K)])
    return out


def test_it_is_kd_until_there_are_enough_images(see: Any) -> None:
    live, kd = opened_term(temperature=4.0), KD(temperature=4.0)
    first, second, third = (seen(see) for _ in range(3))
    for signals in (first, second):
        assert torch.equal(live(signals), kd(signals))
    assert live.gauges == {}
    assert torch.equal(live(third), kd(third)), "the dictionary is made at the end of a round"
    live.settle()
    assert not torch.equal(live(third), kd(third))
    assert torch.equal(live.features, torch.cat([first.teacher.logits, second.teacher.logits]))


def test_a_round_with_too_few_images_leaves_it_kd(see: Any) -> None:
    live, signals = opened_term(), seen(see)
    live(signals)
    live.settle()
    assert torch.equal(live(signals), KD()(signals))


@pytest.mark.parametrize("direction", ["teacher_student", "student_teacher"])
def test_the_students_prediction_is_fused_with_the_prior(see: Any, direction: Any) -> None:
    live = standing(see, temperature=3.0, direction=direction)
    signals = seen(see)
    prior = torch.tensor(prior_by_hand(live, signals.student.logits))
    assert torch.allclose(live.prior(signals.student.logits), prior, atol=1e-6)
    fused = see(teacher={"logits": signals.teacher.logits}, student={"logits": signals.student.logits + prior})
    assert live(signals).item() == pytest.approx(KD(3.0, direction)(fused).item(), rel=1e-5)
    assert live.gauges["prior"].item() == pytest.approx(prior.abs().mean().item(), rel=1e-5)


def test_a_linear_fusion_begins_as_the_sum_and_learns(see: Any) -> None:
    live, signals = standing(see, fusion="linear"), seen(see)
    assert live.fuse is not None
    assert torch.allclose(live.prior(signals.student.logits), torch.tensor(prior_by_hand(live, signals.student.logits)))
    live(signals).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in live.parameters())


def test_the_dictionary_stays_once_it_stands(see: Any) -> None:
    live = standing(see)
    before = {name: value.clone() for name, value in live.state_dict().items()}
    for _ in range(4):
        live(seen(see))
    live.settle()
    assert all(torch.equal(value, before[name]) for name, value in live.state_dict().items())


def clusters() -> tuple[Tensor, Tensor]:
    """40 features around 3 far centres, of which the first has half."""
    centres = torch.tensor([[9.0, 0, 0, 0], [0, 9, 0, 0], [0, 0, 0, 9]])
    of = torch.tensor([0] * 20 + [1] * 12 + [2] * 8)
    return centres[of] + 0.1 * torch.randn(40, K), of


@pytest.mark.parametrize("components", [None, 2])
def test_prototypes_are_the_means_of_clusters_and_shares_their_sizes(components: int | None) -> None:
    features, of = clusters()
    prototypes, shares = dictionary(features, 3, components, seed=0)
    order = shares.argsort(descending=True)
    assert shares[order].tolist() == pytest.approx([0.5, 0.3, 0.2])
    expected = torch.stack([features[of == i].mean(0) for i in range(3)])
    assert torch.allclose(prototypes[order], expected, atol=1e-5)


def test_features_that_are_few_or_alike_make_a_smaller_dictionary() -> None:
    prototypes, shares = dictionary(torch.tensor([[1.0, 2.0], [3.0, 4.0]]).repeat(5, 1), 8, None, seed=0)
    assert sorted(prototypes.tolist()) == [[1, 2], [3, 4]]
    assert shares.tolist() == [0.5, 0.5]
    assert dictionary(torch.ones(6, 3), 4, None, seed=0)[1].tolist() == [1.0]


@pytest.mark.parametrize("components", [None, 2])
def test_random_prototypes_are_features_and_their_shares_what_is_nearest(components: int | None) -> None:
    features, _ = clusters()
    prototypes, shares = dictionary(features, 5, components, seed=3, found="random")
    rows = [next(m for m in range(40) if torch.equal(features[m], row)) for row in prototypes]
    assert len(set(rows)) == 5
    nearest = [min(range(5), key=lambda i: float((features[m] - prototypes[i]).norm())) for m in range(40)]
    if components is None:
        assert shares.tolist() == pytest.approx([nearest.count(i) / 40 for i in range(5)])
    assert shares.sum().item() == pytest.approx(1)
    again = dictionary(features, 5, components, seed=3, found="random")[0]
    assert torch.equal(prototypes, again)
    assert not torch.equal(prototypes, dictionary(features, 5, components, seed=4, found="random")[0])


def test_features_that_are_alike_give_a_random_dictionary_once() -> None:
    prototypes, shares = dictionary(torch.tensor([[1.0, 2.0], [3.0, 4.0]]).repeat(5, 1), 8, None, 0, "random")
    assert sorted(prototypes.tolist()) == [[1, 2], [3, 4]]
    assert shares.tolist() == [0.5, 0.5]


def test_a_uniform_lambda_weighs_all_prototypes_alike_and_learns_nothing(see: Any) -> None:
    live = standing(see, attention="uniform")
    assert list(live.parameters()) == []
    logits = torch.randn(4, K)
    share, z = live.shares.tolist(), live.prototypes.tolist()
    expected = [sum(share[i] * z[i][k] / 3 for i in range(3)) for k in range(K)]
    assert torch.allclose(live.prior(logits), torch.tensor([expected] * 4), atol=1e-6)


def test_uniform_shares_are_one_over_the_prototypes_that_there_are(see: Any) -> None:
    live = standing(see, shares="uniform")
    assert live.shares.tolist() == pytest.approx([1 / 3] * 3)
    few = opened_term(shares="uniform", prototypes=4)
    for _ in range(2):
        few(see(teacher={"logits": torch.eye(K)[[0, 1]].repeat(3, 1)}, student={"logits": torch.zeros(6, K)}))
    few.settle()
    assert few.shares.tolist() == [0.5, 0.5, 0, 0]


def test_what_is_empty_in_the_dictionary_does_not_count(see: Any) -> None:
    live = standing(see, prototypes=6)
    live.shares[3:], live.prototypes[3:] = 0, 1e3
    smaller = standing(see)
    smaller.load_state_dict(live.state_dict() | {name: live.get_buffer(name)[:3] for name in ("shares", "prototypes")})
    logits = torch.randn(5, K)
    assert torch.allclose(live.prior(logits), smaller.prior(logits))


def test_its_state_survives_while_it_collects_and_after(see: Any) -> None:
    first, signals = opened_term(), [seen(see) for _ in range(3)]
    first(signals[0])
    for stage in (signals[1], signals[2]):
        second = opened_term()
        second.load_state_dict(through_a_file(first.state_dict()))
        values = []
        for live in (first, second):
            torch.manual_seed(7)
            live(stage)
            live.settle()
            values.append(live(signals[2]))
        assert torch.equal(*values)
    assert first.stands


PLUG_IN = {"student_loss.kd": {"name": "kdci", "temperature": 20.0, "collect": 8, "dim": 4}}


def test_it_takes_the_place_of_kd_in_a_host() -> None:
    for name in config.method_names():
        host = config.load(name)
        if "kd" in host.student_loss.parts:
            changed = config.change(host, PLUG_IN)
            assert list(config.diff(host, changed)) == ["student_loss.kd"]
            assert isinstance(changed.student_loss.parts["kd"].term, KDCI)


def test_a_host_with_it_runs_and_goes_on_in_the_same_bits() -> None:
    method = small(PLUG_IN)
    run = opened(method)
    losses = [epoch.losses for epoch in walked(run, 2)]
    term: Any = run.student_loss.calls["kd"]
    assert term.stands
    assert {"loss/student/kd", "loss/student/kd/prior"} <= set(losses[-1])
    attention = term.query.weight.detach().clone()
    second = opened(method, seed=0, student=toy(99, dropout=0.3))
    second.load_state_dict(through_a_file(run.state_dict()))
    for each in (run, second):
        list(distill(each))
    assert not differing(run.state_dict(), second.state_dict())
    assert not torch.equal(term.query.weight, attention), "it learns with the student"


def test_impossible_values() -> None:
    for name in ("prototypes", "collect", "pca", "dim", "temperature"):
        with pytest.raises(ValueError, match=f"{name} must be > 0, got 0"):
            KDCI(**{name: 0})
    with pytest.raises(ValueError, match="fusion must be one of sum, linear, got 'mean'"):
        KDCI(fusion="mean")  # type: ignore[arg-type]
    for name, choices in {"attention": "additive", "found": "kmeans", "shares": "counted"}.items():
        with pytest.raises(ValueError, match=f"{name} must be one of {choices}, .*, got 'none'"):
            KDCI(**{name: "none"})
    with pytest.raises(ConfigError, match="collect: 4 prototypes need at least as many images, got 3"):
        KDCI(collect=3).open(SETTING)
