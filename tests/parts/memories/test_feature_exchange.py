from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dfkd_ray.datasets.pools import TeacherFacts
from dfkd_ray.nets.digest import digest
from dfkd_ray.parts.memories.feature_exchange import FeatureExchange, exchanged
from dfkd_ray.parts.slots import sources
from dfkd_ray.util.errors import ConfigError
from tests.datasets.pools.made import CARD, fill
from tests.parts.memories.toy_sources import IMAGE, Layered, opened, rng
from tests.tiny import opened as run_of
from tests.tiny import painter, shrunk, through_a_file, toy


def ramp(count: int, channels: int) -> Tensor:
    """Maps in which every value is another one."""
    return torch.arange(count * channels * 6.0).view(count, channels, 2, 3)


@pytest.mark.parametrize(("count", "channels"), [(4, 6), (5, 7)])
def test_half_of_the_channels_are_the_images_own_the_others_its_partners(count: int, channels: int) -> None:
    maps = ramp(count, channels)
    mixed = exchanged(maps, rng())
    for i in range(count):
        own = [torch.equal(mixed[i, c], maps[i, c]) for c in range(channels)]
        partners = [torch.equal(mixed[i, c], maps[count - 1 - i, c]) for c in range(channels)]
        assert all(a or b for a, b in zip(own, partners))
        if i != count - 1 - i:
            assert sum(own) == channels // 2
            assert sum(partners) == channels - channels // 2


def test_a_swap_by_hand() -> None:
    """Image 0 keeps the channels that its row of random numbers ranks lowest, image 1 those of its own row."""
    draw = torch.rand(2, 4, generator=rng(3))
    kept = [set(row.argsort().argsort().lt(2).nonzero().flatten().tolist()) for row in draw]
    mixed = exchanged(ramp(2, 4), rng(3))
    for i in (0, 1):
        taken = {c for c in range(4) if torch.equal(mixed[i, c], ramp(2, 4)[i, c])}
        assert len(taken) == 2
        assert len(kept[i]) == 2
    seen = {tuple((exchanged(ramp(2, 4), rng(seed))[0, :, 0, 0] < 24).tolist()) for seed in range(99)}
    assert len(seen) == 6, "every half of four channels is drawn"


def test_each_image_has_its_own_half() -> None:
    mixed = exchanged(ramp(8, 64), rng())
    own = [(mixed[i] == ramp(8, 64)[i]).flatten(1).all(1).tolist() for i in range(8)]
    assert len({tuple(each) for each in own}) == 8


def filled(rounds: int = 1, batch: int = 4, **fields: Any) -> tuple[Any, Layered]:
    source, memory = Layered(), opened(FeatureExchange(**fields))
    for _ in range(rounds):
        memory.refill(source, batch, rng())
    return memory, source


def test_all_depths_are_drawn_and_keep_their_shapes_and_labels() -> None:
    memory, source = filled(rounds=3)
    for _ in range(40):
        assert memory.draw(source, 4, rng()).images.shape == (4, *IMAGE)
    assert {depth for _, depth, _ in source.decoded} == {0, 1}
    for maps, depth, labels in source.decoded:
        assert maps.shape == (4, *source.shapes[depth])
        assert labels is not None
        assert set(labels.tolist()) <= {1, 2, 3}


@pytest.mark.parametrize(("p", "low", "high"), [(0.0, 0, 0), (0.7, 110, 170), (1.0, 200, 200)])
def test_a_batch_is_mixed_with_probability_p(p: float, low: int, high: int) -> None:
    memory, source = filled(rounds=60, p=p)
    for step in range(200):
        memory.draw(source, 32, rng(step))
    mixed = sum((maps != maps[:, :1, :1, :1]).any().item() for maps, _, _ in source.decoded)
    assert low <= mixed <= high


def test_a_pool_of_each_depth_holds_no_more_than_its_capacity_and_replaces_the_oldest() -> None:
    memory, source = filled(rounds=4, batch=2, capacity=5, p=0.0)
    assert [tuple(pool.images.shape) for pool in memory.pools] == [(5, *shape) for shape in source.shapes]
    assert {pool.images.dtype for pool in memory.pools} == {torch.float16}
    for pool in memory.pools:
        assert sorted(pool.images[:, 0, 0, 0].int().tolist()) == [2, 3, 3, 4, 4]


def test_a_round_that_was_cut_goes_on_in_the_same_bits_without_a_refill() -> None:
    """As when the source rests: what is drawn next depends on what was drawn before."""
    memory, source = filled(rounds=3)
    for step in range(5):
        memory.draw(source, 4, rng(step))
    second = opened(FeatureExchange())
    second.load_state_dict(through_a_file(memory.state_dict()))
    for step in range(20):
        ours, theirs = (each.draw(source, 4, rng(step)).images for each in (memory, second))
        assert torch.equal(ours, theirs)
    depths = [depth for _, depth, _ in source.decoded[5::2]]
    assert len(set(depths)) == 2


@pytest.mark.parametrize("name", list(sources))
def test_a_source_without_maps_is_refused_before_the_run(name: str, tmp_path: Path) -> None:
    source = {"name": name}
    if name == "diffusion":
        source["model"] = painter()
    if name == "stored":
        card = replace(CARD, teacher=TeacherFacts("toy", digest(toy(1).state_dict())))
        source["folder"] = str(fill(tmp_path, 15, card).folder)
    method = shrunk("spaceshipnet", {"source": source, "source_loss.onehot": None})
    if name == "upsampling":
        assert run_of(method).source.wanted  # type: ignore[attr-defined]
        return
    with pytest.raises(ConfigError) as caught:
        run_of(method)
    told = "feature_exchange needs a source whose feature maps it can keep and decode: upsampling"
    assert str(caught.value) == f"memory: {told}"


def test_ranges() -> None:
    with pytest.raises(ValueError, match=r"p is a probability, got 1\.5"):
        FeatureExchange(p=1.5)
    with pytest.raises(ValueError, match="capacity must be at least 1, got 0"):
        FeatureExchange(capacity=0)
