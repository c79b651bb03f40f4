"""The source `adapted`; what all sources promise: see test_contract."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from dfkd_ray.nets import build
from dfkd_ray.parts.losses.batchnorm import BatchNorm
from dfkd_ray.parts.optimizers import Adam
from dfkd_ray.parts.signals import Setting, Signals, layout
from dfkd_ray.parts.sources.adapted import HELD, Adapted, LiveAdapted

IMAGE = (3, 8, 8)


def opened(**fields: Any) -> tuple[LiveAdapted, Any]:
    """The source, and the BatchNorm prior of a teacher of darker images."""
    torch.manual_seed(0)
    teacher = build("unet4", 3).eval().requires_grad_(False)
    setting = Setting(IMAGE, 3, (0.5,) * 3, (0.25,) * 3, *(2 * [layout(teacher, IMAGE)]))
    prior = BatchNorm().open(setting)

    def loss(images: Tensor, labels: Tensor | None, /, *, only: str | None = None) -> Any:
        value = prior(Signals(images, labels, teacher, teacher))
        return value, {"total": value.detach()}

    return Adapted(count=32, **fields).open(setting, (), torch.device("cpu")), loss


def test_images_come_nearer_to_the_teachers_statistics_and_stay_what_they_are() -> None:
    far = {}
    for keep in (0.0, 100.0):
        live, loss = opened(keep=keep, optimizer=Adam(lr=0.02))
        losses = [values["total"].item() for values in live.improve(16, 40, loss, rng(), 0.0)]
        x = live._simulated(live.held, 16, rng(1))
        with torch.no_grad():
            far[keep] = float((live._adapted(x) - x).abs().mean())
        if not keep:
            assert losses[-1] < 0.97 * losses[0]
    assert far[100.0] < 0.1 * far[0.0]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_student_never_sees_what_is_measured_on() -> None:
    live, _ = opened(pasted=0.0)
    with torch.no_grad():
        live.net.head.weight.zero_()
        live.net.head.bias.zero_()  # type: ignore[union-attr]
    assert (len(live.train), len(live.held)) == (32, HELD)
    known = {tuple(x.flatten().tolist()) for x in live.train}
    assert all(tuple(x.flatten().tolist()) in known for x in live.sample(8, rng(), training=True).images)
    assert all(tuple(x.flatten().tolist()) not in known for x in live.sample(8, rng(), training=False).images)


@pytest.mark.parametrize(("field", "value"), [("count", 0), ("pasted", 1.0), ("keep", -1.0), ("width", 0)])
def test_a_field_out_of_its_range_is_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        Adapted(**{field: value})  # type: ignore[arg-type]
