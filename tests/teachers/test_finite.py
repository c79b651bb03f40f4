"""Weights that are no numbers are told where they are loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from dfkd_ray import nets
from dfkd_ray.teachers.finite import check_finite
from dfkd_ray.teachers.weights import fill, read_weights
from dfkd_ray.util.errors import DataError


def test_the_first_tensors_are_named_with_how_many_of_their_values() -> None:
    state = {name: torch.zeros(2, 3) for name in "abcdef"} | {"tracked": torch.tensor(3)}
    check_finite(state, "w.pt")
    state["b"][0, 1] = torch.nan
    with pytest.raises(DataError, match=r"^w\.pt: NaN or infinite values in b \(1 of 6\): its training has failed"):
        check_finite(state, "w.pt")
    for name in "cde":
        state[name].fill_(-torch.inf)
    with pytest.raises(DataError, match=r"in b \(1 of 6\), c \(6 of 6\), d \(6 of 6\) and 1 more tensor: "):
        check_finite(state, "w.pt")


@pytest.mark.parametrize("odd", [torch.nan, torch.inf])
def test_no_network_takes_them_from_a_file(odd: float, tmp_path: Path) -> None:
    """A teacher, a student that is evaluated, and one that is exported are all filled by this one function."""
    net, path = nets.build("resnet8", 10), tmp_path / "net.pt"
    state = net.state_dict()
    before = {key: value.clone() for key, value in state.items()}
    torch.save({**before, "linear.bias": before["linear.bias"].index_fill(0, torch.tensor([4]), odd)}, path)
    with pytest.raises(DataError, match=r"net\.pt: NaN or infinite values in linear\.bias \(1 of 10\)"):
        fill(net, read_weights(path), str(path))
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items()), "nothing is loaded"
