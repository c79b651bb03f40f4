"""Signals without networks, for tests that look at one formula."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from dfkd_ray.nets.sharing import ALONE

See = Callable[..., Any]


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture
def see() -> See:
    """A maker of signals that holds what it is told; reading anything else is an AttributeError."""

    def make(
        teacher: Mapping[str, Any] | None = None,
        student: Mapping[str, Any] | None = None,
        images: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> SimpleNamespace:
        told: dict[str, Any] = {"images": images, "labels": labels, "ranks": ALONE}
        passes = {"teacher": SimpleNamespace(**(teacher or {})), "student": SimpleNamespace(**(student or {}))}
        return SimpleNamespace(**{name: value for name, value in told.items() if value is not None}, **passes)

    return make
