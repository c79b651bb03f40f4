"""NAYER's generator: which layer meets which image, what is drawn when, and where the embedding comes from."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.sources.lifecycles import Renew
from dfkd_ray.parts.sources.noisy_layer import LiveNoisyLayer, NoisyLayer
from dfkd_ray.util.errors import ConfigError

K, D, LATENT = 5, 7, 6
SETTING = Setting((3, 16, 16), K, (0.5,) * 3, (0.5,) * 3, Layout((), 6), Layout((), 6))
CPU = torch.device("cpu")


def opened(seed: int = 0, **fields: Any) -> LiveNoisyLayer:
    torch.manual_seed(seed)
    return NoisyLayer(**{"latent": LATENT, "width": 4, "dim": D, **fields}).open(SETTING, (), CPU)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image_loss(images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
    assert labels is not None
    value = (images - 0.5).square().mean()
    return value, {"total": value.detach()}


def watched(live: LiveNoisyLayer, batch: int, steps: int, seed: int = 0) -> list[Tensor]:
    """The noisy layers as the network sees them in each step of a round."""
    seen: list[Tensor] = []
    for_each = live.lifecycle.begin

    def begin(owner: Any, *rest: Any) -> None:
        for_each(owner, *rest)
        owner.net.register_forward_pre_hook(lambda net, args: seen.append(args[0].detach().clone()))

    live.lifecycle.begin = begin  # type: ignore[method-assign]
    list(live.improve(batch, steps, image_loss, rng(seed), 0.0))
    live.lifecycle.begin = for_each  # type: ignore[method-assign]
    live.net._forward_pre_hooks.clear()
    return seen


@pytest.mark.parametrize("batch", [5, 12, 15])
def test_each_layer_meets_its_own_images(batch: int) -> None:
    live = opened()
    layers, labels = live.noise(batch, rng()), live.draw_labels(batch, rng())
    assert labels is not None
    layers[:, :, -1] = torch.randn(len(layers), LATENT)  # biases that count
    embedded = live.embedding[labels]
    embedded = (embedded - embedded.mean(0)) / (embedded.var(0, unbiased=False) + 1e-5).sqrt()
    rows = [F.linear(row, layers[i // K, :, :-1], layers[i // K, :, -1]) for i, row in enumerate(embedded)]
    images = live.net.train()(layers, labels)
    assert torch.allclose(images, live.net.body(torch.stack(rows)), atol=1e-5)


def test_the_layers_are_noise_with_biases_of_zero_one_for_each_k_images() -> None:
    live = opened(dim=200)
    assert [len(live.noise(batch, rng())) for batch in (4, 5, 6, 20)] == [1, 1, 2, 4]
    layers = live.noise(20, rng())
    assert layers.shape == (4, LATENT, 201)
    assert layers[:, :, -1].abs().max() == 0
    assert layers[:, :, :-1].mean().item() == pytest.approx(0, abs=0.05)
    assert layers[:, :, :-1].std().item() == pytest.approx(1, abs=0.05)


def test_balanced_labels_give_each_layer_every_class_once() -> None:
    live = opened()
    for seed in range(4):
        labels = live.draw_labels(4 * K, rng(seed))
        assert labels is not None
        assert labels.view(4, K).sort(1).values.tolist() == [list(range(K))] * 4


def test_images_of_one_class_differ_by_their_layers() -> None:
    images, labels = opened().sample(2 * K, rng(), training=False)
    assert labels is not None
    assert torch.equal(labels[:K], labels[K:])
    assert ((images[:K] - images[K:]).abs().flatten(1).max(1).values > 1e-3).all()


def test_a_round_draws_its_layers_once_and_learns_them() -> None:
    live = opened()
    first, second = watched(live, 10, 3), watched(live, 10, 3, seed=1)
    assert [len(seen) for seen in (first, second)] == [3, 3]
    drawn = opened().noise(10, rng())
    assert torch.equal(first[0], drawn)
    assert 0 < (first[2] - first[0]).abs().max() < 0.05, "Adam, twice at 4e-3"
    assert (first[2][:, :, -1] - first[0][:, :, -1]).abs().max() > 0, "the biases too"
    assert (second[0] - first[2]).abs().max() > 1, "new ones"


def test_without_a_rate_every_step_draws_new_layers() -> None:
    seen = watched(opened(latent_lr=None), 10, 3)
    assert all((one - other).abs().max() > 1 for one, other in pairwise(seen))


def test_the_optimiser_is_new_in_each_round() -> None:
    live = opened()
    for _ in range(2):
        list(live.improve(5, 3, image_loss, rng(), 0.0))
        assert {int(state["step"]) for state in live.optimizer.state.values()} == {3}


def test_the_embedding_is_frozen_outlives_the_generator_and_is_the_runs_own() -> None:
    live = opened(lifecycle=Renew(every=1))
    before, net = live.embedding.clone(), live.net
    assert not any(parameter.shape == (K, D) for parameter in live.net.parameters())
    for seed in range(2):
        list(live.improve(5, 2, image_loss, rng(seed), 0.0))
    assert live.net is not net
    assert torch.equal(live.embedding, before)
    assert torch.equal(live.net.embedding, before)
    assert torch.equal(opened().embedding, before)
    assert not torch.equal(opened(seed=1).embedding, before)


def test_a_run_goes_on_in_the_same_bits_through_new_generators() -> None:
    first, second = (opened(seed, lifecycle=Renew(every=2)) for seed in (0, 1))
    list(first.improve(10, 2, image_loss, rng(0), 0.0))
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    for live in (first, second):
        for seed in (1, 2, 3):
            list(live.improve(10, 2, image_loss, rng(seed), 0.5))
    for training in (True, False):
        assert torch.equal(*(live.sample(10, rng(7), training).images for live in (first, second)))


def test_an_embedding_of_the_names_is_read_from_a_file(tmp_path: Path) -> None:
    names = torch.randn(K, 9, dtype=torch.float64)
    save_file({"text": names}, tmp_path / "names.safetensors")
    live = opened(embedding=str(tmp_path / "names.safetensors"))
    assert torch.equal(live.embedding, names.float())
    assert live.noise(5, rng()).shape == (1, LATENT, 10)
    assert live.sample(5, rng(), training=False).images.shape == (5, 3, 16, 16)


FILES: dict[str, tuple[dict[str, Tensor] | bytes | None, str]] = {
    "none": (None, "there is no file {path} on this machine: every machine that runs this needs it; null draws one"),
    "no tensors": (b"not a file of tensors", "{path} is no .safetensors file: "),
    "two": ({"a": torch.zeros(K, 2), "b": torch.zeros(K, 2)}, "{path} should hold one tensor of shape (5, D), "),
    "other classes": ({"a": torch.zeros(4, 2)}, "{path} should hold one tensor of shape (5, D), "),
    "a vector": ({"a": torch.zeros(K)}, "a row for each class in the task's order, got (5,)"),
    "nan": ({"a": torch.full((K, 2), torch.nan)}, "{path} has values that are not finite"),
}


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_does_not_fit_is_named(kind: str, tmp_path: Path) -> None:
    content, message = FILES[kind]
    path = tmp_path / "names.safetensors"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        save_file(content, path)
    with pytest.raises(ConfigError) as caught:
        opened(embedding=str(path))
    assert [problem.path for problem in caught.value.problems] == ["embedding"]
    assert message.format(path=path) in str(caught.value)


def test_impossible_values() -> None:
    with pytest.raises(ValueError, match="labels must be uniform or balanced"):
        NoisyLayer(labels="none")
    with pytest.raises(ValueError, match="dim must be at least 1, got 0"):
        NoisyLayer(dim=0)
