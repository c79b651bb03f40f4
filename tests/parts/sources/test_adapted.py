"""The source `adapted`; what all sources promise: see test_contract."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dfkd_ray.nets import build
from dfkd_ray.parts.losses.batchnorm import BatchNorm
from dfkd_ray.parts.optimizers import Adam
from dfkd_ray.parts.signals import Setting, Signals, layout
from dfkd_ray.parts.sources.adapted import HELD, Adapted, LiveAdapted
from dfkd_ray.util.errors import ConfigError
from tests.datasets.trees import write_image

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

    return Adapted(**{"count": 32, **fields}).open(setting, (), torch.device("cpu")), loss


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


def test_images_of_ones_own_take_the_place_of_the_drawn_ones(tmp_path: Path) -> None:
    """Twenty flat pictures, of which each fifth is held out; `pasted` is off, so that a level tells a picture."""
    for number in range(20):
        write_image(tmp_path / "photos" / f"{number:02d}.png", 10 * number)
    live, _ = opened(pasted=0.0, images=str(tmp_path / "photos"))
    levels = [((part * 0.25 + 0.5) * 255).mean((1, 2, 3)).round().int().tolist() for part in (live.train, live.held)]
    assert levels == [[10 * n for n in range(20) if n % 5], [0, 50, 100, 150]]
    few, _ = opened(pasted=0.0, images=str(tmp_path / "photos"), count=4)
    assert len(few.train) == 4
    with pytest.raises(
        ConfigError, match=r"^images: .*/photo: there is no such folder of images, or .npz; did you mean"
    ):
        opened(images=str(tmp_path / "photo"))
    for number in range(11):
        (tmp_path / "photos" / f"{number:02d}.png").unlink()
    with pytest.raises(ConfigError, match=r"^images: .*/photos has 9 images: 10 are needed$"):
        opened(images=str(tmp_path / "photos"))


@pytest.mark.parametrize(("field", "value"), [("count", 0), ("pasted", 1.0), ("keep", -1.0), ("width", 0)])
def test_a_field_out_of_its_range_is_named(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        Adapted(**{field: value})  # type: ignore[arg-type]
