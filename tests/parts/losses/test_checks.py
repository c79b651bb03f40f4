from __future__ import annotations

from typing import Literal

import pytest

from dfkd_ray.parts.losses.checks import one_of, positive, share


@pytest.mark.parametrize("value", [0, -1.5, float("nan"), float("inf")])
def test_positive_names_the_field_and_the_value(value: float) -> None:
    with pytest.raises(ValueError, match=rf"temperature must be > 0, got {value}"):
        positive(fine=1, temperature=value)


def test_one_of_lists_what_there_is() -> None:
    one_of(Literal["a", "b"], first="a", second="b")
    with pytest.raises(ValueError, match="second must be one of a, b, got 'c'"):
        one_of(Literal["a", "b"], first="a", second="c")


@pytest.mark.parametrize("value", [-0.1, 1, float("nan")])
def test_a_share_is_below_one(value: float) -> None:
    share(fine=0, other=0.99)
    with pytest.raises(ValueError, match=rf"clean must be in \[0, 1\), got {value}"):
        share(clean=value)
