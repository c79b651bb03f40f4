"""What every source promises."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dfkd_ray.parts.sources  # noqa: F401  fills the registry
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.slots import Skips, sources
from dfkd_ray.parts.sources.adapted import Adapted
from dfkd_ray.parts.sources.category_embedding import CategoryEmbedding
from dfkd_ray.parts.sources.diffusion import Diffusion
from dfkd_ray.parts.sources.generator import Generator
from dfkd_ray.parts.sources.noisy_layer import NoisyLayer
from dfkd_ray.parts.sources.stored import Stored
from tests.datasets.pools.made import CARD, fill
from tests.tiny import overflowing, painter

IMAGE = (3, 16, 16)
SETTING = Setting(IMAGE, 5, (0.5,) * 3, (0.5,) * 3, Layout((), 6), Layout((), 6))
CPU = torch.device("cpu")


@cache
def pool() -> TemporaryDirectory[str]:
    """Of the setting's images; it is gone when the tests end."""
    folder = TemporaryDirectory()
    fill(Path(folder.name), 15, replace(CARD, std=SETTING.std))
    return folder


def diffusion() -> Diffusion:
    """With one guided timestep, so that a step is a step."""
    return Diffusion(model=painter(), timesteps=2, kept=1, parts=1, lr=30.0, checkpointing=False)


SMALL: dict[str, Callable[[], Any]] = {
    "adapted": lambda: Adapted(count=32),
    "category_embedding": lambda: CategoryEmbedding(latent=8, width=4, dim=6),
    "diffusion": diffusion,
    "generator": lambda: Generator(latent=8, width=4),
    "noisy_layer": lambda: NoisyLayer(latent=8, width=4, dim=6),
    "stored": lambda: Stored(pool().name, held_out=10),
}
every_source = pytest.mark.parametrize("name", list(sources))


def spec_of(name: str) -> Any:
    return SMALL.get(name, sources[name])()


def opened(name: str, also: tuple[nn.Parameter, ...] = (), seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return spec_of(name).open(SETTING, also, CPU)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image_loss(images: Tensor, labels: Tensor | None, only: str | None = None) -> tuple[Tensor, dict[str, Tensor]]:
    value = (images - 0.5).square().mean()
    return value, {"total": value.detach()}


def tensors(state: Any) -> list[Tensor]:
    """All tensors of a nested state, copied."""
    if isinstance(state, Tensor):
        return [state.clone()]
    inner = state.values() if isinstance(state, dict) else state if isinstance(state, (list, tuple)) else ()
    return [tensor for item in inner for tensor in tensors(item)]


def same(a: Any, b: Any) -> bool:
    one, other = tensors(a), tensors(b)
    return len(one) == len(other) and all(torch.equal(x, y) for x, y in zip(one, other))


@every_source
def test_a_spec_is_plain_and_cites_a_source(name: str) -> None:
    spec = spec_of(name)
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert spec.registered_as == name
    assert re.search(r"arXiv:\d{4}\.\d{5}|Table \d", type(spec).__doc__ or "")


@every_source
@pytest.mark.parametrize("training", [True, False])
def test_a_sample_is_a_detached_batch_that_its_numbers_decide(name: str, training: bool) -> None:
    live = opened(name)
    images, labels = live.sample(4, rng(), training=training)
    assert images.shape == (4, *IMAGE)
    assert images.dtype == torch.float32
    assert not images.requires_grad
    assert labels is None or labels.shape == (4,)
    torch.manual_seed(99)
    again, _ = opened(name).sample(4, rng(), training=training)
    other, _ = opened(name).sample(4, rng(1), training=training)
    assert torch.equal(images, again), "torch's own numbers do not matter"
    assert not torch.equal(images, other)


@every_source
def test_sampling_for_a_look_changes_nothing(name: str) -> None:
    live = opened(name)
    before = pickle.loads(pickle.dumps(live.state_dict()))
    live.sample(4, rng(), training=False)
    assert same(before, live.state_dict())


@every_source
def test_improving_lowers_the_loss_and_yields_each_step(name: str) -> None:
    live = opened(name)
    losses = [values["total"].item() for values in live.improve(8, 30, image_loss, rng(), 0.0)]
    assert len(losses) in (0, 30), "every step or none"
    assert list(live.improve(8, 0, image_loss, rng(), 0.0)) == []
    if losses:
        assert losses[-1] < 0.9 * losses[0]


@every_source
def test_the_whole_state_survives_a_file(name: str) -> None:
    first, second = opened(name, seed=0), opened(name, seed=1)
    list(first.improve(4, 2, image_loss, rng(), 0.0))
    first.sample(4, rng(), training=True)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    for live in (first, second):
        list(live.improve(4, 2, image_loss, rng(5), 0.5))
    assert same(first.state_dict(), second.state_dict())
    assert torch.equal(first.sample(4, rng(6), training=False).images, second.sample(4, rng(6), training=False).images)


@every_source
def test_a_step_that_overflows_float16_moves_nothing_and_is_counted(name: str) -> None:
    def broken(images: Tensor, labels: Tensor | None, only: str | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        return overflowing(images), {}

    torch.manual_seed(0)
    live = spec_of(name).open(replace(SETTING, precision="float16"), (), CPU)
    learned = list(live.net.parameters()) if hasattr(live, "net") else []
    before = tensors(learned)
    list(live.improve(4, 2, broken, rng(), 0.0))
    assert all(map(torch.equal, learned, before))
    assert all(bool(leaf.isfinite().all()) for leaf in tensors(live.state_dict()))
    if not isinstance(live, Skips):
        assert name in ("noise", "stored"), "these take no steps"
        return
    assert live.skipped == 2
    other = spec_of(name).open(replace(SETTING, precision="float16"), (), CPU)
    other.load_state_dict(live.state_dict())
    assert other.skipped == 2
    list(live.improve(4, 2, image_loss, rng(), 0.0))
    assert live.skipped == 2
    assert not any(map(torch.equal, learned, before))
