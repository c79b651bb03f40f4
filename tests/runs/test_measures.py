"""Measures of a student, against numpy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dfkd_ray import metrics
from dfkd_ray.datasets.dead_leaves import dead_leaves
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.slots import Batch
from dfkd_ray.runs import measures
from tests.tiny import CLASSES, IMAGE, differing, flat, opened, small, toy, walked

DATA_FREE = {row.name for row in metrics.ROWS if row.data_free and row.needs != metrics.SELECTED}
SETTING = Setting(IMAGE, CLASSES, (0.5,) * 3, (0.25,) * 3, Layout((), 6), Layout((), 6))


def logits(seed: int, count: int = 40, classes: int = 7) -> torch.Tensor:
    return torch.randn(count, classes, generator=torch.Generator().manual_seed(seed)) * 3


def softmax(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def test_agreement_and_divergence() -> None:
    t, s = logits(0), logits(1)
    p, q = softmax(t.double().numpy()), softmax(s.double().numpy())
    agreement, kl = measures.faithfulness(t, s)
    assert agreement == pytest.approx((p.argmax(1) == q.argmax(1)).mean())
    assert kl == pytest.approx((p * np.log(p / q)).sum(1).mean(), rel=1e-5)
    assert measures.faithfulness(t, t) == (1.0, pytest.approx(0, abs=1e-6))
    assert measures.faithfulness(s, t)[1] != pytest.approx(kl), "the teacher comes first"


def test_the_class_entropy_is_of_what_the_teacher_names() -> None:
    t = logits(0)
    share = np.bincount(t.argmax(1).numpy(), minlength=7) / len(t)
    share = share[share > 0]
    assert measures.class_entropy(t) == pytest.approx(-(share * np.log(share)).sum() / np.log(7), rel=1e-5)
    assert measures.class_entropy(torch.eye(4)) == pytest.approx(1)
    grey = torch.tensor([0.02, 0.01, 0.0, 0.0]).repeat(9, 1)  # one image, of which the teacher is unsure
    assert measures.class_entropy(grey) == 0
    assert measures.uncertainty(grey) == pytest.approx(1, abs=1e-3)


def test_the_uncertainty_is_the_mean_over_images() -> None:
    t = logits(0)
    p = softmax(t.double().numpy())
    assert measures.uncertainty(t) == pytest.approx(-(p * np.log(p)).sum(1).mean() / np.log(7), rel=1e-5)
    assert measures.uncertainty(torch.eye(4) * 1e4) == pytest.approx(0, abs=1e-6)


def test_images_are_compared_pair_by_pair() -> None:
    std = (0.5, 0.25)
    images = torch.randn(6, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    pictures = images.numpy() * np.array(std)[:, None, None]
    pairs = [((pictures[i] - pictures[j]) ** 2).mean() for i in range(6) for j in range(i)]
    assert measures.image_distance(images, std) == pytest.approx(np.sqrt(np.mean(pairs)), rel=1e-5)
    assert measures.image_distance(images[:1].repeat(5, 1, 1, 1), std) == pytest.approx(0, abs=1e-6)
    assert measures.image_distance(torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1) / 2, (1.0,)) == 1, "black and white"


def test_embeddings_are_compared_pair_by_pair() -> None:
    found = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    x = found.numpy() / np.linalg.norm(found.numpy(), axis=1, keepdims=True)
    pairs = [1 - x[i] @ x[j] for i in range(6) for j in range(i)]
    assert measures.embedding_distance(found) == pytest.approx(np.mean(pairs), rel=1e-5)
    assert measures.embedding_distance(found[:1].repeat(5, 1)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("size", [4, 256])
def test_the_embeddings_of_all_batches_are_kept_and_no_hook(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "BATCH", size)
    net, images = toy(1), torch.randn(11, *IMAGE, generator=torch.Generator().manual_seed(0))
    with measures.embedded(net) as embeddings:
        found = measures.logits(net, images)
    assert torch.allclose(net.head(embeddings()), found, atol=1e-5)
    assert not net.head._forward_pre_hooks


def test_accuracy_is_that_of_the_evaluated_net_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    net = toy(1, dropout=0.5).train()
    generator = torch.Generator().manual_seed(0)
    images, labels = torch.randn(11, *IMAGE, generator=generator), torch.arange(11) % CLASSES
    with torch.no_grad():
        expected = net.eval()(images)
    net.train()
    net.passes.clear()
    for size in (4, 256):
        monkeypatch.setattr(measures, "BATCH", size)
        assert torch.allclose(measures.logits(net, images), expected, atol=1e-5)
        assert measures.quality(net, images, labels)["accuracy"] == pytest.approx(
            (expected.argmax(1) == labels).float().mean()
        )
    assert net.passes == [False] * 8
    assert all(module.training for module in net.modules()), "it is as it was"


@pytest.mark.parametrize("values", [[0.1], [0.5, 0.1, 0.9], [9, 9, 9, 1, 2, 3, 4, 5], [1, 2, 3, 4]])
def test_the_median_of_the_last(values: list[float]) -> None:
    assert measures.median_of_last(values) == pytest.approx(np.median(values[-5:]))


@pytest.mark.parametrize("name", ["dfkd_fgvc", "noise_kd"])
def test_data_free_metrics_change_nothing_and_repeat_themselves(name: str) -> None:
    run = opened(small(name=name))
    list(walked(run, 1))
    before, numbers = flat(run.state_dict()), torch.get_rng_state()
    modes = [module.training for module in run.student.modules()]
    first, second = (measures.data_free(run.teacher, run.student, run.source, run.setting) for _ in range(2))
    assert first == second
    assert set(first) == DATA_FREE - {metrics.ASKED}, "neither asks for classes"
    assert not differing(run.state_dict(), before)
    assert torch.equal(torch.get_rng_state(), numbers)
    assert [module.training for module in run.student.modules()] == modes


def distance(net: nn.Module, images: torch.Tensor) -> float:
    """L_BN (eq. 3 of DFKD-FGVC) of all images at once, in numpy."""
    inputs: dict[nn.BatchNorm2d, np.ndarray[Any, Any]] = {}
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_pre_hook(lambda m, args: inputs.__setitem__(m, args[0].double().numpy()))
    with torch.no_grad():
        net.eval()(images)
    total = 0.0
    for layer, x in inputs.items():
        mean, var = layer.running_mean.numpy(), layer.running_var.numpy()  # type: ignore[union-attr]
        total += float(np.linalg.norm(x.mean((0, 2, 3)) - mean) + np.linalg.norm(x.var((0, 2, 3)) - var))
    return total


@pytest.mark.parametrize("size", [4, 11, 256])
def test_the_batchnorm_prior_is_of_all_images_together(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "BATCH", size)
    images = torch.randn(11, *IMAGE, generator=torch.Generator().manual_seed(0)) * 2 + 1
    net = toy(1)
    with measures.prior(net) as measured:
        measures.logits(net, images)
    assert not any(module._forward_pre_hooks for module in net.modules())
    assert measured() == pytest.approx(distance(toy(1), images), rel=1e-5)


def test_a_teacher_without_batchnorm_has_no_such_metric() -> None:
    source: Any = Spied()
    for norm in (nn.Identity(), nn.BatchNorm2d(3, track_running_stats=False)):
        net = nn.Sequential(norm, nn.Flatten(), nn.Linear(3 * 16 * 16, CLASSES))
        out = measures.data_free(net, net, source, SETTING)
        assert set(out) == DATA_FREE - {metrics.BATCHNORM, metrics.ASKED}


def test_the_share_that_the_teacher_takes_for_what_was_asked() -> None:
    class Asking(Spied):
        def sample(self, batch: int, rng: torch.Generator, training: bool) -> Batch:
            images = torch.randn(batch, *IMAGE, generator=torch.Generator().manual_seed(batch))
            named = measures.logits(toy(1), images).argmax(1)
            wrong = torch.arange(batch) % 4 == 0
            return Batch(images, torch.where(wrong, (named + 1) % CLASSES, named))

    source: Any = Asking()
    assert measures.data_free(toy(1), toy(2), source, SETTING)[metrics.ASKED] == 0.75


def test_large_images_come_fewer_at_a_time() -> None:
    assert [measures.at_a_time(side, side) for side in (32, 112, 224, 448, 4096)] == [256, 256, 64, 16, 1]
    source: Any = Spied()
    images, _ = measures._own(source, replace(SETTING, image=(3, 224, 224)), torch.Generator().manual_seed(2))
    assert len(images) == sum(count for count, _, _ in source.asked) == measures.HELD_OUT
    assert {count for count, _, _ in source.asked} == {64}


class Spied:
    """A source of zeros that tells how it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int, bool]] = []

    def sample(self, batch: int, rng: torch.Generator, training: bool) -> Batch:
        self.asked.append((batch, rng.initial_seed(), training))
        return Batch(torch.zeros(batch, *IMAGE), None)


