"""Weights are numbers: a network with NaN in it answers everything, and says nothing."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from dfkd_ray.util.errors import DataError
from dfkd_ray.util.words import count

_SHOWN = 3


def check_finite(state: Mapping[str, Tensor], origin: str) -> None:
    """DataError that names the first tensors of `state` with values that are NaN or infinite, if there are any."""
    odd = {key: each.numel() - int(each.isfinite().sum()) for key, each in state.items()}
    found = [f"{key} ({number:,} of {state[key].numel():,})" for key, number in odd.items() if number]
    if not found:
        return
    more = f" and {count(len(found) - _SHOWN, 'more tensor')}" if len(found) > _SHOWN else ""
    where = f"NaN or infinite values in {', '.join(found[:_SHOWN])}{more}".replace("\u00a0", " ")
    raise DataError(f"{origin}: {where}: its training has failed, or the file is damaged")
