"""FSC, as far as an abstract tells: parts that are here, put together."""

from __future__ import annotations

from dfkd_ray.methods import config, origins
from dfkd_ray.parts.memories.pool import PoolMemory
from dfkd_ray.parts.sources.generator import Attention, Generator

METHOD, RELATIVE = config.load("fsc"), config.load("spaceshipnet")


def test_what_the_abstract_names_is_there() -> None:
    assert origins.evidence("fsc") == "reconstruction"
    assert isinstance(METHOD.source, Generator)
    assert METHOD.source.attention == Attention(mix=0.05)
    same = ("latent", "latent_lr", "labels", "gives", "lifecycle", "output", "optimizer")
    assert all(getattr(METHOD.source, name) == getattr(RELATIVE.source, name) for name in same), "z has its class"
    assert set(METHOD.source_loss.parts) == {"onehot", "batchnorm", "adversarial"}
    assert METHOD.memory == PoolMemory(capacity=51200)


def test_its_student_and_schedule_are_spaceshipnets() -> None:
    assert METHOD.student_loss == RELATIVE.student_loss
    assert METHOD.schedule == RELATIVE.schedule
    assert METHOD.student.optimizer == RELATIVE.student.optimizer
    assert METHOD.views == RELATIVE.views
