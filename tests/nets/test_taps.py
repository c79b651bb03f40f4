from __future__ import annotations

from collections import OrderedDict

import pytest
from torch import nn

from dfkd_ray.nets import Taps, attach_taps, taps_of
from dfkd_ray.util.errors import ConfigError


def foreign() -> nn.Module:
    layers = (("stem", nn.Conv2d(3, 4, 3)), ("hidden", nn.Linear(4, 4)), ("out", nn.Linear(4, 2)), ("tail", nn.Tanh()))
    return nn.Sequential(OrderedDict(layers))


def test_a_foreign_net_has_no_stages_and_its_last_linear_as_head() -> None:
    assert taps_of(foreign()) == Taps(stages=(), head="out")


def test_a_bare_linear_is_its_own_head() -> None:
    assert taps_of(nn.Linear(3, 2)) == Taps(stages=(), head="")


def test_attached_taps_win() -> None:
    taps = Taps(("stem",), head="hidden")
    net = foreign()
    assert attach_taps(net, taps) is net
    assert taps_of(net) is taps


def test_a_net_without_a_linear_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Sequential has no nn\.Linear"):
        taps_of(nn.Sequential(nn.Conv2d(3, 4, 3)))


@pytest.mark.parametrize("taps", [Taps(("stme",), "out"), Taps((), "stme")])
def test_a_tap_that_names_no_module_gets_a_hint(taps: Taps) -> None:
    with pytest.raises(ConfigError, match=r"unknown module 'stme'; did you mean 'stem'\?"):
        taps_of(attach_taps(foreign(), taps))
