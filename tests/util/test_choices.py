"""What an option may be is said once: the command line offers it, and what computes takes it."""

from __future__ import annotations

from typing import get_args

import pytest
import torch

from dfkd_ray.nets.precision import dtype_of
from dfkd_ray.train.runtime import Runtime
from dfkd_ray.util import choices


@pytest.mark.parametrize("name", get_args(choices.Precision))
def test_every_precision_is_one_of_torchs(name: choices.Precision) -> None:
    halves = {"mixed": torch.bfloat16, "bfloat16": torch.bfloat16, "float16": torch.float16}
    assert dtype_of(name) == {"float32": torch.float32, **halves}[name]
    assert Runtime(precision=name).precision == name


def test_the_first_is_what_holds_where_nobody_says() -> None:
    assert (get_args(choices.Precision)[0], get_args(choices.Cache)[0]) == (Runtime().precision, Runtime().cache)