def test_the_banks() -> None:
    """The source's own images come from the same noise each time; the noise bank is the same for every trial."""
    seen: list[torch.Tensor] = []
    teacher, student = toy(1), toy(2)
    teacher.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    source: Any = Spied()
    out = measures.data_free(teacher, student, source, SETTING)
    assert source.asked == [(measures.HELD_OUT, 2, False)]
    images = torch.cat(seen)
    assert out[metrics.BATCHNORM] == pytest.approx(distance(toy(1), torch.zeros(measures.HELD_OUT, *IMAGE)), rel=1e-5)
    noise = torch.randn(measures.HELD_OUT, *IMAGE, generator=torch.Generator().manual_seed(1))
    assert torch.equal(images[: measures.HELD_OUT], torch.zeros_like(noise))
    assert torch.equal(images[measures.HELD_OUT : 2 * measures.HELD_OUT], noise)
    leaves = dead_leaves(measures.HELD_OUT, IMAGE, SETTING.mean, SETTING.std)
    assert torch.equal(images[2 * measures.HELD_OUT :], leaves)
    pair = measures.logits(teacher, leaves), measures.logits(student, leaves)
    assert (out["agreement/dead_leaves"], out["kl/dead_leaves"]) == measures.faithfulness(*pair)
    t, s = measures.logits(teacher, noise), measures.logits(student, noise)
    assert (out["agreement/noise"], out["kl/noise"]) == measures.faithfulness(t, s)
    assert out["correlation/dead_leaves"] == measures.correlation(*pair)
    assert out["correlation/noise"] == measures.correlation(t, s)
    assert not out.keys() & metrics.FOLLOWED["inverted"], "only where they are asked for"
    seen.clear()
    asked = measures.data_free(teacher, student, source, SETTING, leaves)
    assert len(torch.cat(seen)) == 2 * measures.HELD_OUT, "its answers to noise and dead leaves are known"
    assert [asked[name] for name in metrics.FOLLOWED["inverted"]] == [
        out[name] for name in metrics.FOLLOWED["dead_leaves"]
    ]


