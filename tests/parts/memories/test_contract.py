"""What every memory promises."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch

import dfkd_ray.parts.memories  # noqa: F401  fills the registry
from dfkd_ray.parts.memories.vae_replay import VaeReplay
from dfkd_ray.parts.slots import memories
from tests.parts.memories.toy_sources import IMAGE, Layered, opened, rng
from tests.tiny import through_a_file

SMALL: dict[str, Any] = {"vae_replay": VaeReplay(latent=8, width=4)}
FORGETS_LABELS = {"feature_exchange", "vae_replay"}  # they mix images, or make them up
every_memory = pytest.mark.parametrize("name", list(memories))


def made(name: str, seed: int = 0) -> Any:
    return opened(SMALL.get(name, memories[name]()), seed)


@every_memory
def test_a_spec_is_plain_and_knows_its_name(name: str) -> None:
    spec = memories[name]()
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert spec.registered_as == name


@every_memory
@pytest.mark.parametrize("labelled", [True, False])
def test_a_memory_hands_out_batches_and_survives_a_file_between_rounds(name: str, labelled: bool) -> None:
    source: Any = Layered(labelled)
    first, second = made(name), made(name, seed=1)
    for _ in range(3):
        first.refill(source, 4, rng())
        first.draw(source, 4, rng())
    second.load_state_dict(through_a_file(first.state_dict()))
    other: Any = Layered(labelled)
    other.batches = source.batches
    for memory, live in ((first, source), (second, other)):
        memory.refill(live, 4, rng())
    for seed in range(3):
        ours, theirs = first.draw(source, 4, rng(seed)), second.draw(other, 4, rng(seed))
        assert len(ours.images) >= 4
        assert ours.images.shape[1:] == IMAGE
        assert ours.images.dtype == torch.float32
        assert not ours.images.requires_grad
        assert torch.equal(ours.images, theirs.images)
        assert (ours.labels is None) is (not labelled or name in FORGETS_LABELS)
        if ours.labels is not None:
            assert torch.equal(ours.labels.float(), ours.images[:, 0, 0, 0]), "labels stay with their images"
    assert all(source.trainings), "the student trains on what the source makes in training mode"
