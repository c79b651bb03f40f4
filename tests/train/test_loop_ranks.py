"""Two ranks do what one process does, for every method: the same losses, the same state, but for rounding.

Everything is in double precision, so that rounding is far from what a wrong share of a batch would do; in single
precision where a method's painter computes in it. Pools keep images in half precision, where a rounding may tip over.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.methods import config
from dfkd_ray.nets.sharing import ALONE, Ranks
from dfkd_ray.train.loop import distill
from dfkd_ray.train.processes import together
from tests import tiny
from tests.tiny import flat, opened, shrunk, toy

NAMES = config.method_names()
BOUND = 1e-7  # relative, and absolute
SINGLE: dict[str, Any] = {"diff_dfkd": {"memory": {"name": "fresh"}}}  # without a pool
SHORT = {"schedule.rounds": 1}  # of an epoch
VARIED = "dda"  # in double precision but for its painter, whose images the student is taught on


def taught(name: str, ranks: Ranks) -> dict[str, Any]:
    """What a small run of a method leaves: losses of each epoch, and its whole state."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32 if name in SINGLE else torch.float64)
    try:
        run = opened(shrunk(name, {**SHORT, **SINGLE.get(name, {})}), teacher=smooth(1), student=smooth(2, dropout=0.3))
        losses = [epoch.losses for epoch in ranks.each(distill(run))]
        return flat({"losses": losses, **run.state_dict()})
    finally:
        torch.set_default_dtype(before)


def smooth(seed: int, dropout: float = 0.0) -> nn.Module:
    """A toy without kinks, at which two roundings of a value might part."""
    net = toy(seed, dropout=dropout).to(torch.get_default_dtype())
    for stage in (net.first, net.second):
        stage[2] = nn.Softplus()
    return net


def all_taught(names: tuple[str, ...], folder: str, ranks: Ranks, device: str) -> Iterator[tuple[str, Any]]:
    tiny.painter = lambda: folder  # type: ignore[assignment]  # transformers saves on the first rank alone
    for name in names:
        yield name, taught(name, ranks)


@pytest.fixture(scope="module")
def on_two() -> dict[str, Any]:
    """What each method leaves on two ranks."""
    return dict(together(2, partial(all_taught, NAMES, tiny.painter()), "cpu"))


@pytest.mark.parametrize("name", NAMES)
def test_two_ranks_do_what_one_process_does(name: str, on_two: dict[str, Any]) -> None:
    alone, shared = taught(name, ALONE), on_two[name]
    assert alone.keys() == shared.keys()
    bound = 1e-3 if name in SINGLE else 1e-4 if name == VARIED else BOUND
    for path, one in alone.items():
        other = shared[path]
        if isinstance(one, Tensor) and one.is_floating_point():
            near = 2e-3 if one.dtype == torch.float16 else bound
            torch.testing.assert_close(other, one, rtol=near, atol=near, msg=lambda said, at=path: f"{at}: {said}")
        elif isinstance(one, float):
            assert other == pytest.approx(one, rel=bound, abs=bound), path
        else:
            assert torch.equal(other, one) if isinstance(one, Tensor) else other == one, path