def test_a_correlation_is_that_of_the_logits_image_by_image_whatever_their_scale() -> None:
    t, s = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)), torch.randn(6, 5) ** 3
    expected = sum(float(np.corrcoef(a.numpy(), b.numpy())[0, 1]) for a, b in zip(t, s)) / 6
    assert measures.correlation(t, s) == pytest.approx(expected, abs=1e-6)
    assert measures.correlation(t, 0.01 * t + 3) == pytest.approx(1, abs=1e-6)
    assert measures.correlation(t, -t) == pytest.approx(-1, abs=1e-6)
    assert measures.correlation(t, torch.ones(6, 5)) == 0, "a student that says nothing"


def test_a_gpu_fetches_the_noise_bank_from_pinned_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    pinned: list[torch.Tensor] = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda noise: (pinned.append(noise), noise)[1])
    first, second = (measures._noise(3, IMAGE, True) for _ in range(2))
    assert first is second, "drawn once, and not in each epoch"
    assert [noise is first for noise in pinned] == [True]
    assert torch.equal(first, measures._noise(3, IMAGE, False))
    measures._noise.cache_clear()


def test_the_teacher_agrees_with_itself() -> None:
    teacher = toy(1)
    source: Any = Spied()
    out = measures.data_free(teacher, teacher, source, SETTING)
    assert [out[key] for key in ("agreement/source", "agreement/noise")] == [1.0, 1.0]
    assert [out[key] for key in ("kl/source", "kl/noise")] == pytest.approx([0, 0], abs=1e-6)
    assert isinstance(teacher, nn.Module)


def test_values_that_no_picture_has_are_told_channel_by_channel() -> None:
    mean, std = (0.5, 0.2), (0.25, 0.1)  # pictures span [-2, 2] and [-2, 8]
    images = torch.tensor([[-2.0, 2.0, 2.1, -2.1], [-2.0, 8.0, 2.1, -2.1]]).reshape(1, 2, 2, 2)
    assert measures.outside(images, mean, std) == pytest.approx(3 / 8)
    data = torch.rand(5, 2, 4, 4)
    assert measures.outside((data - torch.tensor(mean).view(2, 1, 1)) / torch.tensor(std).view(2, 1, 1), mean, std) == 0
