"""The places of a method: their registries are full, and what a live object can do is told from what it has."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from dfkd_ray.parts import losses, memories, views  # noqa: F401  each fills its registry
from dfkd_ray.parts import sources as package
from dfkd_ray.parts.slots import Batch, Belongs, Counts, Meets, sources
from dfkd_ray.parts.slots import memories as memories_
from dfkd_ray.parts.slots import views as views_
from dfkd_ray.parts.sources.average import Ema
from dfkd_ray.parts.sources.lifecycles import lifecycles
from dfkd_ray.parts.total_loss import TotalLoss, terms
from dfkd_ray.util.registry import Registry

REGISTRIES: dict[str, Registry[type[Any]]] = {"source": sources, "memory": memories_, "view": views_}


@pytest.mark.parametrize("kind", REGISTRIES)
def test_a_mistake_names_the_kind_of_the_slot(kind: str) -> None:
    registry = REGISTRIES[kind]
    assert registry.kind == kind
    assert len(registry)
    for name in registry:
        assert registry[name].registered_as == name


def test_each_component_stands_in_its_own_package() -> None:
    homes = {"source": package.__name__, "memory": memories.__name__, "view": views.__name__}
    for kind, registry in REGISTRIES.items():
        assert {registry[name].__module__.startswith(homes[kind]) for name in registry} == {True}


SPECS = [TotalLoss, Ema, *(registry[name] for registry in (terms, sources, memories_, lifecycles) for name in registry)]


@pytest.mark.parametrize("spec", [spec for spec in SPECS if hasattr(spec, "open")])
def test_a_spec_opens_the_live_object_of_its_name(spec: type[Any]) -> None:
    """Optimisers open torch's own, and conditioners are built, which their protocols say."""
    opens = next(cls for cls in spec.__mro__ if "open" in vars(cls))
    assert f"return Live{opens.__name__}(" in inspect.getsource(opens.open)


@pytest.mark.parametrize(
    ("protocol", "method", "other"),
    [(Belongs, "belongs", "meet"), (Counts, "updates", "belongs"), (Meets, "meet", "updates")],
)
def test_what_a_live_object_can_do_is_told_from_its_methods(protocol: Any, method: str, other: str) -> None:
    def made(name: str) -> object:
        does: dict[str, Callable[..., None]] = {name: lambda self, *given: None}
        return type("Thing", (), does)()

    assert isinstance(made(method), protocol)
    assert not isinstance(made(other), protocol)
    assert not isinstance(nn.Identity(), protocol)


def test_a_batch_is_images_and_the_labels_that_they_were_asked_for() -> None:
    images, labels = Batch(torch.zeros(2, 3, 4, 4), None)
    assert images.shape == (2, 3, 4, 4)
    assert labels is None
